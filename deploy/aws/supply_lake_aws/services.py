"""The services that keep Dagster running: code location, daemon and webserver, one task each.

What belongs here: the cluster, names in its network, how services are replaced. What does not: what a task is (``tasks``), and
alarms (``watch``).
"""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_servicediscovery as discovery
from constructs import Construct

from supply_lake_aws.names import Names
from supply_lake_aws.network import WAY_OUT, Network
from supply_lake_aws.tasks import Tasks


class Services(Construct):
    """Three services without a way in from outside; the webserver is reached by a session of AWS Systems Manager.

    The daemon is stopped before its successor starts: two of them would each ask for every run.
    """

    def __init__(self, scope: Construct, id: str, names: Names, network: Network, tasks: Tasks) -> None:
        super().__init__(scope, id)
        self._network = network
        self.cluster = ecs.Cluster(
            self,
            "Cluster",
            cluster_name=names.cluster,
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
            default_cloud_map_namespace=ecs.CloudMapNamespaceOptions(
                name=f"{names.lake}.internal", type=discovery.NamespaceType.DNS_PRIVATE
            ),
        )
        self.code = self._service("code", tasks.code, found_as="code")
        self.daemon = self._service("daemon", tasks.daemon, overlapping=False)
        self.web = self._service("web", tasks.web, entered=True)
        for other in (self.daemon, self.web):
            other.node.add_dependency(self.code)

    @property
    def all(self) -> dict[str, ecs.FargateService]:
        """Every service by its name."""
        return {"code": self.code, "daemon": self.daemon, "web": self.web}

    def _service(
        self,
        name: str,
        task: ecs.FargateTaskDefinition,
        *,
        found_as: str | None = None,
        overlapping: bool = True,
        entered: bool = False,
    ) -> ecs.FargateService:
        return ecs.FargateService(
            self,
            name.title(),
            service_name=name,
            cluster=self.cluster,
            task_definition=task,
            desired_count=1,
            min_healthy_percent=100 if overlapping else 0,
            max_healthy_percent=200 if overlapping else 100,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            security_groups=[self._network.tasks],
            vpc_subnets=ec2.SubnetSelection(subnet_group_name=WAY_OUT),
            assign_public_ip=False,
            enable_execute_command=entered,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            cloud_map_options=ecs.CloudMapOptions(name=found_as, dns_ttl=Duration.seconds(10)) if found_as else None,
        )
