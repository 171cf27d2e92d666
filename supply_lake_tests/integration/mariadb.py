"""A real MariaDB server, where one is installed, for tests that talk to one."""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pymysql

_PATIENCE_SECONDS = 60


def missing() -> str:
    """Why there is no server here; empty when there is one."""
    programs = ("mariadbd", "mariadb-install-db")
    lacking = [name for name in programs if shutil.which(name) is None]
    return f"{' and '.join(lacking)} not installed; `apt-get install mariadb-server` brings it" if lacking else ""


class MariaDB:
    """One server on a port of its own, with its data in a folder."""

    def __init__(self, folder: Path) -> None:
        self._numbers = itertools.count(1)
        data = folder / "data"
        own = ["--no-defaults", f"--datadir={data}", "--user=root"]
        subprocess.run(
            ["mariadb-install-db", *own, "--auth-root-authentication-method=normal", "--skip-test-db"],
            check=True,
            capture_output=True,
        )
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        places = [f"--socket={folder / 'socket'}", f"--port={self.port}", "--bind-address=127.0.0.1", "--skip-log-bin"]
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["mariadbd", *own, *places, "--innodb-flush-log-at-trx-commit=0"], stdout=log, stderr=subprocess.STDOUT
            )
        self._wait(folder / "log")

    def _wait(self, log: Path) -> None:
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                self.connect().close()
                return
            except pymysql.err.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"MariaDB did not start:\n{log.read_text()[-2000:]}") from error
                time.sleep(0.05)

    def connect(self, database: str | None = None) -> pymysql.Connection:
        return pymysql.connect(
            host="127.0.0.1", port=self.port, user="root", database=database, charset="utf8mb4", autocommit=True
        )

    def new_database(self) -> str:
        """Name of an empty database."""
        name = f"test_{next(self._numbers)}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return name

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
