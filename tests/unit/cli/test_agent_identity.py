"""No client of a shared agent gets another client's identity or secrets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.children import Child
from tests.permission import allow_found
from tests.stubs.aws import assume_role_answer, json_answer, parameters_of
from tests.stubs.server import Answer, Seen
from tests.unit.cli.stub_aws import Agent, StubAws

PATIENCE_SECONDS = 60
SHOW_KEY = ("exec", "--env", "keys", "--", "sh", "-c", "echo $AWS_ACCESS_KEY_ID")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")


class PersonalAws(StubAws):
    """A stub of AWS whose key ids show the caller and external ID, and whose secrets show the session."""

    def _answer(self, seen: Seen) -> Answer:
        asked = parameters_of(seen) if not seen.header("X-Amz-Target") else {}
        caller = seen.header("Authorization").partition("Credential=")[2].partition("/")[0]
        if asked.get("Action") == "AssumeRole":
            key_id = f"ASIA{caller[4:]}{asked.get('ExternalId', '').removeprefix('the-external-id').upper()}"
            return assume_role_answer(access_key_id=key_id, expiration="2099-01-01T00:00:00Z")
        if not asked:
            arn = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/token-AbCdEf"
            return json_answer({"ARN": arn, "Name": "prod/token", "SecretString": f"of {caller}"})
        return super()._answer(seen)


@pytest.fixture
def aws() -> Iterator[PersonalAws]:
    """A stub of AWS whose answers depend on the caller."""
    with PersonalAws() as stub:
        yield stub


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Iterator[Agent]:
    """The program for a user who has no running agent."""
    with Agent(tmp_path, aws) as program:
        yield program


def profile_text(name: str) -> str:
    """A credentials file whose default profile has a key with that name."""
    return f"[default]\naws_access_key_id = AKIA{name}\naws_secret_access_key = x\n"


def in_folder(dsops: Agent, folder: Path, *words: str, **environ: str) -> bytes:
    """Run the command in the folder; return its stdout."""
    done = subprocess.run(
        dsops.command(*words),
        cwd=folder,
        env={**dsops.environ, **environ},
        capture_output=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.strip()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait until the condition is true; fail after PATIENCE_SECONDS."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def without_keys(dsops: Agent) -> None:
    """Remove the keys from the environment, so that the AWS files determine the identity."""
    for name in KEYS:
        del dsops.environ[name]


@pytest.mark.parametrize("path", ["credentials", "./credentials", "$PLACE/credentials"])
def test_the_same_path_in_two_folders_is_two_identities(dsops: Agent, tmp_path: Path, path: str) -> None:
    """The agent resolves a relative AWS_SHARED_CREDENTIALS_FILE in the client's folder, with the client's variables."""
    without_keys(dsops)
    for name in ("ONE", "TWO"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "credentials").write_text(profile_text(name))
    for name in ("ONE", "TWO", "ONE"):
        folder = tmp_path / name
        place = {"AWS_SHARED_CREDENTIALS_FILE": path, "PLACE": str(folder)}
        assert in_folder(dsops, folder, *SHOW_KEY, **place) == f"ASIA{name}".encode()


def test_a_process_that_looks_around_is_another_one_elsewhere(dsops: Agent, tmp_path: Path) -> None:
    """`credential_process = ./who` runs in each client's folder and environment, so clients get separate sessions."""
    without_keys(dsops)
    (tmp_path / "config").write_text("[default]\ncredential_process = ./who\n")
    dsops.environ["AWS_CONFIG_FILE"] = str(tmp_path / "config")
    for name in ("ONE", "TWO"):
        (tmp_path / name).mkdir()
        script = tmp_path / name / "who"
        answer = f'{{"Version": 1, "AccessKeyId": "AKIA{name}$EXTRA", "SecretAccessKey": "x"}}'.replace('"', '\\"')
        script.write_text(f'#!/bin/sh\necho "{answer}"\n')
        script.chmod(0o755)
    for name, extra in (("ONE", ""), ("TWO", ""), ("ONE", "X"), ("ONE", "")):
        assert in_folder(dsops, tmp_path / name, *SHOW_KEY, EXTRA=extra) == f"ASIA{name}{extra}".encode()


