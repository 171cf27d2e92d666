"""Messages that tell nothing usable, kept whole with the reasons, so that they need not come back for ever.

What belongs here: the record, and writing and reading it in the rejects' place. What does not: when a message is given up
(``ingest.events``).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from supply_lake.storage.layout import DEAD_LETTERS, dead_letter_path
from supply_lake.storage.object_store import ObjectStore


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was given up. ``body`` is its whole text; ``receives`` counts how often it came."""

    message_id: str
    queue: str
    sent_at: dt.datetime
    recorded_at: dt.datetime
    receives: int
    reasons: tuple[str, ...]
    body: str

    def to_json(self) -> dict[str, object]:
        """As it is kept, and as programs read it."""
        return asdict(self) | {
            "sent_at": self.sent_at.isoformat(),
            "recorded_at": self.recorded_at.isoformat(),
            "reasons": list(self.reasons),
        }


def keep(rejects: ObjectStore, letter: DeadLetter) -> None:
    """Write the record; a message that comes again takes the place of its record.

    :raises StoreUnavailable: the store does not answer
    """
    text = json.dumps(letter.to_json(), indent=2)  # ASCII: halves of surrogate pairs are escaped
    rejects.put(dead_letter_path(letter.sent_at.date(), letter.message_id), text.encode())


def kept(rejects: ObjectStore) -> Iterator[DeadLetter]:
    """Every record, by the day on which its message was sent.

    :raises StoreUnavailable: the store does not answer
    """
    keys = sorted(key for batch in rejects.list(DEAD_LETTERS) for key in batch["key"].to_pylist())
    for key in keys:
        with rejects.read(key) as file:
            yield _from_json(json.load(file))


def _from_json(value: dict[str, object]) -> DeadLetter:
    return DeadLetter(
        message_id=str(value["message_id"]),
        queue=str(value["queue"]),
        sent_at=dt.datetime.fromisoformat(str(value["sent_at"])),
        recorded_at=dt.datetime.fromisoformat(str(value["recorded_at"])),
        receives=int(str(value["receives"])),
        reasons=tuple(map(str, value["reasons"])),  # type: ignore[call-overload]
        body=str(value["body"]),
    )
