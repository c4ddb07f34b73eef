"""The commands that call AWS, as real processes against a stub on loopback."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stubs.server import Answer, StubServer
from tests.terminal import Terminal
from tests.unit.cli.stub_aws import BINARY, QUOTED, Dsops, StubAws

MFA_CONFIG = """\
version: 1
secretStores:
  mfa:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Target
    serial_number: arn:aws:iam::111122223333:mfa/ada
    token_code: ${MFA_TOKEN}
envs:
  production:
    KEY: {from: "mfa:access_key_id"}
"""


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """Stubs of STS and Secrets Manager."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws) -> Dsops:
    """The program, which uses the stub as its AWS."""
    return Dsops(tmp_path, aws)


class TestGet:
    """`dsops get` prints one variable."""

    def test_the_value_is_printed_byte_for_byte(self, dsops: Dsops) -> None:
        """`get` prints the value's bytes without a newline, even for empty and binary values."""
        for name, value in (("QUOTED", QUOTED.encode()), ("BINARY", BINARY), ("EMPTY", b"")):
            done = dsops.run("get", "--env", "odd", name)
            assert (done.returncode, done.stdout, done.stderr) == (0, value, b"")

    def test_only_what_that_variable_needs_is_fetched(self, dsops: Dsops, aws: StubAws) -> None:
        """`get` fetches only what the variable needs: a literal value causes no AWS call."""
        assert dsops.run("get", "--env", "production", "PLAIN").stdout == b"info"
        assert aws.calls == []
        assert dsops.run("get", "--env", "missing", "PRESENT").stdout == b"hush-token"

    def test_an_optional_one_without_a_secret_is_an_error(self, dsops: Dsops) -> None:
        """`get` of an optional variable without a secret is an error, because empty output would look like a value."""
        done = dsops.run("get", "--env", "optional", "OPTIONAL")
        assert (done.returncode, done.stdout) == (4, b"")
        assert b"error[secret.not-found]" in done.stderr

    def test_json_says_where_it_comes_from_and_holds_only_text(self, dsops: Dsops) -> None:
        """`get --json` prints the value with its source; a value that is not UTF-8 is an error."""
        done = dsops.run("get", "--env", "odd", "QUOTED", "--json")
        assert json.loads(done.stdout) == {
            "variable": "QUOTED",
            "environment": "odd",
            "source": "store://secrets/prod/quoted",
            "value": QUOTED,
        }
        done = dsops.run("get", "--env", "odd", "BINARY", "--json")
        assert (done.returncode, done.stdout) == (4, b"")
        assert b"base64_encode" in done.stderr

    def test_on_a_terminal_the_prompt_does_not_stick_to_it(self, dsops: Dsops) -> None:
        """On a terminal `get` adds a newline after the value."""
        with Terminal(["env", "-C", str(dsops.folder), *dsops.command("get", "--env", "plain", "PLAIN")]) as terminal:
            terminal.expect("info\r\n")


class TestRender:
    """`dsops render` writes an environment to a file."""

    def test_a_failure_touches_no_file(self, dsops: Dsops) -> None:
        """When a secret is missing, `render` leaves the old file unchanged."""
        path = dsops.folder / ".env"
        path.write_text("OLD=1\n")
        done = dsops.run("render", "--env", "missing", "--out", ".env")
        assert (done.returncode, done.stdout) == (4, b"")
        assert path.read_text() == "OLD=1\n"
        assert {each.name for each in dsops.folder.iterdir()} == {".env", "dsops.yaml"}

    def test_an_unknown_format_costs_no_call(self, dsops: Dsops, aws: StubAws) -> None:
        """An unknown format is an error before any call to AWS."""
        assert dsops.run("render", "--env", "production", "--out", "x.txt").returncode == 2
        assert aws.calls == []

    def test_what_a_format_can_not_hold_is_refused_by_name(self, dsops: Dsops) -> None:
        """A value that the format cannot express is an error that names the variable."""
        done = dsops.run("render", "--env", "broken", "--format", "shell")
        assert (done.returncode, done.stdout) == (4, b"")
        assert b"`NUL`" in done.stderr
        assert b"hush" not in done.stderr
        assert dsops.run("render", "--env", "odd").returncode == 4
        assert dsops.run("render", "--env", "odd", "--format", "shell").returncode == 0