def test_an_edit_that_leaves_size_and_time_alone_counts(dsops: Agent, tmp_path: Path) -> None:
    """The agent compares files by content, so it notices edits that change neither size nor modification time."""
    without_keys(dsops)
    credentials, config = tmp_path / "credentials", tmp_path / "dsops.yaml"
    dsops.environ["AWS_SHARED_CREDENTIALS_FILE"] = str(credentials)
    text = config.read_text()
    for name, external_id in (("ONE", "the-external-idaa"), ("TWO", "the-external-idaa"), ("TWO", "the-external-idbb")):
        credentials.write_text(profile_text(name))
        config.write_text(text.replace("the-external-id", external_id))
        for path in (credentials, config):
            os.utime(path, (1_000_000_000, 1_000_000_000))
        assert in_folder(dsops, tmp_path, *SHOW_KEY) == f"ASIA{name}{external_id[-2:].upper()}".encode()


def test_a_changed_symlink_is_noticed(dsops: Agent, tmp_path: Path) -> None:
    """The agent notices a symlink's new target and resolves a relative `--config` in the client's folder."""
    text = (tmp_path / "dsops.yaml").read_text()
    (tmp_path / "dsops.yaml").unlink()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.yaml").write_text(text.replace("the-external-id", f"the-external-id{name}"))
    for name in ("one", "two", "one"):
        (tmp_path / "dsops.yaml").unlink(missing_ok=True)
        (tmp_path / "dsops.yaml").symlink_to(tmp_path / name / "own.yaml")
        assert in_folder(dsops, tmp_path, *SHOW_KEY).decode() == f"ASIAEXAMPLEEXAMPLE01{name.upper()}"
        named = ("exec", "--config", "own.yaml", *SHOW_KEY[1:])
        assert in_folder(dsops, tmp_path / name, *named).decode() == f"ASIAEXAMPLEEXAMPLE01{name.upper()}"


def test_what_was_allowed_and_then_edited_is_not_allowed(dsops: Agent, tmp_path: Path) -> None:
    """The agent checks for each request that the file is allowed, in the client's own home."""
    file = tmp_path / "dsops.yaml"
    device = "serial_number: arn:aws:iam::111122223333:mfa/ada\n    mfa_process: echo 123456"
    file.write_text(file.read_text().replace("external_id:", f"{device}\n    external_id:"))
    dsops.environ["HOME"] = str(tmp_path / "home")
    (tmp_path / "home").mkdir()
    dsops.allows = False
    assert dsops.run("allow").returncode == 0
    assert dsops.run(*SHOW_KEY).returncode == 0
    file.write_text(file.read_text().replace("echo 123456", "echo 654321"))
    assert dsops.run(*SHOW_KEY).returncode == 125
    assert dsops.run("allow").returncode == 0
    assert dsops.run(*SHOW_KEY).returncode == 0
    assert dsops.run(*SHOW_KEY, HOME=str(tmp_path / "elsewhere")).returncode == 125


