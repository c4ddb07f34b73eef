"""Failing, full, interrupted and slow disks: dsops reports the file's error or gives the same result."""

from __future__ import annotations

import base64
import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.unit.cli.stub_aws import Dsops, StubAws

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD and /proc as Linux has them"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here: the failing disk is a small library"),
]

SECONDS = 60
READS = {"EIO": errno.EIO, "ESTALE": errno.ESTALE}
WRITES = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EDQUOT": errno.EDQUOT}
GENTLE = ("short", "interrupted")
"""Behaviour that POSIX allows at any time."""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preloaded library that injects I/O errors."""
    built = tmp_path_factory.mktemp("library") / "io_errors.so"
    source = Path(__file__).with_name("io_errors.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", built, source, "-ldl"], check=True, timeout=60)
    return built


@pytest.fixture
def dsops(tmp_path: Path) -> Iterator[Dsops]:
    """A user with a separate home, and a stub of AWS that issues one role's session."""
    (tmp_path / "home").mkdir()
    with StubAws() as aws:
        program = Dsops(tmp_path, aws)
        program.environ["HOME"] = str(tmp_path / "home")
        yield program


class Ended(NamedTuple):
    """The outcome of a run on a failing disk."""

    code: int
    out: str
    err: str


def run(dsops: Dsops, library: Path, path: str, words: tuple[str, ...], **how: str) -> Ended:
    """Run dsops with I/O errors on files whose path contains this text."""
    environ = {**dsops.environ, "LD_PRELOAD": str(library), "IO_ERRORS_PATH": path, **how}
    done = subprocess.run(
        dsops.command(*words),
        cwd=dsops.folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr
    assert "error[bug" not in done.stderr
    assert "hush" not in done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


PLAIN = ("exec", "--env", "plain", "--", "sh", "-c", "echo $PLAIN")
WEB = """
secretStores:
  web: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111122223333:role/T", role_session_name: me,
        web_identity_token_file: token.jwt}
envs:
  web: {KEY: {from: "web:access_key_id"}}
"""


def _include(dsops: Dsops) -> None:
    (dsops.folder / "more.yaml").write_text("envs: {more: {A: {literal: b}}}\n")
    file = dsops.folder / "dsops.yaml"
    file.write_text(f"include: more.yaml\n{file.read_text()}")


def _home(name: str, text: str) -> Callable[[Dsops], None]:
    def put(dsops: Dsops) -> None:
        path = dsops.folder / "home" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)

    return put


def _file(name: str, text: str) -> Callable[[Dsops], None]:
    def put(dsops: Dsops) -> None:
        (dsops.folder / name).write_text(text)

    return put


def _web(dsops: Dsops) -> None:
    parts = [{"alg": "none"}, {"iss": "https://id.example", "sub": "me", "aud": "sts", "exp": 4102444800}]
    text = ".".join([base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts])
    (dsops.folder / "token.jwt").write_text(f"{text}.c2ln")
    (dsops.folder / "web.yaml").write_text(WEB)


def _trail(dsops: Dsops) -> None:
    assert dsops.run("exec", "--env", "keys", "--", "true").returncode == 0


def _not_allowed(dsops: Dsops) -> None:
    dsops.allows = False


class Case(NamedTuple):
    """A file that dsops reads, and a run that reads the file."""

    path: str
    words: tuple[str, ...]
    code: int
    prepare: Callable[[Dsops], None] = lambda _: None


POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})
KEYRING = json.dumps({"version": 1, "mfa": [], "keys": []})
CONFIG = ".config/dsops/config.yaml"
TRAIL = ".local/state/dsops/audit.jsonl"
READ = {
    "a configuration": Case("/dsops.yaml", PLAIN, 125),
    "a configuration, by validate": Case("/dsops.yaml", ("validate",), 2),
    "an include": Case("/more.yaml", PLAIN, 125, _include),
    # only a note is shown, as for a malformed file
    "the user's configuration": Case("/config.yaml", PLAIN, 0, _home(CONFIG, "audit: on\n")),
    "a profile": Case(
        "/.aws/config",
        ("exec", "--env", "keys", "--", "true"),
        125,
        _home(".aws/config", "[default]\nregion = us-east-1\n"),
    ),
    "a token": Case("/token.jwt", ("exec", "--config", "web.yaml", "--env", "web", "--", "true"), 125, _web),
    "the keyring's list": Case("/keyring.json", ("mfa", "list"), 3, _home(".local/share/dsops/keyring.json", KEYRING)),
    "a policy": Case("/policy.json", ("policy", "check", "policy.json"), 2, _file("policy.json", POLICY)),
    "a seed": Case(
        "/seed.yaml", ("sandbox", "run", "--seed", "seed.yaml", "--", "true"), 2, _file("seed.yaml", "accounts: {}\n")
    ),
    "a file to migrate": Case("/old.yaml", ("migrate", "old.yaml"), 2, _file("old.yaml", "version: 1\n")),
    "the audit trail": Case("/audit.jsonl", ("audit", "verify"), 2, _trail),
    "the end of the trail": Case("/audit.jsonl", ("audit", "--last", "3"), 2, _trail),
}
WRITE = {
    "the audit trail that has to be": Case("/audit.jsonl", PLAIN, 125, _home(CONFIG, "audit: required\n")),
    "the audit trail": Case("/audit.jsonl", PLAIN, 0),
    "the trail's head": Case("/audit.jsonl.head", PLAIN, 125, _home(CONFIG, "audit: required\n")),
    "a file of variables": Case("out.env", ("render", "--env", "plain", "--out", "out.env"), 2),
    "a file of profiles": Case("/.keys", ("credentials", "target", "--format", "ini", "--out", "keys"), 2),
    "a permission": Case("dsops/allow/", ("allow",), 2, _not_allowed),
}