class TestCredentials:
    """`dsops credentials` prints a store's session for another program."""

    def test_a_secret_store_gives_what_it_reads_with(self, dsops: Dsops, aws: StubAws) -> None:
        """`credentials` of a secret store prints the session that the store uses, and reads no secret."""
        value = json.loads(dsops.run("credentials", "secrets").stdout)
        assert (value["access_key_id"], value["store"]) == ("ASIAEXAMPLEEXAMPLE01", "secrets")
        assert aws.calls == ["AssumeRole"]

    def test_env_is_read_by_a_shell(self, dsops: Dsops) -> None:
        """A shell that evaluates the `env` format sets the variables and replaces inherited credentials."""
        line = f'eval "$({" ".join(map(_quoted, dsops.command("credentials", "target", "--format", "env")))})"; env -0'
        environ = {**dsops.environ, "AWS_SESSION_TOKEN": ""}
        done = subprocess.run(
            ["sh", "-c", line], cwd=dsops.folder, env=environ, capture_output=True, check=True, timeout=60
        )
        pairs = dict(each.split("=", 1) for each in done.stdout.decode().split("\0") if each)
        assert pairs["AWS_ACCESS_KEY_ID"] == "ASIAEXAMPLEEXAMPLE01"
        assert pairs["AWS_SECRET_ACCESS_KEY"] == "se/cret+of+the+session"
        assert pairs["AWS_SESSION_TOKEN"] == "token/of+the/session=="
        assert pairs["AWS_CREDENTIAL_EXPIRATION"] == "2099-01-01T00:00:00Z"

    def test_process_is_what_aws_expects(self, dsops: Dsops) -> None:
        """The `process` format follows the AWS SDKs and Tools Reference Guide, "Process credential provider"."""
        assert json.loads(dsops.run("credentials", "target", "--format", "process").stdout) == {
            "Version": 1,
            "AccessKeyId": "ASIAEXAMPLEEXAMPLE01",
            "SecretAccessKey": "se/cret+of+the+session",
            "SessionToken": "token/of+the/session==",
            "Expiration": "2099-01-01T00:00:00Z",
        }

    def test_too_little_time_left_is_refused(self, dsops: Dsops) -> None:
        """A session that expires before `--min-ttl` is refused."""
        assert dsops.run("credentials", "target", "--min-ttl", "60").returncode == 0
        done = dsops.run("credentials", "target", "--min-ttl", "1e10")
        assert (done.returncode, done.stdout) == (3, b"")
        assert b"error[credentials.too-little-time]" in done.stderr

    def test_a_store_without_credentials_is_refused(self, dsops: Dsops) -> None:
        """`credentials` of a store without credentials is a usage error."""
        (dsops.folder / "dsops.yaml").write_text("version: 1\nsecretStores: {lit: {type: literal, values: {a: b}}}\n")
        done = dsops.run("credentials", "lit")
        assert done.returncode == 2
        assert b"its type is literal" in done.stderr


class TestMfa:
    """Stores that require an MFA code."""

    @pytest.fixture
    def dsops(self, tmp_path: Path, aws: StubAws) -> Dsops:
        """The program with a role that requires MFA."""
        program = Dsops(tmp_path, aws)
        (tmp_path / "dsops.yaml").write_text(MFA_CONFIG)
        return program

    def test_without_a_terminal_it_fails_at_once_and_says_what_to_set(self, dsops: Dsops, aws: StubAws) -> None:
        """Without a terminal, a missing MFA code is an immediate error before any call."""
        started = time.monotonic()
        done = dsops.run("exec", "--", "true")
        assert time.monotonic() - started < 30  # includes the start of an interpreter on a busy machine
        assert done.returncode == 125
        assert b"error[mfa.required]" in done.stderr
        assert b"MFA_TOKEN" in done.stderr
        assert aws.calls == []

    def test_the_code_of_the_environment_is_sent_with_its_zeros(self, dsops: Dsops, aws: StubAws) -> None:
        """The code in MFA_TOKEN is sent as text, with leading zeros."""
        assert dsops.run("exec", "--", "true", MFA_TOKEN="012345").returncode == 0
        assert b"TokenCode=012345" in aws.server.seen[0].body

    def test_a_person_is_asked_on_the_terminal_not_on_stdout_or_stderr(self, dsops: Dsops, aws: StubAws) -> None:
        """The prompt opens the terminal itself, so that stdin, stdout and stderr can be redirected."""
        line = 'cd "$1"; shift; "$@" < /dev/null > out 2> err; echo "code $?"'
        environ = [f"{name}={value}" for name, value in dsops.environ.items()]
        command = ["env", "-i", *environ, *dsops.command("get", "KEY")]
        with Terminal(["bash", "-c", line, "bash", str(dsops.folder), *command]) as terminal:
            terminal.expect("arn:aws:iam::111122223333:mfa/ada")
            terminal.type("054321\n")
            assert "054321" not in terminal.expect("code 0")
        assert (dsops.folder / "out").read_text() == "ASIAEXAMPLEEXAMPLE01"
        assert (dsops.folder / "err").read_text() == ""
        assert b"TokenCode=054321" in aws.server.seen[0].body


