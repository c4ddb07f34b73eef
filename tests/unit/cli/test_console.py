"""`dsops console` as a real process, with STS and a federation endpoint on loopback."""

from __future__ import annotations

import ast
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from dsops.aws.apis.console_services import SERVICES, service_page
from dsops.stores.browser import BrowserChoice, browser_command
from dsops.stores.loopback import uid_of_client
from tests.children import Child
from tests.fakes import make_runtime
from tests.stubs.server import Answer, Seen, StubServer
from tests.terminal import PATIENCE_SECONDS
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
    """`console` sends the session to the endpoint and prints a link that has the sign-in token but not the session."""
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


def test_for_another_sts_the_hint_names_the_sandboxs_endpoint(dsops: Dsops, aws: StubAws, signin: Signin) -> None:
    """A session from an STS other than AWS's is not sent to AWS; the hint has the flag for a sandbox."""
    done = dsops.run("console", "target", DSOPS_SIGNIN_ENDPOINT="")
    assert (done.returncode, done.stdout, aws.calls, signin.asked) == (2, b"", [], [])
    assert f"`--endpoint {aws.server.url}/_sandbox/federation`".encode() in done.stderr


def test_a_page_and_a_duration_can_be_named(dsops: Dsops, signin: Signin) -> None:
    """`--destination` and `--duration` are sent to the endpoint, and `--json` prints JSON."""
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
    """For a chained role `--duration` is refused; without the flag the link is printed."""
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
    """A long-term key is refused and not sent to the endpoint."""
    path = dsops.folder / "dsops.yaml"
    path.write_text(path.read_text().replace("    credentials_from: target\n", ""))
    done = dsops.run("console", "secrets")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"error[console.refused]" in done.stderr
    assert signin.asked == []


def test_a_refusal_does_not_show_the_session(dsops: Dsops, signin: Signin) -> None:
    """A refused sign-in is not retried, and no part of the request is shown, even with --debug."""
    signin.status = 400
    done = dsops.run("console", "target", "--debug", "--verbose")
    assert (done.returncode, done.stdout) == (3, b"")
    assert b"error[console.refused]" in done.stderr
    assert len(signin.asked) == 1
    for secret in SECRETS:
        assert secret.encode() not in done.stderr
        assert quote(secret, safe="").encode() not in done.stderr


def test_an_endpoint_that_is_down_is_asked_again(dsops: Dsops, signin: Signin) -> None:
    """A request to an unavailable endpoint is retried and finally fails as a service error."""
    signin.status = 503
    done = dsops.run("console", "target", "--debug")
    assert (done.returncode, done.stdout) == (5, b"")
    assert len(signin.asked) == 4
    assert quote(SECRETS[0], safe="").encode() not in done.stderr


def test_an_endpoint_that_is_not_there_is_told_as_that(dsops: Dsops) -> None:
    """If the sign-in endpoint is unreachable, the error names it, and the hint is DSOPS_SIGNIN_ENDPOINT."""
    done = dsops.run("console", "target", DSOPS_SIGNIN_ENDPOINT="http://127.0.0.1:9/federation")
    assert (done.returncode, done.stdout) == (5, b"")
    assert b"the sign-in endpoint: could not reach 127.0.0.1:9" in done.stderr
    assert b"DSOPS_SIGNIN_ENDPOINT" in done.stderr
    assert b"endpoint_url" not in done.stderr


BROWSER = """
import sys, urllib.error, urllib.parse, urllib.request
class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None
open("{folder}/argv", "a").write(repr(sys.argv) + "\\n")
address = sys.argv[-1]
if address.startswith("ext+container:"):
    address = urllib.parse.parse_qs(address.partition(":")[2])["url"][0]
opener = urllib.request.build_opener(Stay)
wrong = address[:-1] + ("a" if address[-1] != "a" else "b")
for each, headers in ((wrong, {{}}), (address, {{"Host": "attacker.example"}}), (address, {{}}), (address, {{}})):
    try:
        opener.open(urllib.request.Request(each, headers=headers))
    except urllib.error.HTTPError as answer:
        open("{folder}/answers", "a").write(f"{{answer.code}} {{answer.headers.get('Location', '')}}\\n")
    except OSError:
        open("{folder}/answers", "a").write("nobody there\\n")
"""


