"""Writer processes: many at once, or one that is killed. Run as a module, so that nothing else lives in the process that forks.

``writers race URL WRITERS COMMITS`` lets the writers open one empty store and commit to one dataset, each at its own pace.
``writers kill URL WORK`` lets one writer after another die at the first, second, … moment of its work, each on a dataset of its
own, until one survives; prints what each was about to do. The works: ``publish`` takes in objects and publishes one, ``mend``
replays the one that was rejected and revokes that again.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from supply_lake.errors import CommitConflict
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots.dynamo_store import DynamoStore
from supply_lake.snapshots.records import Kind, Status
from supply_lake.snapshots.sql_store import SqlStore
from supply_lake.snapshots.store import MetadataStore, Moved, Proposal, TakenUp
from supply_lake_tests.snapshots.made_up import DAY, NOON, SECOND, Clock, batch, entry, proposed, source, version
from supply_lake_tests.snapshots.opening import open_now

APPENDED, REPLACED, MERGED = DAY.replace(day=1), DAY.replace(day=2), DAY.replace(day=3)


# --- many at once


def race(url: str, writers: int, commits: int) -> None:
    children = [_fork(lambda number=number: _write(url, number, commits)) for number in range(writers)]
    if any(status != 0 for status in map(_wait, children)):
        sys.exit("a writer failed")


def _write(url: str, writer: int, commits: int) -> None:
    store = open_now(url)
    for number in range(commits):
        kind = (_append, _replace, _merge)[number % 3]
        kind(store, f"{writer}-{number}")
    store.close()


def _append(store: MetadataStore, name: str) -> None:
    store.commit(Proposal(batch(APPENDED, notes=[name]), (version(name),)))


def _replace(store: MetadataStore, name: str) -> None:
    store.commit(Proposal(batch(REPLACED, notes=[name]), (version(name),), supersede_live=(REPLACED,)))


def _merge(store: MetadataStore, name: str) -> None:
    """What an upsert does: read the live rows, write them with one's own, and begin again when another was faster."""
    while True:
        live = store.live("orders", partition=MERGED)
        notes = [*(note for one in live for note in one.notes), name]
        based_on = ((MERGED, tuple(one.id for one in live)),)
        try:
            store.commit(Proposal(batch(MERGED, notes=notes), (version(name),), based_on=based_on))
        except CommitConflict:
            continue
        return


# --- one that is killed


def kill(url: str, work: Callable[..., None]) -> None:
    open_now(url).close()
    moment = 0
    while True:
        if work is mend:
            publish(url, f"d{moment}")
        if _wait(_fork(lambda moment=moment: work(url, f"d{moment}", Doom(moment)))) == 0:
            break
        moment += 1
    print(f"survived {moment}")


class Doom:
    """Kills its process at the n-th moment, counted from 0.

    In SQL: before and after every statement, and around every COMMIT. In DynamoDB: before the first request, and after every one
    that writes.
    """

    def __init__(self, moment: int) -> None:
        self._left = moment

    def watch(self, store: MetadataStore) -> None:
        if isinstance(store, DynamoStore):
            self.strike("before the first request")
            store.table.client.meta.events.register("after-call.dynamodb", self._after)
        if isinstance(store, SqlStore):
            self._watch_engine(store._database.engine)

    def _after(self, model: Any, **_: Any) -> None:
        if "Write" in model.name:
            self.strike(f"after {model.name}")

    def _watch_engine(self, engine: sa.Engine) -> None:
        event.listen(engine, "before_cursor_execute", lambda *found: self.strike(f"before {found[2]}"))
        event.listen(engine, "after_cursor_execute", lambda *found: self.strike(f"after {found[2]}"))
        to_the_end = engine.dialect.do_commit

        def commit(connection: Any) -> None:
            self.strike("before COMMIT")
            to_the_end(connection)
            self.strike("after COMMIT")

        engine.dialect.do_commit = commit  # type: ignore[method-assign]

    def strike(self, what: str) -> None:
        if self._left == 0:
            print("killed", " ".join(what.split())[:60], flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def publish(url: str, dataset: str, doom: Doom | None = None) -> None:
    """Take in two objects, reject one, and put what is published of the other in the place of what is live."""
    store = open_now(url, Clock(NOON + SECOND))
    if doom is not None:
        doom.watch(store)
    good, bad = version("good.csv", dataset=dataset), version("bad.csv", dataset=dataset)
    store.register([entry(one, dataset=dataset) for one in (good, bad)], listed=True)
    for one in [found.object for found in store.pending_objects(dataset, DAY, 10, 1000)]:
        store.start_attempt([one], 3)
        made = batch(DAY, dataset=dataset, sources=[source(one)])
        if one == bad:
            store.record(replace(made, status=Status.REJECTED), [one])
        else:
            store.commit(Proposal(made, (one,), supersede_live=(DAY,), schema=proposed(("id", "string"))))
    store.close()


def mend(url: str, dataset: str, doom: Doom | None = None) -> None:
    """Replay the object that was rejected, and revoke that again; what is done already is not done twice."""
    store = open_now(url, Clock(NOON + SECOND))
    if doom is not None:
        doom.watch(store)
    bad = version("bad.csv", dataset=dataset)
    entry_ = store.versions([bad.key])[bad.key][-1]
    replays = [one for one in store.snapshots(dataset) if one.kind is Kind.REPLAY]
    if not replays:
        made = batch(DAY, dataset=dataset, sources=[source(bad)], kind=Kind.REPLAY)
        replays = list(store.commit(Proposal(made, (bad,), taken_up=(TakenUp(bad, entry_.standing_in),))).snapshots)
    if replays[0].revoked_by is None:
        made = batch(DAY, dataset=dataset, kind=Kind.REVOKE, reason="false", by="ada", revokes=(replays[0].id,))
        moved = (Moved(bad, ObjectState.REVOKED, "it was revoked: false", replays[0].batch_id),)
        store.commit(Proposal(made, (), supersedes=(replays[0].id,), revokes=(replays[0].id,), moved=moved))
    store.close()


def _fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return child


def _wait(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    if sys.argv[1] == "race":
        race(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        kill(sys.argv[2], {"publish": publish, "mend": mend}[sys.argv[3]])
