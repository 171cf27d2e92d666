"""A check that raises is a finding."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError

from supply_lake.doctor.finding import Finding, State, checked, ok
from supply_lake.errors import StoreUnavailable


@pytest.mark.parametrize(
    ("error", "state", "seen", "remedy"),
    [
        (StoreUnavailable("it is away; wait for it"), State.BROKEN, "it is away", "wait for it"),
        (StoreUnavailable("it is away"), State.BROKEN, "it is away", "mend that, and ask again"),
        (ValueError("odd\nthing"), State.BROKEN, "ValueError: odd thing", "mend what it says, and ask again"),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DescribeRule"),
            State.WARNING,
            "not checked: An error occurred (AccessDenied) when calling the DescribeRule operation: no",
            "allow this role to ask that, or check it by hand",
        ),
    ],
)
def test_what_was_found_before_is_kept(error: Exception, state: State, seen: str, remedy: str) -> None:
    def look() -> Iterator[Finding]:
        yield ok("queue", "kind", "standard")
        raise error

    first, last = checked("queue", "reach", look)
    assert (first.state, last) == (State.OK, Finding("queue", "reach", state, seen, remedy))
