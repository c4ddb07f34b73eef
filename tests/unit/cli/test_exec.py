"""`dsops exec` as a real process against a stub of AWS: the command's environment, and every exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.children import SECONDS, Child
from tests.unit.cli.stub_aws import BINARY, QUOTED, Dsops, StubAws

SHOW = "import json, os, sys; json.dump({k: v for k, v in os.environ.items()}, sys.stdout)"


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """Stubs of STS and Secrets Manager."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Dsops:
    """The program, which uses the stub as its AWS."""
    return Dsops(tmp_path, aws)


def shown(dsops: Dsops, *words: str, **environ: str) -> dict[str, str]:
    """The environment variables of a command started by `exec`."""
    done = dsops.run("exec", *words, "--", sys.executable, "-c", SHOW, **environ)
    assert (done.returncode, done.stderr) == (0, b"")
    return dict(json.loads(done.stdout))


def test_the_command_runs_with_the_secrets(dsops: Dsops, aws: StubAws) -> None:
    """The command gets its secrets and the inherited environment, with one call per role and secret."""
    variables = shown(dsops, "--env", "production", OTHER="inherited")
    assert (variables["TOKEN"], variables["PLAIN"], variables["OTHER"]) == ("hush-token", "info", "inherited")
    assert aws.calls == ["AssumeRole", "GetSecretValue"]


def test_it_is_replaced_by_the_command(dsops: Dsops) -> None:
    """The command replaces dsops' process: it gets signals and sets the exit code, and no parent holds secrets."""
    with Child(
        dsops.command("exec", "--env", "plain", "--", "sh", "-c", "echo $$; kill -TERM $$"),
        cwd=dsops.folder,
        env=dsops.environ,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert int(process.stdout.readline()) == process.pid
        assert process.wait(timeout=SECONDS) == -signal.SIGTERM


@pytest.mark.parametrize("code", [0, 1, 2, 6, 124, 125, 255])
def test_exec_exits_with_the_commands_code(dsops: Dsops, code: int) -> None:
    """exec exits with the command's exit code."""
    assert dsops.run("exec", "--env", "plain", "--", "sh", "-c", f"exit {code}").returncode == code


def test_odd_values_arrive_byte_for_byte(dsops: Dsops) -> None:
    """Empty, binary and quoted values reach the command unchanged (the original tool crashed on empty values)."""
    body = "import os; print([os.environb[k] for k in (b'EMPTY', b'BINARY', b'QUOTED')])"
    done = dsops.run("exec", "--env", "odd", "--", sys.executable, "-c", body)
    assert done.stdout.decode() == f"{[b'', BINARY, QUOTED.encode()]}\n"


def test_inherited_credentials_are_removed_when_the_environment_sets_any(dsops: Dsops) -> None:
    """The command gets the role's credentials instead of the inherited ones, and keeps other inherited variables."""
    others = {"AWS_PROFILE": "mine", "AWS_ROLE_ARN": "arn:x", "AWS_CREDENTIAL_EXPIRATION": "2030-01-01T00:00:00Z"}
    variables = shown(dsops, "--env", "keys", **others, AWS_REGION="eu-west-1")
    assert variables["AWS_ACCESS_KEY_ID"] == "ASIAEXAMPLEEXAMPLE01"
    assert variables["AWS_SESSION_TOKEN"] == "token/of+the/session=="
    assert variables["AWS_REGION"] == "eu-west-1"
    assert not others.keys() & variables.keys()
    assert shown(dsops, "--env", "plain", AWS_PROFILE="mine")["AWS_PROFILE"] == "mine"


def test_flags_decide_what_is_inherited(dsops: Dsops) -> None:
    """`--keep-existing` prefers inherited values, `--pristine` drops them; the flags' variables do the same."""
    assert shown(dsops, "--env", "plain", PLAIN="theirs")["PLAIN"] == "info"
    assert shown(dsops, "--env", "plain", "--keep-existing", PLAIN="theirs")["PLAIN"] == "theirs"
    assert shown(dsops, "--env", "plain", DSOPS_KEEP_EXISTING="1", PLAIN="theirs")["PLAIN"] == "theirs"
    variables = shown(dsops, "--env", "plain", "--pristine", OTHER="x", TERM="dumb")
    assert variables.keys() - {"LC_CTYPE"} == {"PATH", "HOME", "TERM", "PLAIN", "DSOPS_ACTIVE"}


def test_a_command_that_does_not_exist_costs_no_call(dsops: Dsops, aws: StubAws) -> None:
    """A missing command exits with 127 and a non-executable one with 126, before any call to AWS."""
    done = dsops.run("exec", "--env", "production", "--", "no-such-command")
    assert done.returncode == 127
    assert b"error[exec.not-found]" in done.stderr
    done = dsops.run("exec", "--env", "production", "--", "./dsops.yaml")
    assert done.returncode == 126
    assert aws.calls == []


def test_the_command_is_looked_up_in_its_own_path(dsops: Dsops) -> None:
    """The command is looked up in the PATH that the environment sets."""
    tool = dsops.folder / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho found\n")
    tool.chmod(0o755)
    config = (dsops.folder / "dsops.yaml").read_text()
    path = {"literal": f"{tool.parent}:/usr/bin:/bin"}
    (dsops.folder / "named.yaml").write_text(f"{config}  path:\n    PATH: {json.dumps(path)}\n")
    done = dsops.run("exec", "--config", "named.yaml", "--env", "path", "--", "tool")
    assert (done.stdout, done.stderr) == (b"found\n", b"")
    assert dsops.run("exec", "--env", "plain", "--", "tool").returncode == 127


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--env", "nonsense", "--", "true"], "config.environment-unknown"),
        (["--", "true"], "config.environment-unknown"),
        (["--nonsense", "--", "true"], "usage"),
        (["--env", "plain"], "usage"),
        (["--env", "plain", "--timeout", "0", "--", "true"], "usage"),
        (["no-such-name", "--", "true"], "usage"),
        (["--config", "none.yaml", "--", "true"], "config.not-found"),
        (["--env", "missing", "--", "true"], "secret.not-found"),
        (["--env", "broken", "--", "true"], "secret.value-unusable"),
    ],
)
def test_every_failure_of_dsops_itself_is_125(dsops: Dsops, words: list[str], code: str) -> None:
    """Every failure of dsops itself exits with 125; the command does not run, and no value is shown."""
    done = dsops.run("exec", *words)
    assert done.returncode == 125
    assert f"error[{code}]" in done.stderr.decode()
    assert done.stdout == b""
    assert b"hush" not in done.stderr
    assert b"the-external-id" not in done.stderr


