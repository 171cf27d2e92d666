"""moto's server out of a Python package, for tests that talk to Glue.

It is right about what the other emulator lacks or passes over: BatchDeletePartition, GetPartitions with an expression,
versions of a table. It passes over ``VersionId`` in UpdateTable, so what happens when two write at once is tested on the
other one.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError

from supply_lake_tests.integration.s3 import PROGRAM, _free_port

_PATIENCE_SECONDS = 30


class Moto:
    """One server on a port of its own."""

    def __init__(self, folder: Path) -> None:
        program = PROGRAM.with_name("moto_server")
        if not program.exists():
            raise RuntimeError(f"the Glue emulator is not installed ({program} is missing); `make test` installs it")
        self._numbers = itertools.count(1)
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        with (folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), "-H", "127.0.0.1", "-p", str(self.port)],
                env=os.environ | {"HOME": str(folder)},
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.client = self.new_client()
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                self.client.get_databases()
                return
            except BotoCoreError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"moto did not start:\n{(folder / 'log').read_text()[-2000:]}") from error
                time.sleep(0.05)

    def new_client(self) -> Any:
        """A client of its Glue."""
        return boto3.client(
            "glue", endpoint_url=self.url, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        )

    def new_database(self) -> str:
        """Name of a database that is not there yet."""
        return f"lake_{next(self._numbers)}"

    def stop(self) -> None:
        """Stop the server; what it held is lost."""
        self._process.terminate()
        self._process.wait()
