"""What only a store in DynamoDB can get wrong: its limits, its pages, plans that others finish, faults, and what it costs."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError

from supply_lake.errors import AlreadyPublished, CommitConflict, SettingsError, StoreUnavailable, VersionRemoved
from supply_lake.landing.ledger import ObjectState
from supply_lake.snapshots import dynamo_connect
from supply_lake.snapshots.dynamo_connect import connect
from supply_lake.snapshots.dynamo_items import HEADS, marks_of
from supply_lake.snapshots.dynamo_plan import carry_out, load_plan
from supply_lake.snapshots.dynamo_store import DynamoStore
from supply_lake.snapshots.records import Kind, Outcome, Status
from supply_lake.snapshots.store import MetadataStore, Proposal
from supply_lake_tests.snapshots import writers
from supply_lake_tests.snapshots.faults import Weather, answer, between
from supply_lake_tests.snapshots.made_up import (
    DAY,
    NOON,
    SECOND,
    Clock,
    batch,
    entry,
    proposal,
    proposed,
    source,
    states,
    version,
)
from supply_lake_tests.snapshots.opening import open_now
from supply_lake_tests.snapshots.test_store_crashes import mended
from supply_lake_tests.snapshots.test_store_upkeep import pin, removal

pytestmark = pytest.mark.integration
DAYS = [DAY - dt.timedelta(days=n) for n in range(250)]
FOREVER = 3_600.0


@pytest.fixture
def store_url(dynamodb_url: str) -> str:
    return dynamodb_url


@pytest.fixture
def open_dynamo(dynamodb_url: str, clock: Clock) -> Iterator[Callable[..., DynamoStore]]:
    opened: list[DynamoStore] = []

    def open_one(**options: Any) -> DynamoStore:
        opened.append(DynamoStore(connect(dynamodb_url), clock, **{"patience": 0.0, **options}))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def dynamo(open_dynamo: Callable[..., DynamoStore]) -> DynamoStore:
    return open_dynamo()


def everything(store: DynamoStore) -> list[dict[str, Any]]:
    """All items of the table."""
    found, start = [], {}
    while start is not None:
        page = store.table.client.scan(TableName=store.table.name, **start)
        found += page["Items"]
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else None
    return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))


# --- what is larger than a request, an item, a page


def test_hundreds_of_snapshots_and_objects_are_one_commit_for_a_reader_at_every_write(
    open_dynamo: Callable[..., DynamoStore],
) -> None:
    writer, reader = open_dynamo(), open_dynamo(patience=FOREVER)
    first = writer.commit(proposal(*DAYS[:20]))
    objects = [version(f"{n}.csv", str(n)) for n in range(300)]
    writer.register([entry(one) for one in objects])
    asked = proposal(*DAYS, objects=objects, supersede_live=tuple(DAYS), schema=proposed(("id", "string")))
    seen: Counter[tuple[int, ...]] = Counter()

    def look(operation: str, _: Any) -> None:
        if "Write" in operation and sum(seen.values()) % 7 == 0:
            snapshots = reader.snapshots("orders", limit=len(DAYS) + 1)
            counts = (reader.last_commit("orders"), len(reader.commits("orders")), len(reader.live("orders")))
            seen[(*counts, len(snapshots), len(reader.schema_versions("orders")), len(reader.batches("orders")))] += 1
        elif "Write" in operation:
            seen[()] += 1

    with between(writer, look):
        done = writer.commit(asked)
    del seen[()]
    assert set(seen) == {(1, 1, 20, 20, 0, 1)}
    assert (done.commit, len(done.snapshots)) == (2, 250)
    assert sum(len(one.supersedes) for one in done.snapshots) == 20
    assert reader.live("orders") == sorted(done.snapshots, key=lambda one: one.partition)
    assert reader.live("orders", commit=1) == [replace(one, superseded_by=2) for one in reversed(first.snapshots)]
    assert reader.batches("orders", limit=1) == [done]
    assert len(reader.published_content("orders", DAY)) == 300
    assert reader.commits("orders")[1].superseded == tuple(one.id for one in reversed(first.snapshots))
    assert not [item for item in everything(writer) if item["pk"]["S"].startswith("PLAN#")]


def test_a_record_larger_than_an_item_is_kept_in_pieces(dynamo: DynamoStore) -> None:
    sources = [source(version(f"{secrets.token_hex(30)}", str(n)), sha256=secrets.token_hex(32)) for n in range(5_000)]
    asked = Proposal(batch(DAY, sources=sources), ())
    done = dynamo.commit(asked)
    pieces = [item for item in everything(dynamo) if item["pk"]["S"] == f"SNAPSHOT#{done.snapshots[0].id}"]
    assert len(pieces) > 2
    assert dynamo.batches() == [done]
    assert dynamo.snapshot(done.snapshots[0].id).sources == tuple(sources)
    assert dynamo.live("orders") == list(done.snapshots)


def test_answers_of_more_than_a_megabyte_are_read_to_the_end(dynamo: DynamoStore) -> None:
    count = 6_000
    (made,) = batch(DAY).snapshots
    days = [DAY - dt.timedelta(days=n) for n in range(count)]
    marks = [marks_of(replace(made, id=f"{made.id}-{n}", partition=day), 1, 0) for n, day in enumerate(days)]
    dynamo.table.put_many(one._item(one.place) for one in marks)
    pages: Counter[str] = Counter()
    with between(dynamo, lambda operation, _: pages.update([operation])):
        found = {one.id for one in map(_marks, dynamo.table.query("LIVE#orders"))}
    assert found == {one.id for one in marks}
    assert pages["Query"] > 1
    assert [item["sk"] for item in dynamo.table.query("LIVE#orders", newest_first=True)] == sorted(
        (one.place[1] for one in marks), reverse=True
    )


def _marks(item: dict[str, Any]) -> Any:
    from supply_lake.snapshots.dynamo_items import marks_from

    return marks_from(item)


def test_a_ledger_of_more_than_a_megabyte_comes_in_order_and_whole(dynamo: DynamoStore) -> None:
    keys = [f"{'long name ' * 20}{n:04}/{'x' * 700}{n % 3}.csv" for n in range(500)]
    entries = [entry(replace(version(etag=str(n)), key=key), reason="why " * 300) for n, key in enumerate(keys)]
    assert dynamo.register(entries) == 500
    assert [one.object.key for one in dynamo.objects("orders")] == sorted(keys)
    assert sum(one.objects for one in dynamo.pending()) == 500
    assert [one.object.key for one in dynamo.pending_objects("orders", DAY, 40, 10**6)] == sorted(keys)[:40]
    assert dynamo.register(entries) == 0


def test_a_key_with_more_versions_than_an_item_holds(dynamo: DynamoStore) -> None:
    count = 1_500
    versions = [version(etag=f"{n:04}", at=n) for n in range(count)]
    assert dynamo.register([entry(one) for one in versions]) == count
    assert any(item["pk"]["S"].startswith("OLDER#") for item in everything(dynamo))
    (found,) = dynamo.versions([versions[0].key]).values()
    assert [one.object.etag for one in found] == [f"{n:04}" for n in range(count)]
    assert [one.object for one in dynamo.pending_objects("orders", DAY, 9, 10**6)] == [versions[-1]]
    written: list[str] = []
    with between(dynamo, lambda _, request: written.extend(re.findall(r"OLDER#", request.body.decode()))):
        assert dynamo.register([entry(versions[0])], listed=True) == 0  # an old one came back: it is the newest now
    assert len(written) < 5  # and the pages between were left alone
    (found,) = dynamo.versions([versions[0].key]).values()
    assert (found[-1].object, found[-1].deliveries, len(found)) == (versions[0], 2, count)
    dynamo.commit(proposal(DAY, objects=[versions[0]]))
    assert [one.etag for one in dynamo.published_content("orders", DAY)] == ["0000"]
    assert [one.object for one in dynamo.pending_objects("orders", DAY, 9, 10**6)] == [versions[-1]]


@pytest.mark.parametrize("name", ["x" * 1_010, "ä" * 505, "deep/" * 200 + "x"])
def test_e4_the_longest_keys_are_kept_exactly(dynamo: DynamoStore, name: str) -> None:
    one, other = (replace(version(etag=etag), key=name + end) for etag, end in (("a", "1.csv"), ("b", "2.csv")))
    dynamo.register([entry(one), entry(other)])
    assert {found.object for found in dynamo.objects("orders")} == {one, other}
    assert set(dynamo.known([one.key, other.key])) == {one.key, other.key}
    dynamo.commit(proposal(DAY, objects=[one]))
    assert [found.object for found in dynamo.pending_objects("orders", DAY, 9, 99)] == [other]


# --- plans that others finish


class Killed(Exception):
    """The process is gone."""


def left_behind(store: DynamoStore, asked: Proposal) -> None:
    """What a writer leaves that was killed after it had decided, and carried out a little of it."""
    decided: list[str] = []

    def die(operation: str, request: Any) -> None:
        if operation == "TransactWriteItems" and decided:
            raise KeyboardInterrupt
        if operation == "TransactWriteItems" and b'"tail"' in request.body:
            decided.append("it is decided with this one")

    with between(store, die), pytest.raises(KeyboardInterrupt):
        store.commit(asked)


def test_m2_who_may_not_write_reads_the_lake_as_it_was_before(open_dynamo: Callable[..., DynamoStore], clock: Clock) -> None:
    writer, reader = open_dynamo(most_writes=0), open_dynamo()
    writer.register([entry(version()), entry(version("b.csv", "e2"))])
    first = writer.commit(proposal(DAY, objects=[version()]))
    clock.now += SECOND
    left_behind(writer, proposal(DAY, objects=[version("b.csv", "e2")], supersede_live=(DAY,)))

    def deny(operation: str, request: Any) -> AWSResponse | None:
        return answer(request, 400, "AccessDeniedException") if "Write" in operation else None

    with between(reader, deny):
        assert (reader.last_commit("orders"), len(reader.commits("orders")), len(reader.snapshots("orders"))) == (1, 1, 1)
        assert reader.live("orders") == list(first.snapshots)
        assert reader.latest("orders") == reader.snapshot(first.snapshots[0].id) == first.snapshots[0]
        assert len(reader.batches()) == 1
        with pytest.raises(StoreUnavailable, match="give this user the permission"):
            reader.commit_at("orders", clock.now)
    assert reader.last_commit("orders") == 2  # it may write now, and finishes
    assert states(reader) == {"e1": "done", "e2": "done"}
    assert len(reader.live("orders")) == 1


def test_m2_a_writer_that_is_still_at_it_is_left_alone(open_dynamo: Callable[..., DynamoStore]) -> None:
    writer, patient = open_dynamo(most_writes=0), open_dynamo(patience=FOREVER)
    left_behind(writer, proposal(DAY))
    before = everything(writer)
    assert patient.last_commit("orders") == 0
    assert patient.live("orders") == []
    assert everything(writer) == before
    assert open_dynamo().commit(proposal(DAY)).commit == 2


def test_m2_a_plan_that_is_carried_out_again_long_after_changes_nothing(open_dynamo: Callable[..., DynamoStore]) -> None:
    store, one, other = open_dynamo(most_writes=0), version(), version("b.csv", "e2")
    store.register([entry(one), entry(other)])
    first = store.commit(proposal(DAY)).snapshots[0]
    sources = [source(one), source(other, Outcome.GONE, "away")]
    store.set_prefix_fingerprints({"elsewhere/@2026-11-01": 5})
    made = Proposal(batch(DAY, sources=sources), (one, other), supersede_live=(DAY,), schema=proposed(("id", "string")))
    left_behind(store, made)
    (head,) = [item for item in store.table.query(HEADS) if item["dataset"] == "orders"]
    late = load_plan(store.table, head["tail"])
    assert late is not None
    second = store.live("orders")[0]
    assert (second.supersedes, store.last_commit("orders")) == ((first.id,), 2)
    store.register([entry(other)], listed=True)  # it is back
    store.commit(proposal(DAY, objects=[other], supersede_live=(DAY,)))
    store.commit(Proposal(batch(DAY, kind=Kind.REVOKE), (), revokes=(first.id,)))
    store.commit(Proposal(batch(DAY, kind=Kind.REVOKE), (), reinstates=(first.id,)))
    before = everything(store)
    carry_out(store.table, late, lambda keys: None)
    assert everything(store) == before
    assert store.snapshot(first.id).revoked_by is None


def test_m2_a_plan_that_was_not_decided_is_never_read(open_dynamo: Callable[..., DynamoStore]) -> None:
    store, other = open_dynamo(most_writes=0), open_dynamo()
    one = version()
    store.register([entry(one)])

    def overtake(operation: str, request: Any) -> None:
        if operation == "TransactWriteItems" and b'"tail"' in request.body and not other.last_commit("orders"):
            other.commit(proposal(DAY))

    with between(store, overtake), pytest.raises(CommitConflict):
        store.commit(proposal(DAY, objects=[one], based_on_commit=0))
    assert (store.last_commit("orders"), len(store.snapshots("orders")), len(store.batches())) == (1, 1, 1)
    assert states(store) == {"e1": "pending"}
    assert not [item for item in everything(store) if item["pk"]["S"].startswith("PLAN#")]


def test_promise_2_an_object_version_is_published_by_one_dataset_even_if_two_take_it_at_once(
    open_dynamo: Callable[..., DynamoStore],
) -> None:
    store, other, one = open_dynamo(), open_dynamo(), version()
    store.register([entry(one)])
    left_behind(open_dynamo(most_writes=0), proposal(DAY, objects=[one]))
    with pytest.raises(AlreadyPublished, match="was published by commit 1 of dataset orders"):
        other.commit(proposal(DAY, objects=[one], dataset="sales"))
    assert other.last_commit("sales") == 0
    assert [found.etag for found in store.published_content("orders", DAY)] == ["e1"]


@pytest.mark.parametrize("most", [0, 100])
def test_promise_2_a_dataset_that_takes_an_object_over_from_another_publishes_it_alone(
    open_dynamo: Callable[..., DynamoStore], most: int
) -> None:
    store, one = open_dynamo(most_writes=most), version()
    store.register([entry(one)])
    store.commit(proposal(DAY, objects=[one], dataset="sales"))
    assert [found.etag for found in store.published_content("sales", DAY)] == ["e1"]
    assert [found.dataset for found in store.objects()] == ["sales"]
    with pytest.raises(AlreadyPublished):
        store.commit(proposal(DAY, objects=[one]))


def test_p7_a_pin_that_comes_while_files_are_being_given_up_keeps_them(open_dynamo: Callable[..., DynamoStore]) -> None:
    store, other = open_dynamo(), open_dynamo()
    one = store.commit(proposal(DAY)).snapshots[0]
    store.commit(proposal(DAY, supersedes=(one.id,)))

    def pin_it(operation: str, _: Any) -> None:
        if operation == "TransactWriteItems" and not other.pins():
            pin(other, 1)

    with between(store, pin_it):
        assert store.remove(removal(one, until=2)).empty
    assert (store.snapshot(one.id).removed_at, store.removals()) == (None, [])


def test_p7_files_that_are_given_up_while_a_pin_comes_are_told_and_the_pin_is_taken_back(
    open_dynamo: Callable[..., DynamoStore],
) -> None:
    store, other = open_dynamo(), open_dynamo()
    one = store.commit(proposal(DAY)).snapshots[0]
    store.commit(proposal(DAY, supersedes=(one.id,)))

    def remove_it(operation: str, _: Any) -> None:
        if operation == "BatchWriteItem" and not other.removals():
            other.remove(removal(one, until=2))

    with between(store, remove_it), pytest.raises(VersionRemoved):
        pin(store, 1)
    assert store.pins() == []


# --- faults


@pytest.mark.parametrize("seed", range(4))
def test_m2_m5_faults_at_every_call_lose_nothing_and_double_nothing(
    dynamodb_url: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")  # the store's own patience is to be seen
    url = dynamodb_url + ("#planned" if seed % 2 else "")
    store = open_now(url, Clock(NOON + SECOND))
    assert isinstance(store, DynamoStore)
    weather = Weather(store, seed, 0.15)
    monkeypatch.setattr(writers, "open_now", lambda *_: _Kept(store))
    with between(store, weather):
        for number in range(3):
            writers.publish(url, f"d{number}")
            writers.mend(url, f"d{number}")
    for number in range(3):
        assert mended(store, f"d{number}") == 3
        assert [one.deliveries for one in store.objects(f"d{number}")] == [1, 1]
        assert [one.attempts for one in store.objects(f"d{number}")] == [1, 1]
    assert {one.partition(" ")[2] for one in weather.seen} == {"throttled", "failed", "refused", "cut off", "timed out"}
    store.close()


class _Kept:
    """A store that stays open."""

    def __init__(self, store: MetadataStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name) if name != "close" else lambda: None


def test_m5_a_service_that_is_away_is_a_clear_error_and_work_goes_on_when_it_is_back(
    dynamo: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = version()
    dynamo.register([entry(one)])
    first = dynamo.commit(proposal(DAY, objects=[one]))
    before = everything(dynamo)
    dynamo.table.patience = 0.1

    def away(_: str, request: Any) -> None:
        raise EndpointConnectionError(endpoint_url=request.url)

    with between(dynamo, away):
        for use in (
            lambda: dynamo.commit(proposal(DAY)),
            lambda: dynamo.live("orders"),
            lambda: dynamo.register([entry(version("b.csv"))]),
            lambda: list(dynamo.objects()),
        ):
            with pytest.raises(StoreUnavailable, match=r"table-\d+ in us-east-1 does not answer .*nothing is lost") as refusal:
                use()
            assert "\n" not in str(refusal.value)
    assert everything(dynamo) == before
    assert dynamo.live("orders") == list(first.snapshots)
    assert dynamo.commit(proposal(DAY)).commit == 2


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("ExpiredTokenException", "refuses the credentials .*renew them"),
        ("UnrecognizedClientException", "refuses the credentials .*renew them"),
        ("AccessDeniedException", "refuses .*give this user the permission"),
    ],
)
def test_m5_credentials_that_are_not_taken_are_a_clear_error_without_secrets(dynamo: DynamoStore, code: str, said: str) -> None:
    told = "the token is too old\nThe canonical string was x-amz-security-token:s3cret"
    with (
        between(dynamo, lambda _, request: answer(request, 400, code, told)),
        pytest.raises(StoreUnavailable, match=said) as refusal,
    ):
        dynamo.last_commit("orders")
    assert "too old" in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


def test_m5_no_credentials_and_no_region_are_clear_errors(dynamodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(StoreUnavailable, match="cannot be asked without AWS credentials; set AWS_ACCESS_KEY_ID"):
        connect(dynamodb_url)
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(SettingsError, match="set AWS_REGION"):
        connect(dynamodb_url)


# --- opening


def test_a_table_that_is_not_there_is_one_sentence_and_is_made_when_asked_for(dynamodb_url: str) -> None:
    missing = dynamodb_url.partition("?")[0]
    with pytest.raises(SettingsError, match=rf"there is no DynamoDB table .*SUPPLY_LAKE_METADATA={missing}\?create=true"):
        connect(missing)
    made = connect(dynamodb_url)
    described = made.client.describe_table(TableName=made.name)["Table"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    made.close()
    connect(missing).close()
    connect(dynamodb_url).close()


def test_two_processes_that_make_the_table_at_once_both_have_it(dynamodb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    create = dynamo_connect._create

    def late(table: Any) -> None:
        create(table)
        create(table)

    monkeypatch.setattr(dynamo_connect, "_create", late)
    connect(dynamodb_url).close()


@pytest.mark.parametrize("url", ["dynamodb://", "dynamodb://a/b", "dynamodb://table?make=1", "dynamodb://key:s3cret@table"])
def test_a_url_that_names_no_table_is_refused_without_secrets(url: str) -> None:
    with pytest.raises(SettingsError, match="cannot be read; give dynamodb://TABLE") as refusal:
        connect(url)
    assert "s3cret" not in str(refusal.value)


# --- what it costs


Bill = Callable[[Callable[[], object]], tuple[int, int, int]]
DOCS = Path(__file__).parents[2] / "docs" / "dynamodb.md"
ROW = re.compile(r"^\| (.+?) \| (\d+) \| (\d+) \| (\d+) \| ([\d.]+) \|$", re.MULTILINE)


@pytest.fixture
def bill(dynamo: DynamoStore) -> Bill:
    """Tells how many requests something takes, and how many request units are read and written.

    Written units are those that the server tells; of reads it tells too few, so they are counted: one for every small item that
    is asked for by its key, there or not, and one for every 4 KB of a query.
    """
    requests, read, written = [0], [0], [0]
    client = dynamo.table.client

    def ask(params: dict[str, Any], model: Any, **_: Any) -> None:
        params["ReturnConsumedCapacity"] = "TOTAL"
        requests[0] += 1
        if model.name == "BatchGetItem":
            read[0] += len(params["RequestItems"][dynamo.table.name]["Keys"])

    def note(parsed: dict[str, Any], model: Any, **_: Any) -> None:
        consumed = parsed.get("ConsumedCapacity", [])
        units = sum(one["CapacityUnits"] for one in (consumed if isinstance(consumed, list) else [consumed]))
        if "Write" in model.name:
            written[0] += int(units)
        elif model.name in ("GetItem", "Query"):
            read[0] += max(1, int(units))

    client.meta.events.register("provide-client-params.dynamodb", ask)
    client.meta.events.register("after-call.dynamodb", note)

    def run(work: Callable[[], object]) -> tuple[int, int, int]:
        requests[0] = read[0] = written[0] = 0
        work()
        return requests[0], read[0], written[0]

    return run


def test_requests_and_units_are_those_that_the_docs_tell(dynamo: DynamoStore, bill: Bill) -> None:
    first, second = version(), version("b.csv", "e2")
    dynamo.register([entry(version("warm.csv", "w"))])
    found = {
        "enter an object": bill(lambda: dynamo.register([entry(first)])),
        "count an attempt": bill(lambda: dynamo.start_attempt([first], 3)),
        "commit a snapshot of an object": bill(lambda: dynamo.commit(proposal(DAY, objects=[first]))),
        "the same, in the place of another": bill(
            lambda: dynamo.commit(proposal(DAY, objects=[second], supersede_live=(DAY,)))
        ),
        "record a rejected batch": bill(lambda: dynamo.record(batch(DAY, status=Status.REJECTED), [])),
        "the newest commit's number": bill(lambda: dynamo.last_commit("orders")),
        "a live set of one snapshot": bill(lambda: dynamo.live("orders")),
        "the same at an earlier commit": bill(lambda: dynamo.live("orders", commit=1)),
        "what waits, of one dataset": bill(dynamo.pending),
    }
    told = {
        name: (int(requests), int(read), int(written)) for name, requests, read, written, _ in ROW.findall(DOCS.read_text())
    }
    assert found == told
    for _, _, read, written, dollars in ROW.findall(DOCS.read_text()):
        assert float(dollars) == pytest.approx(int(read) * 0.125 + int(written) * 0.625, abs=0.01)
    thousand = [version(f"{n}.csv", f"{n:032}") for n in range(1_000)]
    dynamo.register([entry(one) for one in thousand])
    many = bill(lambda: dynamo.commit(proposal(*DAYS, objects=thousand)))
    assert many[0] == pytest.approx(75, abs=5)
    assert many[2] == pytest.approx(15_000, rel=0.1)
    live = bill(lambda: dynamo.live("orders"))
    assert (live[0], live[1]) == (6, pytest.approx(250, rel=0.05))


def test_no_state_is_missed_by_the_pointers() -> None:
    from supply_lake.snapshots.dynamo_versions import WAITING

    assert set(WAITING) == {ObjectState.PENDING, ObjectState.SET_ASIDE, ObjectState.REFUSED}
