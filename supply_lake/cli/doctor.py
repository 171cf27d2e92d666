"""``supply-lake doctor``: what is wrong with the wiring, and what to mend.

What belongs here: the look of the findings, and the exit status. What does not: any check (``doctor.examine``).
"""

from __future__ import annotations

import click

from supply_lake.cli.output import as_json, print_json, table
from supply_lake.errors import SupplyLakeError


class NotSound(SupplyLakeError):
    """Something is broken; the findings say what."""


@click.command(short_help="Check the wiring, and say what to mend.")
@as_json
def doctor(as_json: bool) -> None:
    """Try every part that the settings name: datasets, metadata store, places, disk, clock, queue and its notifications.

    It writes one small object into each place and deletes it again. Exit status 1 when something is broken; warnings are none.

    \b
    Example:
      supply-lake doctor
      supply-lake doctor --json
    """
    from supply_lake.doctor.examine import examine
    from supply_lake.doctor.finding import State
    from supply_lake.settings import Settings

    findings = list(examine(Settings.from_env()))
    if as_json:
        print_json([one.to_json() for one in findings])
    else:
        table(["part", "check", "state", "seen", "to mend"], [[f.part, f.check, f.state, f.seen, f.remedy] for f in findings])
    bad = [one for one in findings if one.state is State.BROKEN]
    if bad:
        more = f" (and {len(bad) - 1} more)" if bad[1:] else ""
        raise NotSound(f"{bad[0].part} is broken: {bad[0].seen}; {bad[0].remedy}{more}")