@pytest.mark.parametrize("words", [(*SHOW_KEY[:-3], "true"), ("render", "--env", "keys")], ids=["exec", "render"])
def test_a_configuration_from_a_pipe_is_read_by_the_client(
    dsops: Agent, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """`--config <(make-one)` reads the client's descriptor, not the agent's descriptor with the same number."""
    script = tmp_path / "run"
    line = " ".join(f"'{word}'" for word in dsops.command(words[0]))
    rest = " ".join(f"'{word}'" for word in words[1:])
    script.write_text(f"exec {line} --config <(cat '{tmp_path}/dsops.yaml') {rest}\n")
    dsops.run("agent", "start")
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        ["bash", str(script)],
        cwd=tmp_path / "elsewhere",
        env=dsops.environ,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_many_clients_of_all_kinds_get_their_own(dsops: Agent, tmp_path: Path) -> None:
    """Sixty clients with different keys, profiles, folders or external IDs each get their own session."""
    expected, waiting = [], []
    text = (tmp_path / "dsops.yaml").read_text()
    for number in range(60):
        folder = tmp_path / f"{number}"
        (folder / ".aws").mkdir(parents=True)
        (folder / "dsops.yaml").write_text(text.replace("the-external-id", f"the-external-idx{number}"))
        environ = {name: value for name, value in dsops.environ.items() if name not in KEYS}
        kind = number % 20
        if kind < 18:
            environ |= {"AWS_ACCESS_KEY_ID": f"AKIAKEY{number}", "AWS_SECRET_ACCESS_KEY": f"x{number}"}
            expected.append(f"ASIAKEY{number}X{number}")
        else:
            (folder / ".aws/credentials").write_text(profile_text(f"HOME{number // 15}"))
            environ |= {"HOME": str(folder)} if kind == 18 else {"AWS_SHARED_CREDENTIALS_FILE": ".aws/credentials"}
            expected.append(f"ASIAHOME{number // 15}X{number}")
        environ |= {"AWS_REGION": f"eu-west-{number % 3}", "HTTPS_PROXY": f"http://p{number % 7}.invalid:1"}
        allow_found(folder, environ)
        waiting.append((folder, environ))
    dsops.run("agent", "start")
    got = []
    for start in range(0, len(waiting), 10):
        started = [
            Child(dsops.command(*SHOW_KEY), cwd=folder, env=environ, stdout=subprocess.PIPE)
            for folder, environ in waiting[start : start + 10]
        ]
        got += [process.communicate(timeout=PATIENCE_SECONDS)[0].decode().strip() for process in started]
    assert got == expected


def test_the_agent_ignores_its_own_environment(dsops: Agent, aws: PersonalAws, tmp_path: Path) -> None:
    """An agent started with keys, a proxy and a home in its environment uses none of them for its clients."""
    poison = {
        "AWS_ACCESS_KEY_ID": "AKIAPOISON",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_PROFILE": "poison",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_REGION": "poison",
        "HOME": str(tmp_path / "poison"),
        "HTTP_PROXY": "http://127.0.0.1:9",
        "http_proxy": "http://127.0.0.1:9",
        "ALL_PROXY": "http://127.0.0.1:9",
        "SSL_CERT_FILE": "/nowhere",
        "SSLKEYLOGFILE": str(tmp_path / "keylog"),
        "TZ": "Asia/Tokyo",
        "PATH": "/nowhere",
        "DSOPS_CONFIG": "/nowhere",
        "DSOPS_ENV": "poison",
        "DSOPS_JSON": "1",
        "LANG": "C",
        "CI": "true",
        "AWS_CREDENTIAL_EXPIRATION": "2001-01-01T00:00:00Z",
        "USER": "poison",
    }
    folder = tmp_path / "own"
    folder.mkdir()
    process = Child(
        dsops.command("agent", "run"),
        cwd=folder,
        env={**dsops.environ, **poison},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: bool(dsops.status()["is_running"]))
        # The agent does not keep its starting folder in use.
        folder.rmdir()
        run = ("exec", "--env", "production", "--", "sh", "-c", 'echo "$TOKEN/$HOME/$TZ/$CI"')
        done = dsops.run(*run)
        assert done.stderr == b""
        assert done.stdout.decode() == f"of ASIAEXAMPLEEXAMPLE01/{dsops.environ['HOME']}//\n"
        without_keys(dsops)
        (tmp_path / "credentials").write_text(profile_text("FILE"))
        shown = dsops.run(*SHOW_KEY, AWS_SHARED_CREDENTIALS_FILE="credentials")
        assert shown.stdout == b"ASIAFILE\n"
        assert dsops.status()["pid"] == process.pid
        assert aws.calls.count("AssumeRole") == 2
        assert not (tmp_path / "keylog").exists()
    finally:
        dsops.run("agent", "stop")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PATIENCE_SECONDS)
