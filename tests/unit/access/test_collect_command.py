"""`dsops access collect`: the real program collects from a sandbox, and answers questions from its last collection."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest

from dsops.access.facts.folder import read_folder
from tests.children import SECONDS, Child
from tests.unit.access.estate import MANAGEMENT, PRODUCTION, REGION, STAGING, Estate, running, seed
from tests.unit.cli.stub_aws import Dsops

SECRET = f"arn:aws:secretsmanager:{REGION}:{PRODUCTION}:secret:prod/db"


def program(folder: Path) -> Dsops:
    """The program, with the test's folder as home folder."""
    dsops = Dsops(folder)
    dsops.environ["HOME"] = str(folder)
    return dsops


def collect(dsops: Dsops, estate: Estate, *words: str) -> tuple[int, str, str]:
    """Run `dsops access collect`; return its exit code, stdout and stderr."""
    done = dsops.run("access", "collect", *words, **estate.environ())
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_last_collection_answers_questions(tmp_path: Path) -> None:
    """Without `--out` and `--from`, the facts are in the user's data folder, and `who-can` finds them there."""
    with running() as estate:
        dsops = program(tmp_path)
        code, out, err = collect(dsops, estate, "--json")
        told: dict[str, Any] = json.loads(out)
        arn = next(arn for arn in read_folder(told["folder"]).resources if arn.startswith(SECRET))
    answered = dsops.run("access", "who-can", "secretsmanager:GetSecretValue", arn, "--json")

    assert (code, err, told["not_collected"]) == (0, "", [])
    assert told["folder"].endswith("/dsops/access/o-exampleorg1")
    assert told["accounts"] == [MANAGEMENT, PRODUCTION, STAGING]
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout)["ways"]
    assert b"/dsops/access/o-exampleorg1, collected at 20" in answered.stderr


def test_what_is_denied_is_told(tmp_path: Path) -> None:
    """The text names the folder, and each fact that could not be collected with its reason; the exit code is 0."""
    with running(seed(denied=["kms:ListKeys"], roles=[PRODUCTION])) as estate:
        code, out, err = collect(program(tmp_path), estate, "--out", "facts")

    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "facts has the facts about 3 accounts"
    assert any(
        line.startswith(f"  not collected: {PRODUCTION} kms: not allowed to call kms:ListKeys") for line in lines
    )
    assert sum(f"not collected: {STAGING}: " in line for line in lines) == 2
    assert "the same command tries them again" in err
    assert f"resources of {REGION} only: `--regions all`" in err


def test_a_profile_can_collect(tmp_path: Path) -> None:
    """`--store` takes an AWS profile, and `--accounts` limits the accounts."""
    with running() as estate:
        environ = estate.environ()
        keys = {name.lower(): environ.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        config = tmp_path / "aws-config"
        lines = [f"{name} = {value}" for name, value in keys.items()]
        config.write_text("\n".join(["[profile audit]", f"region = {REGION}", *lines, ""]))
        dsops = program(tmp_path)
        words = ("access", "collect", "--store", "audit", "--accounts", f"{STAGING}, {STAGING}", "--out", "f", "--json")
        done = dsops.run(*words, **{**environ, "AWS_CONFIG_FILE": str(config)})

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accounts"] == [STAGING]


def test_the_policy_needs_no_account(tmp_path: Path) -> None:
    """`--policy` prints the permissions for the role, without a call."""
    done = program(tmp_path).run("access", "collect", "--policy", "--role", "audit/Reader")

    policy = json.loads(done.stdout)
    assert done.returncode == 0
    assert policy["Statement"][0]["Resource"] == "arn:aws:iam::*:role/audit/Reader"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--accounts", "12"), "`12` is not an account id"),
        (("--regions", "eu-west-1,EU!"), "`EU!` is not the name of a region"),
        (("--role", "arn:aws:iam::1:role/x y"), "is not the name of a role"),
    ],
)
def test_wrong_words_are_refused(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    """A wrong account, region or role is an error before the first call."""
    done = program(tmp_path).run("access", "collect", *words)

    assert (done.returncode, message in done.stderr.decode()) == (2, True), done.stderr


def test_ctrl_c_leaves_a_folder_that_the_next_run_completes(tmp_path: Path) -> None:
    """After Ctrl-C, the program says how to continue, and leaves no half-written file."""
    with running() as estate:
        dsops = program(tmp_path)
        command = dsops.command("access", "collect", "--out", "facts", "--regions", "all")
        environ = {**dsops.environ, **estate.environ()}
        with Child(command, cwd=tmp_path, env=environ, stdout=PIPE, stderr=PIPE) as child:
            until = time.monotonic() + SECONDS
            while not list(tmp_path.glob("facts/accounts/*/account.json")) and time.monotonic() < until:
                time.sleep(0.01)
            child.send_signal(signal.SIGINT)
            _, err = child.communicate(timeout=SECONDS)
        assert read_folder(str(tmp_path / "facts")).accounts
        code, _, _ = collect(dsops, estate, "--out", "facts")

    assert child.returncode == 128 + signal.SIGINT
    assert b"the same command continues where it ended" in err
    assert code == 0
    assert not list(tmp_path.rglob("*.part"))


def test_facts_that_were_never_collected_are_an_error(tmp_path: Path) -> None:
    """Without a collection and without `--from`, the error says how to get facts."""
    done = program(tmp_path).run("access", "who-can", "s3:GetObject", "*")

    assert done.returncode == 2
    assert b"dsops access collect" in done.stderr
