"""An S3 server out of a Python package (ministack), for tests that talk to one.

It is right about everything that the object store needs: conditional PUT and GET, ranges, multipart uploads, listings in pages,
encoded keys. And about what the DynamoDB store needs: transactions with conditions and tokens, pages of 1 MB, items of 400 KB; of
reads by key it tells too few consumed units. It takes any credentials, so refusals cannot be tested on it.
"""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import time
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError

PROGRAM = Path(__file__).parents[2] / ".venv-ministack" / "bin" / "python"
START = Path(__file__).with_name("ministack_quickly.py")
_PATIENCE_SECONDS = 30


class S3:
    """One server on a port of its own."""

    def __init__(self, folder: Path) -> None:
        if not PROGRAM.exists():
            raise RuntimeError(f"the S3 emulator is not installed ({PROGRAM} is missing); `make test` installs it")
        self._numbers = itertools.count(1)
        self._folder = folder
        self.port = _free_port()
        self.environ = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.client = boto3.client(
            "s3",
            endpoint_url=self.environ["AWS_ENDPOINT_URL"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
            region_name="us-east-1",
        )
        self.start()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        own = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(self.port), "HOME": str(self._folder)}
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(PROGRAM), str(START)], env=os.environ | own, cwd=self._folder, stdout=log, stderr=subprocess.STDOUT
            )
        end = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                self.client.list_buckets()
                return
            except BotoCoreError as error:
                if self._process.poll() is not None or time.monotonic() > end:
                    log_text = (self._folder / "log").read_text()[-2000:]
                    raise RuntimeError(f"the S3 emulator did not start:\n{log_text}") from error
                time.sleep(0.05)

    def new_bucket(self) -> str:
        """Name of an empty bucket."""
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        return name

    def new_table(self) -> str:
        """URL of a metadata store in a DynamoDB table that is not there yet."""
        return f"dynamodb://table-{next(self._numbers)}?create=true"

    def stop(self) -> None:
        """Stop the server; what it held is lost."""
        self._process.terminate()
        self._process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
