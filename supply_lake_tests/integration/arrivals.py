"""Places in which files arrive, and the two ways to learn of them, behind one face, so that one suite holds for all."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from supply_lake.ingest import batches
from supply_lake.ingest.events import Taken, take
from supply_lake.landing.ledger import LedgerEntry
from supply_lake.landing.queue import Queue
from supply_lake.snapshots.records import Batch
from supply_lake_tests.ingest.house import DAY, ORDERS, House
from supply_lake_tests.integration.queues import Wiring
from supply_lake_tests.integration.s3 import S3

ODD = {**ORDERS, "name": "odd", "landing": {"pattern": "odd/{path}"}}
SPECS: Sequence[dict[str, Any]] = (ORDERS, ODD)


class Folder:
    """A local folder, which is listed."""

    tells = False

    def __init__(self, home: Path, env: dict[str, str] | None = None) -> None:
        self.house = House(home, *SPECS, env={"SUPPLY_LAKE_SETTLE_SECONDS": "0", **(env or {})})

    def put(self, key: str, data: str | bytes) -> None:
        """What a producer does."""
        self.house.stores.landing.put(key, data.encode() if isinstance(data, str) else data)

    def copy(self, source: str, key: str) -> None:
        root = Path(self.house.stores.landing.location)
        shutil.copyfile(root / source, root / key)

    def rename(self, source: str, key: str) -> None:
        self.copy(source, key)
        self.house.stores.landing.delete([source])

    def put_in_parts(self, key: str, data: bytes) -> None:
        self.put(key, data)

    def look(self, told: int = 0) -> int:
        """Learn of what came; returns how many object versions were new.

        :param told: how many messages there are by now, where there is a queue
        """
        return self.house.discover().new

    def run(self) -> list[Batch]:
        """Publish what is pending."""
        done: list[Batch] = []
        while waiting := self.house.stores.metadata.pending():
            for one in waiting:
                done += batches.run_pending(self.house.stores, one.dataset, one.landing_date, run_id="test")
        return done

    def ledger(self) -> list[LedgerEntry]:
        return list(self.house.stores.metadata.objects())

    def close(self) -> None:
        self.house.close()


class Bucket(Folder):
    """A bucket, which is listed."""

    def __init__(self, home: Path, server: S3, bucket: str, **env: str) -> None:
        self.s3, self.bucket = server.client, bucket
        super().__init__(home, {"SUPPLY_LAKE_LANDING": f"s3://{bucket}/the landing", **env})

    def put(self, key: str, data: str | bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=f"the landing/{key}", Body=data)

    def copy(self, source: str, key: str) -> None:
        origin = {"Bucket": self.bucket, "Key": f"the landing/{source}"}
        self.s3.copy_object(Bucket=self.bucket, Key=f"the landing/{key}", CopySource=origin)

    def put_in_parts(self, key: str, data: bytes) -> None:
        where = {"Bucket": self.bucket, "Key": f"the landing/{key}"}
        upload = self.s3.create_multipart_upload(**where)["UploadId"]
        part = self.s3.upload_part(**where, UploadId=upload, PartNumber=1, Body=data)
        parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
        self.s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload=parts)


class Queued(Bucket):
    """A bucket that tells a queue."""

    tells = True

    def __init__(self, home: Path, server: S3, way: str) -> None:
        self.wiring = Wiring(server, way)
        super().__init__(home, server, self.wiring.bucket, SUPPLY_LAKE_EVENTS=f"sqs://{self.wiring.name}")
        self.queue = Queue.open(self.house.stores.settings.events)

    def look(self, told: int = 0) -> int:
        self.wiring.settled(told)
        return sum(one.new for one in self.hear())

    def hear(self, most: int = 500) -> list[Taken]:
        """Take what is in the queue, look by look, until there is nothing."""
        looks: list[Taken] = []
        while (taken := take(self.house.stores, self.queue, most=most)).received:
            looks.append(taken)
        return looks


def arrivals(kind: str, home: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """The place of a kind: ``folder``, ``s3``, or a way to tell a queue."""
    if kind == "folder":
        return Folder(home)
    server = request.getfixturevalue("s3_server")
    for name, value in server.environ.items():
        monkeypatch.setenv(name, value)
    return Bucket(home, server, server.new_bucket()) if kind == "s3" else Queued(home, server, kind)


def key(file: str, day: dt.date = DAY) -> str:
    """The landing key of a file of orders."""
    return f"orders/{day:%Y/%m/%d}/{file}"
