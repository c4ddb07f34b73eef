"""`exec --ask` with the answer `always`, on a terminal, against the sandbox."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.terminal import Terminal
from tests.unit.test_isolated import CONFIG, SEED, WHY_NOT

POLICY = 'Version: "2012-10-17"\nStatement:\n  - {Effect: Allow, Action: "s3:ListBucket", Resource: "*"}  # mine\n'
PROGRAM = """
import os, sys, boto3
from botocore.exceptions import ClientError
print("the command sees", os.path.exists(sys.argv[1]) and open(sys.argv[1]).read()[:7])
try:
    boto3.client("s3").create_bucket(Bucket="sources", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    print("created")
except ClientError as error:
    print(error.response["Error"]["Code"])
"""
EXEC = "dsops exec --no-agent --config dsops.yaml --credentials dev"


def write(folder: Path, policy: str, flags: str) -> dict[str, str]:
    """Write the files of a run whose policy is at this path; return the environment."""
    run = f"{EXEC} --guard {policy} {flags} -- python program.py {policy}\n"
    for name, text in (("seed.yaml", SEED), ("dsops.yaml", CONFIG), ("program.py", PROGRAM), ("run.sh", run)):
        (folder / name).write_text(text, encoding="utf-8")
    (folder / policy).parent.mkdir(parents=True, exist_ok=True)
    (folder / policy).write_text(POLICY, encoding="utf-8")
    return {"HOME": str(folder / "home"), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def in_sandbox(folder: Path, environ: dict[str, str]) -> Terminal:
    """Run run.sh in a sandbox."""
    command = ["dsops", "sandbox", "run", "--seed", "seed.yaml", "--", "sh", "run.sh"]
    return Terminal(command, environ=environ, folder=folder)


def test_always_allows_the_next_run_too(tmp_path: Path) -> None:
    """The answer adds a statement to the policy file; the next run asks nothing and gets the same answer of AWS."""
    environ = write(tmp_path, "guard.yaml", "--ask")
    with in_sandbox(tmp_path, environ) as terminal:
        question = terminal.expect("[n] ")
        terminal.type("a\n")
        terminal.expect("created")
        assert terminal.code() == 0
    with in_sandbox(tmp_path, environ) as terminal:
        second = terminal.expect("created")
        assert terminal.code() == 0

    assert "[a]lways (into guard.yaml, which the command can change, too)" in question
    assert (tmp_path / "guard.yaml").read_text(encoding="utf-8") == (
        f'{POLICY}  - Effect: "Allow"\n    Action: "s3:CreateBucket"\n    Resource: "arn:aws:s3:::sources"\n'
    )
    assert "dsops:" not in second


@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
@pytest.mark.parametrize("policy", ["home/.config/dsops/guard.yaml", "guard.yaml"])
def test_an_isolated_command_can_not_write_the_file_for_always(tmp_path: Path, policy: str) -> None:
    """With `--isolate`, `always` is offered only for a policy file that is hidden from the command."""
    is_hidden = policy != "guard.yaml"
    environ = write(tmp_path, policy, "--ask --isolate")
    with in_sandbox(tmp_path, environ) as terminal:
        question = terminal.expect("[n] ")
        terminal.type("a\n")
        terminal.expect("created" if is_hidden else "AccessDenied")
        assert terminal.code() == 0

    assert ("the command sees False" in question) is is_hidden
    assert "or [n]ot at all" in question
    assert (f"[a]lways (into {policy})" in question) is is_hidden
    assert ("can't add to a policy file that the isolated command can write" in question) is not is_hidden
    assert ("s3:CreateBucket" in (tmp_path / policy).read_text(encoding="utf-8")) is is_hidden