SECRETS = (b"hush", b"se/cret+of+the+session", b"token/of+the/session", b"the-external-id", QUOTED.encode())


@pytest.mark.parametrize("outcome", ["works", "denied"])
@pytest.mark.parametrize(
    "words",
    [
        ["validate", "--env", "production"],
        ["plan", "--env", "production"],
        ["plan", "--env", "odd"],
        ["graph"],
        ["graph", "--check"],
        ["graph", "--env", "odd", "--check"],
        ["stores"],
        ["allow"],
        ["doctor"],
        ["doctor", "--env", "missing"],
        ["whoami"],
        ["whoami", "target"],
        ["exec", "--env", "production", "--", "true"],
        ["exec", "--env", "broken", "--", "true"],
        ["exec", "--env", "missing", "--", "true"],
        ["exec", "--env", "odd", "--", "no-such-command"],
        ["render", "--env", "broken"],
        ["get", "--env", "missing", "ABSENT"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(
    "extra",
    [  # what `--verbose --debug` prints contains what is printed without flags
        pytest.param([], marks=pytest.mark.nightly, id=""),
        pytest.param(["--json"], id="json"),
        pytest.param(["--verbose", "--debug"], id="debug"),
    ],
)
def test_no_value_is_printed_by_what_is_not_asked_for_one(
    words: list[str], extra: list[str], outcome: str, tmp_path: Path
) -> None:
    """Only commands that print values show a secret, a key or the external ID, whether they succeed or fail."""
    with StubAws(denies=outcome == "denied") as aws:
        done = Dsops(tmp_path, aws).run(words[0], *extra, *words[1:])
    assert done.returncode in {0, 3, 4, 6, 125, 127}
    for secret in SECRETS:
        assert secret not in done.stdout + done.stderr


UNUSED_CONFIG = """\
secretStores:
  unused: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111122223333:role/Target"}
  unset: {type: aws.sts, region: us-east-1, role_arn: "${ROLE_THAT_NOBODY_SET}"}
  reader: {type: aws.secretsmanager, region: us-east-1, credentials_from: unused}
"""


@pytest.mark.parametrize(("denies", "code"), [(False, 0), (True, 6)])
def test_doctor_tries_stores_that_no_environment_uses(tmp_path: Path, *, denies: bool, code: int) -> None:
    """`doctor` checks stores that no environment uses, and skips a store whose variable is unset."""
    with StubAws(denies=denies) as aws:
        dsops = Dsops(tmp_path, aws)
        (tmp_path / "dsops.yaml").write_text(UNUSED_CONFIG)
        done = dsops.run("doctor", "--json")

    checks = {check["name"]: check["status"] for check in json.loads(done.stdout)["checks"]}
    wanted = ("failed", "skipped") if denies else ("ok", "ok")
    assert (checks["store unused"], checks["store reader"]) == wanted
    assert checks["store unset"] == "skipped"
    assert done.returncode == code


def test_whoami_asks_sts_where_sts_is(dsops: Dsops, aws: StubAws) -> None:
    """`whoami` calls STS at the endpoint of the STS store, not at the secret store's endpoint."""
    with StubServer(lambda _: Answer(status=404)) as elsewhere:
        config = (dsops.folder / "dsops.yaml").read_text()
        line = f"credentials_from: target\n    endpoint_url: {elsewhere.url}\n"
        (dsops.folder / "dsops.yaml").write_text(config.replace("credentials_from: target\n", line))
        done = dsops.run("whoami", "secrets")
    assert (done.returncode, elsewhere.seen) == (0, [])
    assert aws.calls == ["AssumeRole", "GetCallerIdentity"]


def test_doctor_accepts_a_missing_optional_secret(dsops: Dsops) -> None:
    """`doctor` accepts a missing secret with `optional` or `default`."""
    assert dsops.run("exec", "--env", "optional", "--", "true").returncode == 0
    done = dsops.run("doctor", "--env", "optional", "--json")
    details = {check["name"]: check["detail"] for check in json.loads(done.stdout)["checks"]}
    assert (done.returncode, details["store secrets (optional)"]) == (0, "1 secret read")
    assert dsops.run("doctor", "--env", "missing").returncode == 6


def test_doctor_asks_for_a_profile_where_the_profile_is_at_home(dsops: Dsops, aws: StubAws) -> None:
    """`doctor` checks a profile's keys in the profile's region, which can be in another partition than AWS_REGION."""
    folder = Path(dsops.environ["HOME"]) / ".aws"
    folder.mkdir()
    keys = "aws_access_key_id = AKIAOFTHEPROFILE0001\naws_secret_access_key = hush-profile\n"
    (folder / "config").write_text(f"[profile china]\nregion = cn-north-1\n{keys}")
    (dsops.folder / "dsops.yaml").write_text(
        "secretStores: {s: {type: aws.secretsmanager, profile: china}}\nenvs: {e: {A: {from: 's:prod/token'}}}\n"
    )
    assert dsops.run("doctor", "--env", "e", AWS_REGION="us-east-1").returncode == 0
    scopes = {seen.header("Authorization").split("/")[2] for seen in aws.server.seen if seen.method != "GET"}
    assert scopes == {"cn-north-1"}


def test_doctor_looks_at_the_server_that_the_base_credentials_are_sent_to(dsops: Dsops) -> None:
    """`doctor` checks the endpoint in AWS_REGION, not in the region of the default profile, whose keys are unused."""
    folder = Path(dsops.environ["HOME"]) / ".aws"
    folder.mkdir()
    (folder / "config").write_text("[default]\nregion = cn-north-1\n")
    done = dsops.run("doctor", "--env", "plain", "--json", AWS_REGION="eu-west-1")
    assert not [each for each in json.loads(done.stdout)["checks"] if each["name"].startswith("endpoint")]
    done = dsops.run("doctor", "--env", "production", "--json", AWS_REGION="eu-west-1")
    names = [each["name"] for each in json.loads(done.stdout)["checks"] if each["name"].startswith("endpoint")]
    assert names == ["endpoint sts.eu-west-1"]


def test_a_terminal_sees_progress_that_goes_away(tmp_path: Path, aws: StubAws) -> None:
    """A run that takes less than a second shows only the command's output on the terminal.

    The test of a longer wait is in tests/unit/cli/test_screens.py.
    """
    dsops = Dsops(tmp_path, aws)
    dsops.run("get", "--env", "plain", "PLAIN")  # creates the audit trail, whose note would appear later
    environ = [f"{name}={value}" for name, value in dsops.environ.items()] + ["TERM=xterm"]
    program = dsops.command("exec", "--env", "production", "--", "echo", "ran")
    with Terminal(["env", "-C", str(tmp_path), "-i", *environ, *program]) as terminal:
        shown = terminal.expect("ran")
    # A machine that is busy for more than a second shows a line, and erases it.
    assert shown == "ran" or shown.endswith("\r\x1b[Kran")


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\\''") + "'"


def test_home_is_not_needed(tmp_path: Path, aws: StubAws) -> None:
    """Without HOME, a configuration named by `--config` works, but a discovered one cannot be allowed."""
    dsops = Dsops(tmp_path, aws)
    del dsops.environ["HOME"]
    assert dsops.run("exec", "--config", "dsops.yaml", "--env", "production", "--", "true").returncode == 0
