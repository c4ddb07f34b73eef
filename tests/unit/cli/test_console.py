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
    """A federation endpoint; it says what was sent when it refuses, as a careless server would."""

    def __init__(self) -> None:
        self.status = 200
        self.server = StubServer(self._answer)

    def _answer(self, seen: Seen) -> Answer:
        if self.status != 200:
            return Answer(self.status, f"<html>{seen.target}</html>".encode())
        return Answer(body=b'{"SigninToken": "hush/token+="}')

    @property
    def endpoint(self) -> str:
        """Its address."""
        return f"{self.server.url}/federation"

    @property
    def asked(self) -> list[dict[str, str]]:
        """The queries that arrived."""
        queries = [parse_qs(urlsplit(seen.target).query) for seen in self.server.seen]
        return [{key: values[0] for key, values in query.items()} for query in queries]


@pytest.fixture
def signin() -> Iterator[Signin]:
    """One that signs in everybody."""
    signin = Signin()
    with signin.server:
        yield signin


@pytest.fixture
def aws() -> Iterator[StubAws]:
    """STS."""
    with StubAws() as server:
        yield server


@pytest.fixture
def dsops(tmp_path: Path, aws: StubAws, signin: Signin) -> Dsops:
    """The program, with both."""
    program = Dsops(tmp_path, aws)
    program.environ["DSOPS_SIGNIN_ENDPOINT"] = signin.endpoint
    return program


def test_the_link_is_printed_and_what_it_is_is_said(dsops: Dsops, signin: Signin) -> None:
    """The whole session goes to the endpoint; the link has the token, and no part of the session."""
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
    """And a program gets JSON."""
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
def test_what_can_not_be_is_refused_before_any_call(
    dsops: Dsops, aws: StubAws, signin: Signin, words: tuple[str, str]
) -> None:
    """The session would travel unencrypted, or AWS would refuse."""
    done = dsops.run("console", "target", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert aws.calls == []
    assert signin.asked == []


def test_a_session_of_another_sts_is_not_sent_to_aws(dsops: Dsops, aws: StubAws) -> None:
    """The endpoint has to be named then."""
    done = dsops.run("console", "target", DSOPS_SIGNIN_ENDPOINT="")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"--endpoint" in done.stderr
    assert aws.calls == []


def test_a_chained_role_takes_no_duration(dsops: Dsops, signin: Signin) -> None:
    """Without one it is signed in."""
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
    """It is said kindly, and the endpoint does not get the key."""
    path = dsops.folder / "dsops.yaml"
    path.write_text(path.read_text().replace("    credentials_from: target\n", ""))
    done = dsops.run("console", "secrets")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"error[console.refused]" in done.stderr
    assert signin.asked == []


def test_a_no_is_told_without_the_session(dsops: Dsops, signin: Signin) -> None:
    """It is not asked again, and no part of what was sent is shown, --debug or not."""
    signin.status = 400
    done = dsops.run("console", "target", "--debug", "--verbose")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"error[console.refused]" in done.stderr
    assert len(signin.asked) == 1
    for secret in SECRETS:
        assert secret.encode() not in done.stderr
        assert quote(secret, safe="").encode() not in done.stderr


def test_an_endpoint_that_is_down_is_asked_again(dsops: Dsops, signin: Signin) -> None:
    """And in the end the error is one of the service."""
    signin.status = 503
    done = dsops.run("console", "target", "--debug")
    assert (done.returncode, done.stdout) == (5, b"")
    assert len(signin.asked) == 4
    assert quote(SECRETS[0], safe="").encode() not in done.stderr


def test_an_endpoint_that_is_not_there_is_told_as_that(dsops: Dsops) -> None:
    """Not as an address of AWS's services, which other settings name."""
    done = dsops.run("console", "target", DSOPS_SIGNIN_ENDPOINT="http://127.0.0.1:9/federation")
    assert (done.returncode, done.stdout) == (5, b"")
    assert b"the sign-in endpoint: could not reach 127.0.0.1:9" in done.stderr
    assert b"DSOPS_SIGNIN_ENDPOINT" in done.stderr
    assert b"endpoint_url" not in done.stderr


def test_only_the_browser_gets_the_link(dsops: Dsops, signin: Signin) -> None:
    """Nothing is printed; no part of the session is on its command line."""
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
    """The link is not printed where it was not asked for."""
    done = dsops.run("console", "target", "--open", BROWSER="false %s", PATH="")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no browser" in done.stderr
