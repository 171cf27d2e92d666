"""The templates pass the checks of others: cdk-nag while they are made, cfn-lint afterwards, and CloudFormation's own limits."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from supply_lake_tests.deploy.assembly import BIN, ROOT, Assembly

LARGEST_TEMPLATE = 51_200
"""Bytes that CloudFormation takes in a request; a larger one needs a bucket to come from."""


def test_best_practice_is_kept_and_every_exception_has_its_reason(assembly: Assembly) -> None:
    assert assembly.findings["pluginName"] == "AwsSolutions"
    assert assembly.findings["conclusion"] == "success"
    assert assembly.findings["violations"] == []
    reasons = {one["reason"] for one in assembly.findings["suppressedViolations"]}
    assert all(reason.endswith(".") and len(reason) > 25 for reason in reasons)


def test_cfn_lint_finds_nothing(assembly: Assembly) -> None:
    done = subprocess.run([str(BIN / "cfn-lint"), "--", *map(str, assembly.files)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr


def test_a_template_fits_into_a_request_with_room_to_grow(assembly: Assembly) -> None:
    assert len(assembly.files) == 2
    for file in assembly.files:
        assert file.stat().st_size < LARGEST_TEMPLATE - 1_000, file.name


def test_nothing_of_the_templates_runs_code_of_its_own(assembly: Assembly) -> None:
    """Constructs of the library bring Lambdas with wide rights along; none is wanted."""
    for part in ("data", "compute"):
        kinds = {one["Type"] for one in assembly.stack(part).body["Resources"].values()}
        assert not {kind for kind in kinds if "Lambda" in kind or "Custom" in kind}


WRONG = {
    "nmae: x": "nmae: Extra inputs are not permitted",
    "name: Wrong Name": "name: String should match pattern",
    "producers: [{name: a, account: '1', external_id: abcdef, prefixes: [x/]}]": "producers.0.account",
    "producers: [{name: a, account: '111122223333', external_id: abcdef, prefixes: ['*/']}]": "producers.0.prefixes.0",
    "operators: [{name: a, account: '111122223333'}]": "operators.0.external_id: Field required",
    "athena: {scan_limit_gb: 0}": "athena.scan_limit_gb",
    "name: [": "cannot be read",
}
READ = """
import sys
from pathlib import Path
from supply_lake_aws.config import ConfigError, load

for path in map(Path, sys.argv[1:]):
    try:
        print(load(path).model_dump_json())
    except ConfigError as error:
        print(str(error).replace(chr(10), " "))
"""


def test_a_wrong_parameter_is_named_and_the_shipped_ones_make_the_data_plane_alone(tmp_path: Path) -> None:
    paths = [ROOT / "deploy/aws/lake.yaml"]
    for number, text in enumerate(WRONG):
        paths.append(tmp_path / f"{number}.yaml")
        paths[-1].write_text(text)
    done = subprocess.run(
        [str(BIN / "python"), "-c", READ, *map(str, paths)],
        env={"PYTHONPATH": str(ROOT / "deploy/aws")},
        capture_output=True,
        text=True,
        check=True,
    )
    shipped, *told = done.stdout.splitlines()
    assert (json.loads(shipped)["name"], json.loads(shipped)["compute"]["image"]) == ("supply-lake", "")
    for path, line, expected in zip(paths[1:], told, WRONG.values(), strict=True):
        assert str(path) in line
        assert expected in line
