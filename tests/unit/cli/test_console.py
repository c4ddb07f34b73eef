"""`dsops console` as a real process, with STS and a federation endpoint on loopback."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.cli.stub_aws import Dsops, StubAws

SECRETS = ("se/cret+of+the+session", "token/of+the/session==")
PAGE = "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1"


class Signin:
    """A stub federation endpoint whose error messages repeat the request, as a careless server's would."""

    def __init__(self) -> None:
        self.status = 200
        self.server = StubServer(self._answer)

    def _answer(self, seen: Seen) -> Answer:
        if self.status != 200:
            return Answer(self.status, f"<html>{seen.target}</html>".encode())
        return Answer(body=b'{"SigninToken": "hush/token+="}')

    @property
    def endpoint(self) -> str:
        """The URL of the endpoint."""
        return f"{self.server.url}/federation"

    @property
    def asked(self) -> list[dict[str, str]]:
        """The query parameters of each request."""
        queries = [parse_qs(urlsplit(seen.target).query) for seen in self.server.seen]
        return [{key: values[0] for key, values in query.items()} for query in queries]


@pytest.fixture
def signin() -> Iterator[Signin]:
    """A federation endpoint that accepts every session."""
    signin = Signin()
    with signin.server:
        yield signin


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """A stub of STS."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws, signin: Signin) -> Dsops:
    """The program, configured for both stubs."""
    program = Dsops(tmp_path, aws)
    program.environ["DSOPS_SIGNIN_ENDPOINT"] = signin.endpoint
    return program


def test_the_link_is_printed_and_what_it_is_is_said(dsops: Dsops, signin: Signin) -> None:
    """`console` sends the session to the endpoint, and prints a link with the sign-in token but no session."""
    done = dsops.run("console", "target")
    link = f"{signin.endpoint}?Action=login&Destination={quote(PAGE, safe='')}&SigninToken=hush%2Ftoken%2B%3D\n"
    assert (done.returncode, done.stdout.decode()) == (0, link)
    assert b"signs in anyone who has it" in done.stderr
    (asked,) = signin.asked
    assert set(asked) == {"Action", "Session"}
    assert json.loads(asked["Session"]) == {
        "sessionId": "ASIAEXAMPLEEXAMPLE01",
        "sessionKey": SECRETS[0],
        "sessionToken": SECRETS[1],
    }


def test_a_page_and_a_duration_can_be_named(dsops: Dsops, signin: Signin) -> None:
    """`--destination` and `--duration` are sent, and `--json` prints JSON."""
    page = "https://console.aws.amazon.com/s3/home"
    done = dsops.run("console", "target", "--destination", page, "--duration", "43200", "--json")
    value = json.loads(done.stdout)
    assert parse_qs(urlsplit(value["url"]).query)["Destination"] == [page]
    assert value["valid_seconds"] == 900
    assert signin.asked[0]["SessionDuration"] == "43200"


@pytest.mark.parametrize(
    "words",
    [
        ("--duration", "899"),
        ("--duration", "43201"),
        ("--destination", "http://console.aws.amazon.com/"),
        ("--destination", "https://a b"),
        ("--endpoint", "http://signin.example.com/federation"),
        ("--endpoint", "signin.example.com"),
    ],
    ids=" ".join,
)
def test_an_unusable_endpoint_or_value_makes_no_call(
    dsops: Dsops, aws: StubAws, signin: Signin, words: tuple[str, str]
) -> None:
    """An endpoint without TLS, or a value that AWS would refuse, is an error before any call."""
    done = dsops.run("console", "target", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert aws.calls == []
    assert signin.asked == []


def test_a_session_of_another_sts_is_not_sent_to_aws(dsops: Dsops, aws: StubAws) -> None:
    """A session from a custom STS endpoint is not sent to AWS's sign-in page; `--endpoint` is required."""
    done = dsops.run("console", "target", DSOPS_SIGNIN_ENDPOINT="")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--endpoint" in done.stderr
    assert aws.calls == []


def test_a_chained_role_takes_no_duration(dsops: Dsops, signin: Signin) -> None:
    """A chained role with `--duration` is refused; without it the link is printed."""
    path = dsops.folder / "dsops.yaml"
    role = "role_arn: 'arn:aws:iam::111122223333:role/Next'"
    chained = f"  chained: {{type: aws.sts, region: us-east-1, {role}, credentials_from: target}}\n"
    path.write_text(path.read_text().replace("envs:\n", f"{chained}envs:\n"))
    done = dsops.run("console", "chained", "--duration", "3600")
    assert done.returncode == 2
    assert b"another role's session" in done.stderr
    assert dsops.run("console", "chained").returncode == 0
    assert "SessionDuration" not in signin.asked[0]


def test_a_long_term_key_opens_no_console(dsops: Dsops, signin: Signin) -> None:
    """A long-term key is refused, and not sent to the endpoint."""
    path = dsops.folder / "dsops.yaml"
    path.write_text(path.read_text().replace("    credentials_from: target\n", ""))
    done = dsops.run("console", "secrets")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"error[console.refused]" in done.stderr
    assert signin.asked == []


def test_a_refusal_does_not_show_the_session(dsops: Dsops, signin: Signin) -> None:
    """A refusal is not retried, and no part of the request is shown, even with --debug."""
    signin.status = 400
    done = dsops.run("console", "target", "--debug", "--verbose")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"error[console.refused]" in done.stderr
    assert len(signin.asked) == 1
    for secret in SECRETS:
        assert secret.encode() not in done.stderr
        assert quote(secret, safe="").encode() not in done.stderr


def test_an_endpoint_that_is_down_is_asked_again(dsops: Dsops, signin: Signin) -> None:
    """A request to an unavailable endpoint is retried, and finally fails as a service error."""
    signin.status = 503
    done = dsops.run("console", "target", "--debug")
    assert (done.returncode, done.stdout) == (5, b"")
    assert len(signin.asked) == 4
    assert quote(SECRETS[0], safe="").encode() not in done.stderr


def test_an_endpoint_that_is_not_there_is_told_as_that(dsops: Dsops) -> None:
    """The error for an unreachable sign-in endpoint says so, and its hint names DSOPS_SIGNIN_ENDPOINT."""
    done = dsops.run("console", "target", DSOPS_SIGNIN_ENDPOINT="http://127.0.0.1:9/federation")
    assert (done.returncode, done.stdout) == (5, b"")
    assert b"the sign-in endpoint: could not reach 127.0.0.1:9" in done.stderr
    assert b"DSOPS_SIGNIN_ENDPOINT" in done.stderr
    assert b"endpoint_url" not in done.stderr


def test_only_the_browser_gets_the_link(dsops: Dsops, signin: Signin) -> None:
    """With `--open` nothing is printed, and the browser's command line contains no part of the session."""
    browser = dsops.folder / "browser"
    script = f'import sys\nopen("{dsops.folder}/opened", "w").write(" ".join(sys.argv[1:]))\n'
    browser.write_text(f"#!{sys.executable}\n{script}")
    browser.chmod(0o700)
    done = dsops.run("console", "target", "--open", BROWSER=f"{browser} %s")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    opened = (dsops.folder / "opened").read_text()
    assert opened.startswith(f"{signin.endpoint}?Action=login&")
    assert not any(secret in opened for secret in SECRETS)


def test_without_a_browser_it_says_so(dsops: Dsops) -> None:
    """Without a browser `--open` is an error, and the link is not printed."""
    done = dsops.run("console", "target", "--open", BROWSER="false %s", PATH="")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no browser" in done.stderr
