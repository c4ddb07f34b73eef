"""`dsops` as a real process against servers that refuse, send garbage, redirect, hang up or don't exist.

Every failure gives one message with reason and hint, its exit code, and no command is run.
"""

from __future__ import annotations

import json
import socket
import ssl
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.stubs.authority import Authority, make_authority
from tests.stubs.aws import assume_role_answer, json_answer, json_error, sts_error
from tests.stubs.server import Answer, StubServer
from tests.unit.cli.stub_aws import CONFIG, Dsops, StubAws
from tests.unit.cli.test_failing_json import KEYS

WITHOUT_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
SECONDS = 3.0
"""The store's timeout in seconds, within which requests to a throttling server are retried."""


class Case(NamedTuple):
    """A server's answer, and the expected error."""

    name: str
    answer: Answer
    code: str
    exit_code: int
    words: tuple[str, ...]
    requests: int = 1


def denied(action: str, reason: str = "") -> str:
    """AWS's message for a denial."""
    caller = "arn:aws:sts::111122223333:assumed-role/Target/test"
    return f"User: {caller} is not authorized to perform: {action} on resource: x {reason}".strip()


ANYWHERE = (
    Case("rubbish", Answer(body=b"hush"), "service.answer-invalid", 5, ("an invalid response", "is AWS")),
    Case("another protocol", Answer(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), "service.answer-invalid", 5, ("is not HTTP",)),
    Case("a page of a web server", Answer(404, b"<html>no</html>"), "service.answer-invalid", 5, ("status 404",)),
    Case(
        "a redirect",
        Answer(307, headers=(("Location", "https://evil.example/"),)),
        "service.answer-invalid",
        5,
        ("sent a redirect", "https://evil.example/; dsops sends no credentials there"),
    ),
    Case("hangs up", Answer(raw=b""), "service.unreachable", 5, ("lost the connection", "try again"), 4),
    Case("hangs up in the middle", assume_role_answer()._replace(cut_after=20), "service.unreachable", 5, ("missing",)),
    Case("fails", Answer(500, b"oops"), "service.failed", 5, ("status 500", "try again"), 4),
)
ROLE = (
    *ANYWHERE,
    Case("denied", sts_error("AccessDenied", denied("sts:AssumeRole")), "sts.access-denied", 3, ("trust policy",)),
    Case(
        "an expired session",
        sts_error("ExpiredToken", "The security token included in the request is expired"),
        "credentials.expired",
        3,
        ("AKIA...LE01 has expired", "aws sso login"),
    ),
    Case(
        "an unknown key",
        sts_error("InvalidClientTokenId", "The security token included in the request is invalid."),
        "credentials.invalid",
        3,
        ("does not accept the key AKIA...LE01",),
    ),
    Case(
        "a wrong secret key",
        sts_error("SignatureDoesNotMatch", "The request signature we calculated does not match"),
        "credentials.invalid",
        3,
        ("check the secret access key",),
    ),
    Case(
        "a clock that is wrong and can't be worked around",
        sts_error(
            "SignatureDoesNotMatch",
            "Signature expired: 20161124T120000Z is now earlier than 20161124T124500Z",
            headers=(("Date", "Thu, 24 Nov 2016 12:00:00 GMT"),),
        ),
        "credentials.clock-skewed",
        3,
        ("clock", "set the clock: `"),
        2,
    ),
    Case(
        "a region that is switched off",
        sts_error("RegionDisabledException", "STS is not activated in this region"),
        "sts.region-disabled",
        3,
        ("set another `region`",),
    ),
    Case(
        "too long a session",
        sts_error("ValidationError", "The requested DurationSeconds exceeds the MaxSessionDuration", 400),
        "sts.refused",
        3,
        ("lower `duration_seconds`",),
    ),
    Case(
        "throttled",
        sts_error("Throttling", "Rate exceeded", 400),
        "service.throttled",
        5,
        ("throttled the request",),
        0,
    ),
)
SECRET = (
    *ANYWHERE,
    Case(
        "denied",
        json_error("AccessDeniedException", denied("secretsmanager:GetSecretValue", "because no policy allows it")),
        "secret.access-denied",
        3,
        ("not allowed to read the secret `prod/token`", "to the role Target"),
    ),
    Case(
        "denied the key",
        json_error("AccessDeniedException", "Access to KMS is not allowed"),
        "secret.access-denied",
        3,
        ("kms:Decrypt",),
    ),
    Case(
        "does not exist",
        json_error("ResourceNotFoundException", "Secrets Manager can't find the specified secret."),
        "secret.not-found",
        4,
        (
            "could not read the secret `prod/token`: the secret does not exist",
            "check the secret's name, version and region",
        ),
    ),
    Case(
        "is scheduled for deletion",
        json_error("InvalidRequestException", "You can't perform this operation: it was marked for deletion."),
        "secret.scheduled-for-deletion",
        4,
        ("restore-secret --secret-id prod/token`",),
    ),
    Case("something else", json_answer({"hush": "hush"}), "service.answer-invalid", 5, ("an invalid response",)),
    Case(
        "throttled",
        json_error("ThrottlingException", "Rate exceeded"),
        "service.throttled",
        5,
        ("throttled the request",),
        0,
    ),
)


