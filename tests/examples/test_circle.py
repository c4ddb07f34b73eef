"""Run, record, run again under the recorded policy: each example's session reads what its environment reads.

The command is a program with boto3 that reads the secrets of the example's environment with the session of its store,
and for `assume-root` the example's own audit.py. The run is recorded in the sandbox, `dsops policy generate --from`
makes a policy of it, and the same command runs guarded by exactly this policy. Without an action of the policy, the
replay fails for each action, and the guarded command fails for the last one. CI runs one circle in three, and `make
nightly` the others.

Not here:

- `demo` has no run.sh: the chain with an external ID is in `role-chain` and `third-party`.
- `eks-pod-identity` reads with the credentials of the pod: no store of it issues a session that a command could use.
- `organisation` shows mistakes in policies, and answers come from files.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from dsops.cli import main
from tests.examples.test_examples import EXAMPLES
from tests.groups import marks_of_rest
from tests.scripts.script import Step, run

NOT_HERE = {"eks-pod-identity", "organisation"}
AUDIT = {"assume-root": ("audit", "audit.py", "dsops exec --credentials audit")}
"""Examples whose own command is recorded: the store, the command, and the line of run.sh that is left out."""
LAST_LINE = {"lambda": ("python invoke.py", "production")}
"""Examples in which no `dsops exec` shows the environment: the line of run.sh that is left out, and the environment."""

READ = """\
import sys
import boto3

region, *names = sys.argv[1:]
for name in names:
    assert boto3.client("secretsmanager", region_name=region).get_secret_value(SecretId=name)["SecretString"]
"""
WITHOUT = """\
import json

policy = json.load(open("policy.json"))
other = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}
policy["Statement"] = policy["Statement"][:-1] or [other]
json.dump(policy, open("without.json", "w"))
"""
CIRCLE = """
# AWS accepts an MFA code once.
fresh() {{
    [ -z "${{MFA_TOKEN:-}}" ] || {{
        dsops sandbox clock --advance 30 > /dev/null
        MFA_TOKEN=$(dsops sandbox totp "${{MFA_DEVICE_ARN:-arn:aws:iam::123456789012:mfa/alice}}")
    }}
}}
fresh
dsops exec --no-agent {flags} --record run.jsonl -- python {command} || surprise "the recorded run failed"
dsops policy generate --from run.jsonl > policy.json || surprise "there is no policy"
fresh
dsops exec --no-agent {flags} --guard policy.json -- python {command} || surprise "its policy does not allow the run"
python without.py
fresh
! dsops exec --no-agent {flags} --guard without.json -- python {command} || surprise "an action is not needed"
"""


class Circle(NamedTuple):
    """One store of an example, and the command that uses its session."""

    example: Path
    before: str
    """The lines of run.sh that prepare the run."""
    flags: str
    command: str


def circles_of(example: Path) -> list[Circle]:
    """The stores whose sessions the example's environment reads with."""
    lines = (example / "run.sh").read_text(encoding="utf-8").splitlines()
    if example.name in AUDIT:
        store, command, end = AUDIT[example.name]
        return [Circle(example, _before(lines, end), f"--credentials {store}", command)]
    end, name = LAST_LINE.get(example.name) or _environment(lines)
    config = yaml.safe_load((example / "dsops.yaml").read_text(encoding="utf-8"))
    secrets: dict[tuple[str, str], list[str]] = {}
    for variable in config["envs"][name].values():
        store = config["secretStores"][variable["from"]["store"]]
        secrets.setdefault((store["credentials_from"], store["region"]), []).append(variable["from"]["key"])
    return [
        Circle(
            example, _before(lines, end), f"--env {name} --credentials {store}", f"read.py {region} {' '.join(keys)}"
        )
        for (store, region), keys in secrets.items()
    ]


def _environment(lines: list[str]) -> tuple[str, str]:
    """The beginning of the first command that reads an environment, and the environment's name."""
    found = next(match for line in lines if (match := re.match(r"allowed '[^']*dsops exec [^']*--env (\w+) ", line)))
    return found[0], found[1]


def _before(lines: list[str], end: str) -> str:
    """The lines before the one that contains `end`, and the variables that this line sets for its command."""
    number = next(number for number, line in enumerate(lines) if end in line)
    variables = re.match(r"allowed '((?:\w+=\S+ )+)dsops exec", lines[number])
    return "\n".join([*lines[:number], f"export {variables[1]}" if variables else ""])


CIRCLES = [circle for example in EXAMPLES if example.name not in NOT_HERE for circle in circles_of(example)]


@pytest.mark.parametrize(
    "circle",
    [
        pytest.param(circle, marks=marks_of_rest(number, 3) or [pytest.mark.clients])
        for number, circle in enumerate(CIRCLES)
    ],
    ids=lambda each: f"{each.example.name}-{each.flags.rpartition(' ')[2]}",
)
def test_a_run_works_under_its_recorded_policy(circle: Circle, tmp_path: Path) -> None:
    """The policy of a recorded run allows the run, and each action of it is needed."""
    folder = tmp_path / "examples" / circle.example.name
    shutil.copytree(circle.example, folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(circle.example.parent / "show.sh", folder.parent)
    (folder / "read.py").write_text(READ, encoding="utf-8")
    (folder / "without.py").write_text(WITHOUT, encoding="utf-8")
    script = circle.before + CIRCLE.format(flags=circle.flags, command=circle.command)
    (folder / "run.sh").write_text(script, encoding="utf-8")

    step = run(Step(line=0, command="sh ./run.sh 2>&1", environ={}), tmp_path, folder)

    assert step.exit_code == 0, step.stdout
    policy = json.loads((folder / "policy.json").read_text(encoding="utf-8"))
    assert "dsops: note: the guard denied " in step.stdout
    assert_each_action_is_needed(folder, policy)


def assert_each_action_is_needed(folder: Path, policy: dict[str, list[dict[str, object]]]) -> None:
    """The recorded run can be replayed with the policy, and with no policy that lacks one of its actions."""
    replay = ["policy", "replay", os.fspath(folder / "run.jsonl"), "--policy"]
    assert main([*replay, os.fspath(folder / "policy.json")]) == 0
    less = folder / "less.json"
    count = 0
    for number, statement in enumerate(policy["Statement"]):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for action in actions:
            left = [other for other in actions if other != action]
            statements = [*policy["Statement"][:number], *policy["Statement"][number + 1 :]]
            statements += [statement | {"Action": left}] if left else []
            statements += [] if statements else [{"Effect": "Deny", "Action": "*", "Resource": "*"}]
            less.write_text(json.dumps(policy | {"Statement": statements}), encoding="utf-8")
            assert main([*replay, os.fspath(less)]) == 6, action
            count += 1
    assert count


def test_each_example_is_recorded() -> None:
    """Each example but those that the module's docstring names has a circle."""
    assert {circle.example for circle in CIRCLES} == {each for each in EXAMPLES if each.name not in NOT_HERE}
    assert all(f"`{name}`" in str(__doc__) for name in NOT_HERE)
