"""The network that Dagster runs in: two zones, no way in, one way out.

What belongs here: subnets, gateways, flow logs and the group of the tasks. What does not: what runs in it.
"""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from supply_lake_aws.config import Compute
from supply_lake_aws.names import Names

CODE_PORT = 4_000
"""Where the code location answers, ``deploy/dagster/aws/workspace.yaml`` asks there."""
WAY_OUT, NO_WAY_OUT = "Tasks", "Database"
_ZONES = 2


class Network(Construct):
    """Tasks reach S3 and DynamoDB inside AWS's network, and everything else through NAT. Nobody reaches them from outside."""

    def __init__(self, scope: Construct, id: str, names: Names, compute: Compute, kept: logs.RetentionDays) -> None:
        super().__init__(scope, id)
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(compute.cidr),
            max_azs=_ZONES,
            nat_gateways=compute.nat_gateways,
            restrict_default_security_group=False,  # that would bring a Lambda; nothing is in that group
            subnet_configuration=[
                ec2.SubnetConfiguration(name="Gateways", subnet_type=ec2.SubnetType.PUBLIC, map_public_ip_on_launch=False),
                ec2.SubnetConfiguration(name=WAY_OUT, subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
                ec2.SubnetConfiguration(name=NO_WAY_OUT, subnet_type=ec2.SubnetType.PRIVATE_ISOLATED),
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
        )
        flow = logs.LogGroup(
            self,
            "FlowLogs",
            log_group_name=names.log_group("network"),
            retention=kept,
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.vpc.add_flow_log("Flow", destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow))
        self.tasks = ec2.SecurityGroup(
            self, "TasksGroup", vpc=self.vpc, description="Tasks of Dagster: they reach the code location, and nobody else them"
        )
        self.tasks.connections.allow_internally(ec2.Port.tcp(CODE_PORT), "daemon and webserver ask the code location")