def test_a_refused_role_and_a_dead_endpoint_are_125_too(tmp_path: Path) -> None:
    """A refused role and an unreachable endpoint exit with 125, and the message contains the error code."""
    with StubAws(denies=True) as aws:
        done = Dsops(tmp_path, aws).run("exec", "--env", "production", "--", "true")
    assert done.returncode == 125
    assert b"error[sts.access-denied]" in done.stderr
    assert b"the-external-id" not in done.stderr
    with StubAws() as gone:
        url = gone.server.url
    done = Dsops(tmp_path).run("exec", "--env", "production", "--", "true", AWS_ENDPOINT_URL=url)
    assert done.returncode == 125
    assert b"error[service.unreachable]" in done.stderr


def test_a_nul_is_refused_by_the_variables_name(dsops: Dsops) -> None:
    """A value with a NUL byte is an error that names the variable, because the command would get a truncated value."""
    done = dsops.run("exec", "--env", "broken", "--", "true")
    assert b"`NUL`" in done.stderr
    assert b"hush" not in done.stderr


def test_an_optional_secret_that_does_not_exist_is_left_out(dsops: Dsops) -> None:
    """An optional variable without a secret is left out (the original tool failed)."""
    variables = shown(dsops, "--env", "optional")
    assert variables["PRESENT"] == "hush-token"
    assert "OPTIONAL" not in variables


def test_with_json_an_error_is_one_object(dsops: Dsops) -> None:
    """With `--json` an error is one JSON object that contains the exit code."""
    done = dsops.run("exec", "--env", "missing", "--json", "--", "true")
    assert json.loads(done.stderr)["exit_code"] == done.returncode == 125
    assert json.loads(done.stderr)["error"]["code"] == "secret.not-found"