@pytest.fixture
def browsers(dsops: Dsops) -> Path:
    """A folder on the PATH with programs that act as browsers; they write down arguments and answers."""
    folder = dsops.folder / "browsers"
    folder.mkdir()
    for name in ("firefox", "google-chrome", "other"):
        (folder / name).write_text(f"#!{sys.executable}\n{BROWSER.format(folder=folder)}")
        (folder / name).chmod(0o755)
    dsops.environ |= {"PATH": f"{folder}:{dsops.environ['PATH']}", "HOME": str(dsops.folder)}
    return folder


def argv_of(browsers: Path) -> list[str]:
    """Return the command line of the browser that ran."""
    words: list[str] = ast.literal_eval((browsers / "argv").read_text())
    return words


def wait_for_answers(browsers: Path, count: int) -> list[str]:
    """Return the answers to the browser's requests; the browser may still run when dsops has ended."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        answers = (browsers / "answers").read_text().splitlines()
        if len(answers) == count:
            return answers
        time.sleep(0.01)
    raise AssertionError("the browser does not end")


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (("--open",), "other"),
        (("--open", "--browser", "chrome"), "google-chrome"),
        (("--container",), "firefox"),
        (("--container", "--browser", "chrome"), "google-chrome"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else value,
)
def test_only_the_browser_gets_the_link(
    dsops: Dsops, signin: Signin, browsers: Path, words: tuple[str, ...], program: str
) -> None:
    """The link is neither printed nor an argument: dsops redirects one request with the right token and host to it."""
    done = dsops.run("console", "target", *words, BROWSER=f"{browsers}/other %s")
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    argv = argv_of(browsers)
    assert Path(argv[0]).name == program
    assert not any(secret in " ".join(argv) for secret in (*SECRETS, "hush", "SigninToken"))
    answers = wait_for_answers(browsers, 4)
    assert answers[:2] == ["400 ", "400 "]
    assert answers[2].startswith(f"302 {signin.endpoint}?Action=login&")
    assert answers[3] == "nobody there"


def test_a_container_has_the_name_of_the_store(dsops: Dsops, browsers: Path) -> None:
    """Firefox gets the address of the container add-on; a store with `danger: true` has a red container."""
    config = dsops.folder / "dsops.yaml"
    config.write_text(config.read_text().replace("  target:\n", "  target:\n    danger: true\n", 1))
    done = dsops.run("console", "target", "--container", "--browser", "firefox")
    assert done.returncode == 0, done.stderr
    scheme, _, query = argv_of(browsers)[-1].partition(":")
    values = parse_qs(query)
    assert (scheme, values["name"], values["color"]) == ("ext+container", ["target"], ["red"])
    assert values["url"][0].startswith("http://127.0.0.1:")


@pytest.mark.parametrize("name", ["target", "../../up", "ä b&c", "target-", "-"])
def test_each_store_has_a_chrome_profile_of_its_own(name: str, tmp_path: Path) -> None:
    """Each store has its own Chrome profile, in a folder below XDG_STATE_HOME that only the user can read."""
    program = tmp_path / "google-chrome"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    environ = {"PATH": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")}
    runtime = make_runtime(environ)
    command = browser_command(BrowserChoice("chrome", name), runtime)
    other = browser_command(BrowserChoice("chrome", name + "'"), runtime)
    folder = Path(command[1].removeprefix("--user-data-dir="))
    assert folder.parent == tmp_path / "state/dsops/chrome"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert command != other


def test_a_browser_that_is_missing_is_named(dsops: Dsops, aws: StubAws) -> None:
    """If the browser is missing, the error says so before any call, and names the flag that prints the link."""
    done = dsops.run("console", "target", "--container", PATH="/nonexistent")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"firefox and chrome can't be found" in done.stderr
    assert b"--url" in done.stderr
    assert aws.calls == []


@pytest.mark.parametrize("variable", ["DSOPS_OPEN", "DSOPS_CONSOLE_CONTAINER"])
def test_url_prints_the_link_nevertheless(dsops: Dsops, browsers: Path, variable: str) -> None:
    """`--url` prints the link even if environment variables would open a browser."""
    done = dsops.run("console", "target", "--url", **{variable: "1"})
    assert done.stdout.startswith(b"http://127.0.0.1:")
    assert not (browsers / "argv").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-s", "iam"), "https://us-east-1.console.aws.amazon.com/iam/home?region=us-east-1"),
        (
            ("--service", "cloudwatch-logs"),
            "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#logsV2:log-groups",
        ),
        (("-s", "ecr"), "https://us-east-1.console.aws.amazon.com/ecr/repositories?region=us-east-1"),
    ],
    ids=str,
)
def test_a_service_has_its_page(dsops: Dsops, words: tuple[str, ...], expected: str) -> None:
    """`--service` opens the service's page in the store's region."""
    done = dsops.run("console", "target", *words, "--json")
    assert parse_qs(urlsplit(json.loads(done.stdout)["url"]).query)["Destination"] == [expected]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_a_page_in_every_partition(name: str) -> None:
    """Each name and abbreviation of a service leads to a page on the partition's own host."""
    home = "https://cn-north-1.console.amazonaws.cn/console/home?region=cn-north-1"
    page = service_page(home, name)
    assert page.startswith("https://cn-north-1.console.amazonaws.cn/")
    assert "?region=cn-north-1" in page
    assert "/console/home" not in page


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-s", "iamm"), b"did you mean `iam`?"),
        (("-s", "dynamo"), b"did you mean `dynamodb`?"),
        (("-s", "zzzzzzzzzz"), b"`--destination` takes any page"),
        (("-s", "iam", "--destination", "https://console.aws.amazon.com/"), b"leave out one of the two"),
    ],
    ids=str,
)
def test_an_unknown_service_makes_no_call(dsops: Dsops, aws: StubAws, words: tuple[str, ...], expected: bytes) -> None:
    """A misspelled service is an error with a suggestion, raised before any call."""
    done = dsops.run("console", "target", *words)
    assert (done.returncode, done.stdout) == (2, b"")
    assert expected in done.stderr
    assert aws.calls == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux names the user of a connection")
def test_the_user_of_a_connection_is_known() -> None:
    """The uid of a loopback connection is that of the client's process, or None without such a connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert uid_of_client(client.getsockname()[1], port) == os.getuid()
        assert uid_of_client(1, port) is None


_MAPPED_CLIENT = """
import socket, sys
client = socket.socket(socket.AF_INET6)
client.connect(("::ffff:127.0.0.1", int(sys.argv[1])))
print(client.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux names the user of a connection")
def test_the_user_of_an_ipv6_socket_is_known() -> None:
    """The user behind an IPv6 connection is determined, although Linux lists such connections in another file."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        words = [sys.executable, "-c", _MAPPED_CLIENT, str(port)]
        with Child(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            assert client.stdout is not None
            line = client.stdout.readline()
            if not line:
                pytest.skip("this machine has no IPv6")
            assert uid_of_client(int(line), port) == os.getuid()
            client.kill()


def test_without_a_browser_it_says_so(dsops: Dsops) -> None:
    """If no browser is found, `--open` is an error and the link is not printed."""
    done = dsops.run("console", "target", "--open", BROWSER="false %s", PATH="")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"no browser" in done.stderr
