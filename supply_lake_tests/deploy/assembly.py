"""The templates of ``deploy/aws``, synthesized once for a test run, with references resolved as an account would.

The tests run in the project's environment and CDK has one of its own, so templates are made by a process and read as what they
are: JSON. Synthesis asks nothing of anyone; the checks of best practice (cdk-nag) are part of it.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BIN = ROOT / ".venv-deploy" / "bin"
CONFIG = Path(__file__).parent / "lake.yaml"
ACCOUNT, REGION = "123456789012", "eu-central-1"
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
    "AWS::StackName": "stack",
}


def synthesize(folder: Path, config: Path = CONFIG) -> subprocess.CompletedProcess[str]:
    """Write the templates into the folder."""
    if not BIN.exists():
        raise RuntimeError(f"the environment of CDK is not installed ({BIN} is missing); `make test` installs it")
    return subprocess.run(
        [str(BIN / "python"), str(ROOT / "deploy/aws/app.py")],
        env={
            **{name: os.environ[name] for name in ("HOME", "TMPDIR", "LANG") if name in os.environ},
            "PATH": "",  # node is that of the environment, and no other is asked
            "CDK_OUTDIR": str(folder),
            "SUPPLY_LAKE_DEPLOY_CONFIG": str(config),
        },
        cwd=folder.parent,
        capture_output=True,
        text=True,
        check=False,
    )


def synthesize_once(folder: Path) -> Assembly:
    """The assembly in the folder, made by whichever process of the test run comes first."""
    folder.mkdir(exist_ok=True)
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            done = synthesize(folder)
            if done.returncode:
                raise RuntimeError(f"the synthesis failed:\n{done.stdout}\n{done.stderr}")
            (folder / "done").touch()
    return Assembly(folder)


@dataclass(frozen=True)
class Assembly:
    """What the synthesis wrote."""

    folder: Path

    def stack(self, part: str) -> Template:
        """``data`` or ``compute``."""
        return Template(json.loads((self.folder / f"test-lake-{part}.template.json").read_text()))

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*.template.json"))

    @property
    def findings(self) -> dict[str, Any]:
        """What the checks of best practice found."""
        (report,) = json.loads((self.folder / "validation-report.json").read_text())["pluginReports"]
        return report


@dataclass(frozen=True)
class Template:
    """One template."""

    body: dict[str, Any]

    def resources(self, kind: str) -> list[dict[str, Any]]:
        """Properties of every resource of the kind, without the leading ``AWS::``, with references resolved."""
        return [self.resolve(one.get("Properties", {})) for one in self._of(kind)]

    def one(self, kind: str, **properties: Any) -> dict[str, Any]:
        """The one resource of the kind that has these properties."""
        (found,) = [one for one in self.resources(kind) if properties.items() <= one.items()]
        return found

    def raw(self, kind: str) -> list[dict[str, Any]]:
        """The same with ``DeletionPolicy`` and the like, unresolved."""
        return list(self._of(kind))

    def _of(self, kind: str) -> Iterator[dict[str, Any]]:
        return (one for one in self.body["Resources"].values() if one["Type"] == f"AWS::{kind}")

    @cached_property
    def outputs(self) -> dict[str, str]:
        """By the variable that each is for."""
        return {one["Description"]: self.resolve(one["Value"]) for one in self.body.get("Outputs", {}).values()}

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.resolve(one) for one in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, told),) = value.items()
            if name == "Ref":
                return _PSEUDO.get(told) or self._ref(told)
            if name == "Fn::Join":
                return str(told[0]).join(map(str, self.resolve(told[1])))
            if name == "Fn::GetAtt":
                return self._attribute(*told)
            if name in ("Fn::Select", "Fn::GetAZs", "Fn::Split", "Fn::Cidr"):
                return f"{name} {json.dumps(told)}"
            if name.startswith("Fn::"):
                raise NotImplementedError(name)
        return {key: self.resolve(one) for key, one in value.items()}

    def _ref(self, id: str) -> str:
        resource = self.body["Resources"].get(id)
        if resource is None:
            return f"parameter {id}"
        names = {"AWS::S3::Bucket": "BucketName", "AWS::IAM::Role": "RoleName", "AWS::DynamoDB::Table": "TableName"}
        name = names.get(resource["Type"])
        if resource["Type"] == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{resource['Properties']['QueueName']}"
        if resource["Type"] == "AWS::SNS::Topic":
            return self._attribute(id, "TopicArn")
        if resource["Type"] == "AWS::SecretsManager::SecretTargetAttachment":
            return self.resolve(resource["Properties"]["SecretId"])
        if resource["Type"] == "AWS::SecretsManager::Secret":
            return f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{resource['Properties']['Name']}-AbCdEf"
        return self.resolve(resource["Properties"].get(name, id))

    def _attribute(self, id: str, attribute: str) -> str:
        resource = self.body["Resources"][id]
        of = self.resolve(resource.get("Properties", {}))
        arns = {
            "AWS::S3::Bucket": lambda: f"arn:aws:s3:::{of['BucketName']}",
            "AWS::SQS::Queue": lambda: f"arn:aws:sqs:{REGION}:{ACCOUNT}:{of['QueueName']}",
            "AWS::SNS::Topic": lambda: f"arn:aws:sns:{REGION}:{ACCOUNT}:{of['TopicName']}",
            "AWS::IAM::Role": lambda: f"arn:aws:iam::{ACCOUNT}:role/{of['RoleName']}",
            "AWS::DynamoDB::Table": lambda: f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{of['TableName']}",
            "AWS::Logs::LogGroup": lambda: f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{of['LogGroupName']}:*",
        }
        if attribute in ("Arn", "TopicArn") and resource["Type"] in arns:
            return arns[resource["Type"]]()
        return f"{id}.{attribute}"
