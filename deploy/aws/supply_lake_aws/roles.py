"""Roles that other accounts assume: producers put files, consumers read and query, operators run the lake.

What belongs here: which power each kind of role has, and who may assume it. What does not: what a power is (``statements``).
"""

from __future__ import annotations

from collections.abc import Iterable

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from constructs import Construct

from supply_lake_aws.acknowledged import acknowledge_wildcards
from supply_lake_aws.config import Config, Consumer, Operator, Producer
from supply_lake_aws.names import Names
from supply_lake_aws.statements import Statements

_LONGEST_SESSION = Duration.hours(4)


class Roles(Construct):
    """One role for each producer, consumer and operator."""

    def __init__(self, scope: Construct, id: str, names: Names, config: Config, may: Statements) -> None:
        super().__init__(scope, id)
        self._names = names
        for producer in config.producers:
            self._role("producer", producer, may.put("landing", producer.prefixes))
        for consumer in config.consumers:
            self._role("consumer", consumer, consuming(may, consumer))
        for operator in config.operators:
            self._role("operator", operator, operating(may))

    def _role(self, kind: str, who: Producer | Consumer | Operator, statements: Iterable[iam.PolicyStatement]) -> None:
        id = f"{kind.title()}{who.name.title().replace('-', '')}"
        role = iam.Role(
            self,
            id,
            role_name=self._names.role(kind, who.name),
            description=f"{kind} {who.name}, for account {who.account}",
            assumed_by=iam.AccountPrincipal(who.account).with_conditions({"StringEquals": {"sts:ExternalId": who.external_id}}),
            max_session_duration=_LONGEST_SESSION,
        )
        _may_tag_sessions(role, who.account)
        may = list(statements)
        policy = iam.Policy(self, f"{id}Policy", policy_name="lake", roles=[role], statements=may)
        acknowledge_wildcards(policy, may)


def _may_tag_sessions(role: iam.Role, account: str) -> None:
    """Tags say for whom a session is; by themselves they let nobody in."""
    document = role.assume_role_policy
    assert document is not None
    document.add_statements(iam.PolicyStatement(principals=[iam.AccountPrincipal(account)], actions=["sts:TagSession"]))


def consuming(may: Statements, consumer: Consumer) -> list[iam.PolicyStatement]:
    """Published rows of the datasets, as files, by SQL and with the package; neither landed files nor rejected rows."""
    return [
        *may.read("lake", [f"dataset={one}/" for one in consumer.datasets]),
        *may.read_records(consumer.datasets),
        *may.read_catalog(consumer.datasets),
        *may.query(consumer.name),
    ]


def operating(may: Statements) -> list[iam.PolicyStatement]:
    """All that the command does, and looking after Dagster; not the infrastructure itself, nor taking versions away."""
    return [*working(may), *may.mend_arrivals(), *may.read("run-logs"), *may.read_logs(), *may.run_services()]


def working(may: Statements) -> list[iam.PolicyStatement]:
    """What ingesting, replaying, extracting, querying and proving need."""
    return [
        *(one for part in ("landing", "lake", "rejects") for one in [*may.read(part), *may.put(part)]),
        *may.delete("lake"),
        *may.delete("rejects"),
        *may.read_records(),
        *may.write_records(),
        *may.listen(),
        *may.examine(),
        *may.read_catalog(),
        *may.write_catalog(),
        *may.query(),
        *may.tell(),
    ]
