"""The demo on AWS's services, as an emulator on this machine speaks them: S3, SQS, DynamoDB, Glue.

What belongs here: starting the emulator, making what the lake needs there, and the settings that switch each part. What does
not: the demo (``run``), which is the same. All of it lies in a temporary folder and in the emulator, and is gone at the end.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAMS = Path(__file__).parents[1] / ".venv-ministack" / "bin"
BUCKETS = ("landing", "lake", "rejects")
USED = ("S3", "SQS", "DynamoDB", "Glue")
QUEUE = "supply-lake-arrivals"
_PATIENCE_SECONDS = 30.0


def main() -> int:
    """Run the demo with every part on its AWS service; its exit status."""
    with (
        tempfile.TemporaryDirectory() as home,
        _emulator("ministack", home) as endpoint,
        _emulator("moto_server", home) as glue,
    ):
        os.environ.update(_credentials(endpoint), AWS_ENDPOINT_URL_GLUE=glue)
        queue = _furnish()
        os.environ.update(
            SUPPLY_LAKE_HOME=str(Path(home) / "lake"),
            SUPPLY_LAKE_LANDING="s3://supply-lake-landing/raw",
            SUPPLY_LAKE_LAKE="s3://supply-lake-lake/curated",
            SUPPLY_LAKE_REJECTS="s3://supply-lake-rejects/set-aside",
            SUPPLY_LAKE_EVENTS=queue,
            SUPPLY_LAKE_METADATA="dynamodb://supply-lake?create=true",
            SUPPLY_LAKE_CATALOG="glue",
        )
        import run

        status = run.main(stays=False)
        _show_catalog()
        run.console.print(f"\n[dim]All of this was on emulators, and is gone with them: {', '.join(USED)}.[/]", soft_wrap=True)
        return status


def _show_catalog() -> None:
    """What engines that read the catalog find there."""
    import boto3
    import run

    glue: Any = boto3.client("glue")
    tables = glue.get_tables(DatabaseName="supply_lake")["TableList"]
    commits = {one["Name"]: one["Parameters"].get("supply_lake.live_commit") for one in tables}
    shown = ", ".join(f"{name} at commit {commit}" for name, commit in sorted(commits.items()) if commit)
    run.console.print(f"\n[bold]The Glue Data Catalog[/]  {shown}", soft_wrap=True)


@contextmanager
def _emulator(program: str, folder: str) -> Iterator[str]:
    """The URL of an emulator that lives as long as the block. One covers what the other lacks."""
    path = PROGRAMS / program
    if not path.exists():
        raise SystemExit(f"the emulator is not installed ({path} is missing); `make demo-aws` installs it")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    own = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "HOME": folder}
    command = [str(path), *(["-H", "127.0.0.1", "-p", str(port)] if program == "moto_server" else [])]
    log = Path(folder) / f"{program}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=os.environ | own, cwd=folder, stdout=out, stderr=out)
    try:
        _until_up(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _until_up(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit(f"the emulator did not start:\n{log.read_text()[-2000:]}")


def _credentials(endpoint: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "demo",
        "AWS_SECRET_ACCESS_KEY": "demo",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _furnish() -> str:
    """Make the buckets, and the queue that landing tells of new objects; the queue's setting."""
    import boto3

    s3: Any = boto3.client("s3")
    sqs: Any = boto3.client("sqs")
    for name in BUCKETS:
        s3.create_bucket(Bucket=f"supply-lake-{name}")
    url = sqs.create_queue(QueueName=QUEUE)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allowed = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    told = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
    s3.put_bucket_notification_configuration(Bucket="supply-lake-landing", NotificationConfiguration=told)
    return f"sqs://{QUEUE}"


if __name__ == "__main__":
    sys.exit(main())