@pytest.fixture
def dsops(tmp_path: Path) -> Dsops:
    """The program with a short `timeout_ms`."""
    program = Dsops(tmp_path)
    limited = CONFIG.replace("    region:", f"    timeout_ms: {int(SECONDS * 1000)}\n    region:")
    (tmp_path / "dsops.yaml").write_text(limited)
    return program


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that signs the servers' certificates."""
    return make_authority(tmp_path_factory.mktemp("authority"))


def told(dsops: Dsops, **environ: str) -> str:
    """Run an `exec` that must fail; check its exit code, its JSON and that no command ran; return the error text."""
    started = time.monotonic()
    done = dsops.run("exec", "--env", "production", "--", "touch", "ran", **environ)
    assert time.monotonic() - started < SECONDS + 30  # includes the start of an interpreter on a busy machine
    text = without_notes(done.stderr.decode())
    assert (done.returncode, done.stdout) == (125, b"")
    assert not (dsops.folder / "ran").exists()
    assert "hush" not in text
    assert "Traceback" not in text
    assert text.startswith("dsops: error[")
    assert "\n  hint: " in text
    return text


def without_notes(text: str) -> str:
    """The text without notes, such as the note about a wrong clock."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("dsops: note: "))


def code_of(dsops: Dsops, **environ: str) -> tuple[str, int]:
    """The error code and exit code of the same failure from `get --json`."""
    done = dsops.run("get", "--json", "--env", "production", "TOKEN", **environ)
    error = json.loads(without_notes(done.stderr.decode()))
    assert (done.stdout, error["exit_code"]) == (b"", done.returncode)
    assert set(error["error"]) == KEYS
    return error["error"]["code"], done.returncode


@pytest.mark.parametrize("case", ROLE, ids=lambda case: case.name)
def test_bad_answers_to_assume_role(dsops: Dsops, case: Case) -> None:
    """A bad response to AssumeRole causes an error that names the store and its line."""
    with StubServer(lambda _seen: case.answer) as server:
        text = told(dsops, AWS_ENDPOINT_URL=server.url)
        assert case.requests in (0, len(server.seen))
        assert code_of(dsops, AWS_ENDPOINT_URL=server.url) == (case.code, case.exit_code)
    assert text.startswith(f"dsops: error[{case.code}]: store `target`")
    assert "(for TOKEN)" in text
    assert "dsops.yaml:3" in text
    assert [word for word in case.words if word not in text] == [], text


@pytest.mark.parametrize("case", SECRET, ids=lambda case: case.name)
def test_bad_answers_to_get_secret_value(dsops: Dsops, case: Case) -> None:
    """A bad response to GetSecretValue causes an error that names the variable and its line."""
    with StubAws() as aws, StubServer(lambda _seen: case.answer) as server:
        environ = {"AWS_ENDPOINT_URL": aws.server.url, "AWS_ENDPOINT_URL_SECRETS_MANAGER": server.url}
        text = told(dsops, **environ)
        assert case.requests in (0, len(server.seen))
        assert code_of(dsops, **environ) == (case.code, case.exit_code)
    assert text.startswith(f"dsops: error[{case.code}]: ")
    assert "(for TOKEN)" in text
    assert "at: dsops.yaml:17" in text
    assert [word for word in case.words if word not in text] == [], text


@pytest.mark.parametrize("case", ANYWHERE, ids=lambda case: case.name)
def test_urllib3_gives_the_same_errors(dsops: Dsops, case: Case) -> None:
    """The urllib3 transport gives the same errors as pycurl."""
    with StubServer(lambda _seen: case.answer) as server:
        text = told(dsops, AWS_ENDPOINT_URL=server.url, DSOPS_TRANSPORT="urllib3")
    assert text.startswith(f"dsops: error[{case.code}]: store `target`")
    assert "SSH" not in text


def test_a_refused_connection_is_reported(dsops: Dsops) -> None:
    """A refused connection is reported with the hint that the sandbox may not be running."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    text = told(dsops, AWS_ENDPOINT_URL=url)
    assert "could not reach 127.0.0.1" in text
    assert "why: connection refused\n" in text
    assert "does a sandbox run there (`dsops sandbox serve`)?" in text
    assert code_of(dsops, AWS_ENDPOINT_URL=url) == ("service.unreachable", 5)


