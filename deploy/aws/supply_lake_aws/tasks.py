"""Dagster's four kinds of tasks: code location, runs, daemon, webserver; each with a role of its own that can do its part.

What belongs here: definitions of tasks, their environment, and what their roles may. What does not: keeping them running
(``services``).
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Aws, Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from supply_lake_aws.acknowledged import acknowledge, acknowledge_wildcards
from supply_lake_aws.config import Compute, Config
from supply_lake_aws.data_plane import environment
from supply_lake_aws.database import PORT, Database
from supply_lake_aws.names import Names, arn
from supply_lake_aws.network import CODE_PORT
from supply_lake_aws.roles import working
from supply_lake_aws.statements import Statements

RUN, WEB_PORT = "run", 3_000
_MODULE = "--module-name supply_lake.definitions --location-name supply_lake"
_CODE = f"dagster code-server start --host 0.0.0.0 --port {CODE_PORT} {_MODULE}"
_WEB = f"dagster-webserver --host 0.0.0.0 --port {WEB_PORT} --workspace /opt/dagster/workspace.yaml"
_DAEMON = "dagster-daemon run --workspace /opt/dagster/workspace.yaml"
_ANSWERS = "import urllib.request as u; u.urlopen('http://127.0.0.1:{}/server_info', timeout=4)"
_UNPRIVILEGED = "10001"


class Tasks(Construct):
    """The definitions. ``code`` and ``run`` work on the lake; ``daemon`` and ``web`` do not touch it."""

    def __init__(
        self, scope: Construct, id: str, names: Names, config: Config, *, database: Database, kept: logs.RetentionDays
    ) -> None:
        super().__init__(scope, id)
        self._names, self._compute, self._database, self._kept = names, config.compute, database, kept
        self.log_groups: dict[str, logs.LogGroup] = {}
        may = Statements(Stack.of(self), names)
        self._execution = self._execution_role(config.compute)
        lake = self._role("lake", [*working(may), *keeping_logs(may)])
        size = (config.compute.service_cpu, config.compute.service_memory)
        run_size = (config.compute.run_cpu, config.compute.run_memory)
        lake_env = {**environment(names), "SUPPLY_LAKE_MEMORY_BYTES": str(config.compute.spill_bytes)}
        code = f"code.{names.lake}.internal"
        self.run = self._task(RUN, lake, run_size, ["dagster", "--version"], lake_env, disk=config.compute.run_disk_gb)
        dagster = {"SUPPLY_LAKE_RUN_TASK_DEFINITION": self.run.task_definition_arn, "SUPPLY_LAKE_CODE_HOST": code}
        self.code = self._task(
            "code",
            lake,
            size,
            _CODE.split(),
            environment(names) | dagster,
            health=["dagster", "api", "grpc-health-check", "--port", str(CODE_PORT)],
            port=CODE_PORT,
        )
        self.daemon = self._task(
            "daemon",
            self._role("daemon", [*launching(may, self._execution, lake), *may.read("run-logs")]),
            size,
            _DAEMON.split(),
            dagster,
            health=["dagster-daemon", "liveness-check"],
        )
        self.web = self._task(
            "web",
            self._role("web", [*stopping(may), *may.read("run-logs"), *being_entered()]),
            size,
            _WEB.split(),
            dagster,
            health=["python", "-c", _ANSWERS.format(WEB_PORT)],
            port=WEB_PORT,
        )

    def _role(self, task: str, statements: Sequence[iam.PolicyStatement]) -> iam.Role:
        principal = iam.ServicePrincipal(
            "ecs-tasks.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        )
        role = iam.Role(self, f"{task.title()}Role", role_name=self._names.task_role(task), assumed_by=principal)
        policy = iam.Policy(self, f"{task.title()}RolePolicy", policy_name="lake", roles=[role], statements=list(statements))
        acknowledge_wildcards(policy, statements)
        return role

    def _execution_role(self, compute: Compute) -> iam.Role:
        """What ECS itself does to start a task: fetch the image and the secret, and write logs."""
        return self._role("start", [*pulling(Stack.of(self), compute), *self._starting()])

    def _starting(self) -> list[iam.PolicyStatement]:
        groups = arn(Stack.of(self), "logs", f"log-group:{self._names.log_group('*')}")
        secret = self._database.secret
        assert secret is not None
        return [
            iam.PolicyStatement(
                sid="WriteLogs", actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[f"{groups}:log-stream:*"]
            ),
            iam.PolicyStatement(
                sid="ReadSecret",
                actions=["secretsmanager:GetSecretValue"],
                resources=[secret.secret_arn],
            ),
        ]

    def _task(
        self,
        name: str,
        role: iam.Role,
        size: tuple[int, int],
        command: list[str],
        variables: dict[str, str],
        *,
        health: list[str] | None = None,
        port: int | None = None,
        disk: int | None = None,
    ) -> ecs.FargateTaskDefinition:
        cpu, memory = size
        task = ecs.FargateTaskDefinition(
            self,
            name.title(),
            family=f"{self._names.lake}-{name}",
            cpu=cpu,
            memory_limit_mib=memory,
            ephemeral_storage_gib=disk,
            task_role=role.without_policy_updates(),
            execution_role=self._execution.without_policy_updates(),
        )
        task.add_container(
            name,
            image=ecs.ContainerImage.from_registry(self._compute.image),
            command=command,
            user=_UNPRIVILEGED,
            environment=self._dagster() | variables,
            secrets=self._secrets(),
            logging=ecs.LogDriver.aws_logs(stream_prefix=name, log_group=self._log_group(name)),
            port_mappings=[ecs.PortMapping(container_port=port)] if port else None,
            stop_timeout=Duration.seconds(120),
            health_check=ecs.HealthCheck(command=["CMD", *health], start_period=Duration.minutes(2), retries=5)
            if health
            else None,
        )
        acknowledge(
            task, "AwsSolutions-ECS2", "These variables are names of places; the one secret is taken from Secrets Manager."
        )
        return task

    def _dagster(self) -> dict[str, str]:
        instance = self._database.instance
        return {
            "AWS_REGION": Aws.REGION,
            "SUPPLY_LAKE_DAGSTER_PG_HOST": instance.db_instance_endpoint_address,
            "SUPPLY_LAKE_DAGSTER_PG_PORT": str(PORT),
            "SUPPLY_LAKE_DAGSTER_PG_DB": self._database.name,
            "SUPPLY_LAKE_LOGS_BUCKET": self._names.bucket("run-logs"),
        }

    def _secrets(self) -> dict[str, ecs.Secret]:
        secret = self._database.secret
        assert secret is not None
        fields = {"USER": "username", "PASSWORD": "password"}
        return {
            f"SUPPLY_LAKE_DAGSTER_PG_{name}": ecs.Secret.from_secrets_manager(secret, field) for name, field in fields.items()
        }

    def _log_group(self, name: str) -> logs.LogGroup:
        group = logs.LogGroup(
            self,
            f"{name.title()}Logs",
            log_group_name=self._names.log_group(name),
            retention=self._kept,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.log_groups[name] = group
        return group


def keeping_logs(may: Statements) -> list[iam.PolicyStatement]:
    """Keep the output of runs."""
    return [*may.read("run-logs"), *may.put("run-logs")]


def launching(may: Statements, execution: iam.Role, lake: iam.Role) -> list[iam.PolicyStatement]:
    """Start runs: tasks of the one definition, in the lake's cluster, with the lake's role; watch and stop them."""
    stack, names = may.stack, may.names
    cluster = arn(stack, "ecs", f"cluster/{names.cluster}")
    return [
        iam.PolicyStatement(
            sid="StartRuns",
            actions=["ecs:RunTask"],
            resources=[arn(stack, "ecs", f"task-definition/{names.lake}-{RUN}:*")],
            conditions={"ArnEquals": {"ecs:cluster": cluster}},
        ),
        iam.PolicyStatement(
            sid="TagRuns",
            actions=["ecs:TagResource"],
            resources=[arn(stack, "ecs", f"task/{names.cluster}/*")],
            conditions={"StringEquals": {"ecs:CreateAction": "RunTask"}},
        ),
        iam.PolicyStatement(
            sid="PassRoles",
            actions=["iam:PassRole"],
            resources=[execution.role_arn, lake.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}},
        ),
        iam.PolicyStatement(sid="FindNetwork", actions=["ec2:DescribeNetworkInterfaces"], resources=["*"]),
        *stopping(may),
    ]


def stopping(may: Statements) -> list[iam.PolicyStatement]:
    """Watch runs, tell what their last words were, and stop them."""
    stack, names = may.stack, may.names
    return [
        iam.PolicyStatement(
            sid="StopRuns",
            actions=["ecs:DescribeTasks", "ecs:StopTask"],
            resources=[arn(stack, "ecs", f"task/{names.cluster}/*")],
        ),
        iam.PolicyStatement(sid="KnowDefinition", actions=["ecs:DescribeTaskDefinition"], resources=["*"]),
        iam.PolicyStatement(
            sid="LastWords",
            actions=["logs:GetLogEvents"],
            resources=[arn(stack, "logs", f"log-group:{names.log_group(RUN)}:log-stream:*")],
        ),
    ]


def being_entered() -> list[iam.PolicyStatement]:
    """Let a person who may start a session reach the webserver's port through it."""
    kinds = ("CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel")
    return [iam.PolicyStatement(sid="BeEntered", actions=[f"ssmmessages:{kind}" for kind in kinds], resources=["*"])]


def pulling(stack: Stack, compute: Compute) -> list[iam.PolicyStatement]:
    """Fetch the image, where it is in a repository of ECR."""
    repository = compute.repository
    if repository is None:
        return []
    account, region, name = repository
    layers = ("ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage")
    return [
        iam.PolicyStatement(sid="EnterRegistry", actions=["ecr:GetAuthorizationToken"], resources=["*"]),
        iam.PolicyStatement(
            sid="PullImage", actions=list(layers), resources=[f"arn:{stack.partition}:ecr:{region}:{account}:repository/{name}"]
        ),
    ]
