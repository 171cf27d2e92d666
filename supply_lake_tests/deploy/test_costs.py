"""The table of costs in docs/deploy-aws.md follows from the prices and counts that stand above it."""

from __future__ import annotations

import re

from supply_lake_tests.deploy.assembly import ROOT

GUIDE = ROOT / "docs/deploy-aws.md"
FILES_A_DAY = (0, 100, 1_000, 10_000, 100_000)
HOURS, DAYS = 730, 30


def prices() -> dict[str, float]:
    table = GUIDE.read_text().split("| price of | USD |")[1].split("\n\n")[0]
    return {name: float(usd) for name, usd in re.findall(r"^\| ([^-].*?) \| ([\d.]+) \|$", table, re.MULTILINE)}


def month(files_a_day: int) -> list[float]:
    """The columns of the table."""
    cpu, memory, nat, database, disk, alarm, put, get, stored, sqs, records = prices().values()
    files, runs = files_a_day * DAYS, min(files_a_day, 24 * 12) * DAYS
    services = HOURS * (3 * (0.5 * cpu + 2 * memory) + nat + database) + 20 * disk + 15 * alarm
    columns = [
        services,
        runs * 90 / 3_600 * (2 * cpu + 8 * memory),
        (files + 2 * runs + 24 * DAYS * files / 1_000) * put / 1_000 + 2 * files * get / 1_000,
        (DAYS * 86_400 / 5 + files / 5) * sqs / 1e6,
        files * records / 1e6,
        files / 1_000 * 4 / 3 * stored,
    ]
    return [*columns, sum(columns)]


def rows() -> str:
    return "\n".join(f"| {n:,} | {' | '.join(f'{usd:,.2f}' for usd in month(n))} |" for n in FILES_A_DAY)


def test_the_table_of_costs_follows_from_prices_and_counts() -> None:
    assert rows() in GUIDE.read_text(), rows()
