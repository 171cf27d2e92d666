"""The lake of the environment, for Dagster to load.

What belongs here: ``defs``. What does not: what they are made of (``composition``).

A fault in a dataset file stops the whole location from loading, with one line for each fault (``file:line: what; remedy``): a
location that loads without a dataset would leave that dataset's files lying, and no one would know.
"""

from __future__ import annotations

from supply_lake.composition import build_definitions
from supply_lake.settings import Settings

defs = build_definitions(Settings.from_env())