def test_a_server_that_never_answers_is_reported(dsops: Dsops) -> None:
    """A server that never answers is reported after the store's `timeout_ms`."""
    with StubServer(lambda _seen: Answer(is_silent=True)) as server:
        text = told(dsops, AWS_ENDPOINT_URL=server.url)
    assert f"within {SECONDS:.0f} s" in text
    assert "`timeout_ms`" in text


@pytest.mark.parametrize("transport", ["pycurl", "urllib3"])
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unknown", "name its CA certificates with AWS_CA_BUNDLE"),
        ("another name", "the certificate is for another name"),
        ("expired", "the server's operator has to renew the certificate"),
        ("no certificates", "holds no certificates"),
        ("no such file", "AWS_CA_BUNDLE is set to"),
    ],
)
def test_a_certificate_that_can_not_be_trusted(
    dsops: Dsops, authority: Authority, tmp_path: Path, fault: str, words: str, transport: str
) -> None:
    """An untrusted certificate stops the request; the hint depends on what is wrong with it."""
    tls: dict[str, ssl.SSLContext] = {
        "another name": authority.server("sts.example.com"),
        "expired": authority.server(expired=True),
    }
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    bundles = {"unknown": "", "no certificates": str(rubbish), "no such file": str(tmp_path / "nowhere.pem")}
    with StubServer(lambda _seen: assume_role_answer(), tls=tls.get(fault, authority.server())) as server:
        bundle = bundles.get(fault, str(authority.bundle))
        text = told(dsops, AWS_ENDPOINT_URL=server.url, AWS_CA_BUNDLE=bundle, DSOPS_TRANSPORT=transport)
        assert words in text
        assert server.seen == []


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"AWS_ENDPOINT_URL": "localhost:4566"}, ("AWS_ENDPOINT_URL is not an address", "write http://localhost:4566")),
        ({"AWS_ENDPOINT_URL": "http://sts.example.com"}, ("would send credentials unencrypted", "write https://sts")),
        ({"HTTPS_PROXY": "nonsense://x"}, ("HTTPS_PROXY is not a valid proxy", "write http://")),
        ({"AWS_SECRET_ACCESS_KEY": ""}, ("AWS_SECRET_ACCESS_KEY is not", "unset AWS_ACCESS_KEY_ID")),
        ({"AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"}, ("expired at 2020-01-01", "get new keys")),
        (WITHOUT_KEYS, ("no AWS credentials were found", "dsops sandbox run")),
        ({**WITHOUT_KEYS, "AWS_PROFILE": "prd"}, ("there is no profile `prd`", "correct AWS_PROFILE")),
    ],
)
def test_an_environment_that_can_not_be_used(dsops: Dsops, environ: dict[str, str], words: tuple[str, ...]) -> None:
    """An unusable environment variable is reported once, however many stores use it."""
    text = told(dsops, **environ)
    assert [word for word in words if word not in text] == [], text
    assert text.count("error[") == 1