@pytest.mark.parametrize("error", READS)
@pytest.mark.parametrize("name", READ)
def test_what_can_not_be_read_is_an_error_of_the_file(dsops: Dsops, library: Path, name: str, error: str) -> None:
    """A read error is reported with the path and the system's reason, never as a bug of dsops."""
    case = READ[name]
    case.prepare(dsops)
    ended = run(dsops, library, case.path, case.words, IO_ERRORS_READ=str(READS[error]))
    assert ended.code == case.code, ended
    assert case.path.rpartition("/")[2] in ended.err
    assert os.strerror(READS[error]).lower() in ended.err


@pytest.mark.parametrize("how", GENTLE)
@pytest.mark.parametrize("name", READ)
def test_a_disk_may_give_a_byte_at_a_time_or_be_interrupted(dsops: Dsops, library: Path, name: str, how: str) -> None:
    """Short and interrupted reads give the same result as complete reads."""
    case = READ[name]
    case.prepare(dsops)
    plain = run(dsops, library, "/nothing", case.words)
    ended = run(dsops, library, case.path, case.words, IO_ERRORS_READ=how)
    assert (ended.code, ended.out) == (plain.code, plain.out), ended.err


@pytest.mark.parametrize("error", WRITES)
@pytest.mark.parametrize("name", WRITE)
def test_what_can_not_be_written_is_an_error_of_the_file(dsops: Dsops, library: Path, name: str, error: str) -> None:
    """After a write error no partial file remains, no secret leaves without an audit record, and an error is shown."""
    case = WRITE[name]
    case.prepare(dsops)
    ended = run(dsops, library, case.path, case.words, IO_ERRORS_WRITE=str(WRITES[error]))
    assert ended.code == case.code, ended
    assert os.strerror(WRITES[error]).lower() in ended.err
    assert ended.out == ("info\n" if case.code == 0 else "")
    assert not list(dsops.folder.glob("out.env*"))
    assert not list(dsops.folder.glob("keys*"))


@pytest.mark.parametrize("error", WRITES)
def test_an_answer_that_can_not_be_written_is_no_success(dsops: Dsops, library: Path, error: str) -> None:
    """If the output cannot be written to stdout (full disk), the run exits with an error."""
    environ = {
        **dsops.environ,
        "LD_PRELOAD": str(library),
        "IO_ERRORS_PATH": "/answer",
        "IO_ERRORS_WRITE": str(WRITES[error]),
    }
    with (dsops.folder / "answer").open("wb") as answer:
        done = subprocess.run(
            dsops.command("get", "PLAIN", "--env", "plain"),
            cwd=dsops.folder,
            env=environ,
            check=False,
            timeout=SECONDS,
            stdout=answer,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )
    assert done.returncode == 2
    assert "error[output.not-written]" in done.stderr
    assert os.strerror(WRITES[error]).lower() in done.stderr


@pytest.mark.parametrize("how", GENTLE)
def test_a_disk_may_take_a_byte_at_a_time(dsops: Dsops, library: Path, how: str) -> None:
    """Short writes produce complete files; a partly written line of the audit trail is reported, not continued."""
    for words in (("render", "--env", "plain", "--out", "out.env"), ("allow",)):
        ended = run(dsops, library, str(dsops.folder), words, IO_ERRORS_WRITE=how)
        assert ended.code == 0 or "no space left on device" in ended.err, ended
    assert (dsops.folder / "out.env").read_text() == "PLAIN=info\n"
    ended = run(dsops, library, "/audit.jsonl", PLAIN, IO_ERRORS_WRITE=how)
    assert (ended.code, ended.out) == (0, "info\n")
    assert ended.err == "" or "audit trail" in ended.err
