"""The Dagster instance that the command and ``make dev`` share: its home, its ``dagster.yaml``, its quiet logs.

What belongs here: where the instance lives and how it is opened outside Dagster's own processes. What does not: production,
which brings its own ``dagster.yaml`` (``deploy/dagster``) and sets ``DAGSTER_HOME``.

``python -m supply_lake.resources.instance`` makes the home ready and prints it.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from supply_lake.errors import StoreUnavailable
from supply_lake.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

_DEVELOPMENT = Path(__file__).with_name("dagster.yaml")


def prepare_home(settings: Settings) -> Path:
    """The instance's folder, with a ``dagster.yaml`` in it.

    That is ``DAGSTER_HOME`` where it is set, else ``<SUPPLY_LAKE_HOME>/dagster``. A ``dagster.yaml`` that is there stays.

    :raises StoreUnavailable: the folder cannot be made or written
    """
    home = _home(settings)
    try:
        home.mkdir(parents=True, exist_ok=True)
        if not (home / "dagster.yaml").exists():
            draft = home / f".dagster.yaml.{os.getpid()}"
            draft.write_bytes(_DEVELOPMENT.read_bytes())
            draft.replace(home / "dagster.yaml")
    except OSError as error:
        variable = "DAGSTER_HOME" if _named_home() else "SUPPLY_LAKE_HOME"
        raise StoreUnavailable(
            f"the home of the Dagster instance, {home}, cannot be made ({error.strerror}); "
            f"set {variable} to a folder that this user may write, with room on its disk"
        ) from error
    return home


def _home(settings: Settings) -> Path:
    named = _named_home()
    return Path(named).expanduser().absolute() if named else settings.home / "dagster"


def _named_home() -> str:
    return os.environ.get("DAGSTER_HOME", "").strip()


def open_instance(settings: Settings) -> DagsterInstance:
    """The persistent instance, for runs in this process; use it in a ``with`` block.

    Output of these runs goes to this process's terminal, not to Dagster's compute logs.
    """
    from dagster import DagsterInstance
    from dagster._core.instance.ref import InstanceRef

    own = {"compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}}
    home = prepare_home(settings)
    with _alone_in(home):  # two processes that make Dagster's tables at once break each other
        return DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=own))


@contextmanager
def _alone_in(home: Path) -> Iterator[None]:
    """Wait for the others who do so in this folder, on this machine."""
    with (home / ".opening.lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def answering(settings: Settings) -> Iterator[None]:
    """Turn what the instance's own storage says into one sentence.

    :raises StoreUnavailable: it does not answer, or its disk is full
    """
    from sqlalchemy.exc import DBAPIError

    try:
        yield
    except DBAPIError as error:
        cause = str(error.orig).strip().partition("\n")[0]
        raise StoreUnavailable(
            f"Dagster's storage in {_home(settings)} does not answer ({cause}); nothing is lost, run it again when it does"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Dagster tells about its own work off this process's terminal; its event log has all of it."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)


if __name__ == "__main__":
    print(prepare_home(Settings.from_env()))