def test_debug_shows_no_secret(dsops: Dsops) -> None:
    """--debug shows no values and no keys."""
    done = dsops.run("exec", "--env", "broken", "--debug", "--verbose", "--", "true")
    for secret in (b"hush", b"se/cret", b"token/of", b"the-external-id"):
        assert secret not in done.stderr


def test_the_time_limit_is_124_and_leaves_nothing(dsops: Dsops) -> None:
    """After `--timeout` the exit code is 124, and the command's child processes are ended."""
    pid_file = dsops.folder / "pid"
    command = f"sleep 600 & echo $! > {pid_file}; wait"
    done = dsops.run("exec", "--env", "plain", "--timeout", "2", "--", "sh", "-c", command)
    assert done.returncode == 124
    assert b"error[exec.timed-out]" in done.stderr
    end = time.monotonic() + 60
    while os.path.exists(f"/proc/{int(pid_file.read_text())}/exe") and time.monotonic() < end:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{int(pid_file.read_text())}/exe")


def test_within_the_time_limit_the_command_is_as_without_it(dsops: Dsops) -> None:
    """A command that ends within `--timeout` has its usual environment and exit code."""
    assert shown(dsops, "--env", "production", "--timeout", "60")["TOKEN"] == "hush-token"
    assert dsops.run("exec", "--env", "plain", "--timeout", "60", "--", "sh", "-c", "exit 9").returncode == 9
    assert dsops.run("exec", "--env", "plain", "--timeout", "60", "--", "sh", "-c", "kill -9 $$").returncode == 137


def test_ctrl_c_while_secrets_are_fetched_is_130(tmp_path: Path) -> None:
    """Ctrl-C while secrets are fetched exits with 130, without a traceback or remaining child process."""
    from tests.stubs.server import Answer, StubServer

    with StubServer(lambda _seen: Answer(is_silent=True)) as silent:
        dsops = Dsops(tmp_path)
        with Child(
            dsops.command("exec", "--env", "production", "--", "echo", "ran"),
            cwd=tmp_path,
            env={**dsops.environ, "AWS_ENDPOINT_URL": silent.url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            end = time.monotonic() + 60
            while not silent.seen and time.monotonic() < end:
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_stdin_and_stdout_are_the_commands(dsops: Dsops) -> None:
    """stdin and stdout belong to the command, and dsops prints nothing there."""
    done = subprocess.run(
        dsops.command("exec", "--env", "production", "--", "cat"),
        cwd=dsops.folder,
        env=dsops.environ,
        input=b"\x00\xff data",
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\x00\xff data", b"")


def test_no_descriptor_of_ours_reaches_the_command(dsops: Dsops) -> None:
    """The command inherits no descriptor of dsops, such as the connections to AWS."""
    done = dsops.run("exec", "--env", "production", "--", "ls", "/proc/self/fd")
    assert done.stdout.split() == [b"0", b"1", b"2", b"3"]


def test_the_flag_for_no_agent_is_known_already(dsops: Dsops) -> None:
    """`--no-agent` and DSOPS_NO_AGENT are accepted when no agent runs."""
    assert shown(dsops, "--no-agent", "--env", "plain")["PLAIN"] == "info"
    assert shown(dsops, "--env", "plain", DSOPS_NO_AGENT="1")["PLAIN"] == "info"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("flags", [(), ("--timeout", "20")], ids=["replaced", "watched"])
def test_a_closed_stream_stays_closed_for_the_command(dsops: Dsops, closed: str, flags: tuple[str, ...]) -> None:
    """If standard streams are closed, the command runs, and no descriptor of dsops takes their numbers."""
    there = "import os, sys; sys.exit(sum(os.path.exists(f'/proc/self/fd/{n}') << n for n in (0, 1, 2)))"
    words = dsops.command("exec", *flags, "--env", "production", "--", sys.executable, "-c", there)
    line = ["sh", "-c", f'"$@" {closed}', "sh", *words]
    done = subprocess.run(line, cwd=dsops.folder, env=dsops.environ, capture_output=True, check=False, timeout=60)
    open_streams = sum(1 << number for number in (0, 1, 2) if ("<&-", ">&-", "2>&-")[number] not in closed.split())
    assert (done.returncode, done.stderr) == (open_streams, b"")
