"""The connection to a Trino cluster: addresses, credentials, and servers that do not answer as Trino does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsops.audit.cloudtrail.question import QuestionOptions
from dsops.audit.cloudtrail.questions import FAILURES, HISTORY
from dsops.audit.cloudtrail.trino import TrinoProgress, TrustAndProxy, open_trino
from dsops.audit.cloudtrail.trino_address import TrinoAddress, TrinoCredentials, parse_trino_address, trino_credentials
from dsops.audit.cloudtrail.trino_network import network_of
from dsops.audit.cloudtrail.trino_report import report_in_trino
from dsops.endpoint import Address
from dsops.errors import (
    AnswerInvalid,
    ConfigError,
    DsopsError,
    QueryCancelled,
    QueryFailed,
    Unreachable,
    UsageError,
    VariableInvalid,
)
from dsops.secret import Secret
from tests.stubs.authority import Authority, make_authority
from tests.stubs.server import Answer, Seen, StubServer

PLAIN = "trino+http://ada@127.0.0.1:8080/hive/default"


@pytest.mark.parametrize(
    ("text", "server", "names"),
    [
        ("trino://ada@t.example.com/hive/logs", ("https", "t.example.com", 443), ("ada", "hive", "logs")),
        ("trino://ada@t.example.com:8443/hive/logs", ("https", "t.example.com", 8443), ("ada", "hive", "logs")),
        (PLAIN, ("http", "127.0.0.1", 8080), ("ada", "hive", "default")),
        ("trino+http://ada@[::1]/hive/a%20b", ("http", "::1", 8080), None),
        ("trino://ada%40example.com@[::1]:9/h/d", ("https", "::1", 9), ("ada@example.com", "h", "d")),
    ],
)
def test_an_address_names_server_user_catalog_and_schema(
    text: str, server: tuple[str, str, int], names: tuple[str, str, str] | None
) -> None:
    """The scheme decides about TLS and the default port; escaped characters are decoded, but not blanks."""
    if names is None:
        with pytest.raises(UsageError):
            parse_trino_address(text)
    else:
        assert parse_trino_address(text) == TrinoAddress(Address(*server, ""), *names)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://ada@h/c/s",
        "trino://h/c/s",
        "trino://ada@h",
        "trino://ada@h/c",
        "trino://ada@h/c/s/t",
        "trino://ada@/c/s",
        "trino://ada@h:99999/c/s",
        "trino://ada@h/c/s?x=1#",
        "trino://a%0d%0aX-Trino-User:root@h/c/s",
        "trino://@h/c/s",
    ],
)
def test_another_address_is_refused(text: str) -> None:
    """A text of another form is refused with the right form; a question mark may only be in a name."""
    if "?" in text:
        assert parse_trino_address(text).schema == "s?x=1#"
        return
    with pytest.raises(UsageError) as raised:
        parse_trino_address(text)
    assert "trino://USER@HOST:PORT/CATALOG/SCHEMA" in raised.value.hint


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    """The error names the variable for the password, and does not contain the password."""
    with pytest.raises(UsageError) as raised:
        parse_trino_address("trino://ada:hush-hush@h/c/s")
    assert "TRINO_PASSWORD" in raised.value.hint
    assert "hush" not in f"{raised.value}{raised.value.why}{raised.value.hint}"


def test_credentials_come_from_variables_and_are_not_shown() -> None:
    """The repr of the credentials has neither password nor token."""
    address = parse_trino_address("trino://ada@h/c/s")
    found = trino_credentials({"TRINO_PASSWORD": "hush-1", "TRINO_CLIENT_KEY": ""}, address)
    assert found == TrinoCredentials(password=Secret("hush-1"))
    assert "hush" not in repr((found, trino_credentials({"TRINO_ACCESS_TOKEN": "hush-2"}, address)))
    assert (found.variable, TrinoCredentials().variable) == ("TRINO_PASSWORD", "")


@pytest.mark.parametrize("name", ["TRINO_PASSWORD", "TRINO_ACCESS_TOKEN"])
def test_credentials_are_not_sent_without_tls(name: str) -> None:
    """Without TLS, credentials are refused, also to this machine."""
    with pytest.raises(UsageError) as raised:
        trino_credentials({name: "hush"}, parse_trino_address(PLAIN))
    assert raised.value.message == f"the credentials in {name} can't be sent to Trino without TLS"
    assert trino_credentials({}, parse_trino_address(PLAIN)) == TrinoCredentials()


@pytest.mark.parametrize(
    "environ",
    [
        {"TRINO_PASSWORD": "a", "TRINO_ACCESS_TOKEN": "b"},
        {"TRINO_CLIENT_CERTIFICATE": "a.pem"},
        {"TRINO_CLIENT_KEY": "a.pem"},
    ],
)
def test_variables_that_do_not_fit_together_are_refused(environ: dict[str, str]) -> None:
    """A password and a token, or a certificate without its key, are an error that names the variables."""
    with pytest.raises(ConfigError) as raised:
        trino_credentials(environ, parse_trino_address("trino://ada@h/c/s"))
    assert next(iter(environ)) in f"{raised.value.message} {raised.value.hint}"


def test_a_missing_certificate_is_told_before_anything_is_sent() -> None:
    """A path of a certificate that is no file is an error that names the variable."""
    credentials = TrinoCredentials(certificate="/nothing/here.pem", key="/nothing/here.pem")
    with (
        pytest.raises(VariableInvalid, match=r"TRINO_CLIENT_CERTIFICATE is set to /nothing/here\.pem"),
        open_trino(parse_trino_address("trino://ada@h/c/s"), credentials, TrustAndProxy(), "t"),
    ):
        pass


def test_the_network_is_that_of_all_of_dsops(tmp_path: Path) -> None:
    """Certificates and proxy come from the same variables as for AWS; a proxy's password is not shown."""
    (tmp_path / "ca.pem").write_text("x")
    environ = {"SSL_CERT_FILE": "ca.pem", "HTTPS_PROXY": "http://me:hush%21@proxy:3128"}
    address = parse_trino_address("trino://ada@h/c/s")

    network = network_of(address, environ, str(tmp_path))

    assert network == TrustAndProxy(str(tmp_path / "ca.pem"), Secret("http://me:hush%21@proxy:3128"))
    assert "hush" not in repr(network)
    assert network_of(address, {**environ, "NO_PROXY": "h"}, str(tmp_path)).proxy is None


def failure_of(
    server: StubServer, *, scheme: str = "trino+http", credentials: TrinoCredentials | None = None, trust: str = ""
) -> DsopsError:
    """The error of a query that this server answers."""
    address = parse_trino_address(f"{scheme}://ada@{server.url.partition('://')[2]}/hive/default")
    opened = open_trino(address, credentials or TrinoCredentials(), TrustAndProxy(trust), "logs")
    with opened as cluster, pytest.raises(DsopsError) as raised:
        cluster.run("SELECT 1 AS x", ("x",))
    return raised.value


def page(**more: object) -> Answer:
    """An answer of Trino."""
    stats = {"state": "RUNNING", "processedRows": 5, "physicalInputBytes": 7, "progressPercentage": 12.5}
    value = {"id": "20261101_1", "infoUri": "http://x", "stats": stats, **more}
    return Answer(200, json.dumps(value).encode())


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>hello</html>"),
        Answer(200, b"[1, 2]"),
        Answer(404, b"no such page"),
        page(columns=[{"name": "x"}], data=[[1]]),
    ],
    ids=["html", "list", "not found", "no types"],
)
def test_a_server_that_is_not_trino_is_told(answer: Answer) -> None:
    """Anything but Trino's protocol is an invalid answer, with a hint about the address."""
    with StubServer(lambda _: answer) as server:
        found = failure_of(server)
    assert isinstance(found, AnswerInvalid)
    assert "--engine" in found.hint


def test_rows_of_another_width_are_refused() -> None:
    """A row with more cells than the query has columns is an invalid answer."""
    types = [{"name": name, "type": "integer", "typeSignature": {"rawType": "integer"}} for name in "xy"]
    with StubServer(lambda _: page(columns=types, data=[[1, 2]])) as server:
        assert isinstance(failure_of(server), AnswerInvalid)


def test_a_closed_port_is_told_with_the_systems_reason() -> None:
    """Where nothing listens, the error has the address and the system's reason."""
    with StubServer(lambda _: Answer()) as server:
        pass
    found = failure_of(server)
    assert isinstance(found, Unreachable)
    assert (found.message.partition(" at ")[0], found.why) == ("no connection to Trino", "connection refused")


def test_a_query_that_an_administrator_stopped_is_told() -> None:
    """Trino's error for a stopped query has its id and Trino's words."""
    error = {"errorType": "USER_ERROR", "errorName": "ADMINISTRATIVELY_KILLED", "message": "Query killed.\nMessage: no"}
    with StubServer(lambda _: page(error={**error, "errorCode": 1})) as server:
        found = failure_of(server)
    assert isinstance(found, QueryCancelled)
    assert (found.message, found.why) == ("query 20261101_1 was cancelled in Trino", "Query killed. Message: no")


def test_a_record_of_another_version_of_ocsf_is_told() -> None:
    """The error of the cast in the statement has the version; it does not say that columns are missing."""
    text = "Cannot cast 'this record is not OCSF 1.1 or a later 1.x, but 2.0.0' to BIGINT"
    error = {"errorType": "USER_ERROR", "errorName": "INVALID_CAST_ARGUMENT", "message": text, "errorCode": 1}
    with StubServer(lambda _: page(error=error)) as server:
        found = failure_of(server)
    assert isinstance(found, QueryFailed)
    assert (found.message, found.why) == ("table logs has records of another version of OCSF", text)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A signer of certificates."""
    return make_authority(tmp_path)


def test_with_tls_no_request_goes_without(authority: Authority) -> None:
    """If the cluster names an address without TLS for the next request, the password is not sent there."""
    seen: list[Seen] = []

    def listen(request: Seen) -> Answer:
        seen.append(request)
        return page()

    with (
        StubServer(listen) as plain,
        StubServer(lambda _: page(nextUri=f"{plain.url}/v1/next"), tls=authority.server()) as server,
    ):
        credentials = TrinoCredentials(password=Secret("hush"))
        found = failure_of(server, scheme="trino", credentials=credentials, trust=str(authority.bundle))
    assert isinstance(found, AnswerInvalid)
    assert "sent an address without TLS" in found.message
    assert seen == []


def test_a_netrc_file_is_not_read(home: Path) -> None:
    """The user's ~/.netrc does not add credentials to requests."""
    (home / ".netrc").write_text("machine 127.0.0.1 login ada password hush\n")
    with StubServer(lambda _: Answer(404)) as server:
        failure_of(server)
        headers = dict(server.seen[0].headers)
    assert "Authorization" not in headers
    assert (headers["X-Trino-User"], headers["X-Trino-Source"]) == ("ada", "dsops")


def test_progress_counts_stages_rows_and_bytes() -> None:
    """Each step of a report has the question, its number, and what the cluster has read."""
    types = [{"name": name, "type": "integer", "typeSignature": {"rawType": "integer"}} for name in "xyzuv"]
    stages = {"state": "RUNNING", "subStages": [{"state": "FINISHED", "subStages": []}]}
    stats = {"state": "RUNNING", "rootStage": stages, "processedRows": 5, "physicalInputBytes": 7}
    steps: list[tuple[str, int, int, TrinoProgress]] = []
    answers = iter(
        [
            page(stats=stats, nextUri="/again", columns=types[:5]),
            Answer(200, page(stats=stats, columns=types, data=[[1, 2, 3, 4, 5]]).body),
        ]
    )

    def serve(request: Seen) -> Answer:
        answer = next(answers, page(columns=types, data=[]))
        return answer._replace(
            body=answer.body.replace(b'"/again"', json.dumps(f"http://{request.header('Host')}/n").encode())
        )

    with StubServer(serve) as server:
        address = parse_trino_address(f"trino+http://ada@{server.url.partition('://')[2]}/hive/default")
        with open_trino(address, TrinoCredentials(), TrustAndProxy(), "logs") as cluster:
            made = report_in_trino(
                cluster,
                "logs",
                options=QuestionOptions(session="x"),
                questions=(FAILURES, HISTORY),
                on_step=lambda *step: steps.append(step),
            )
    assert (made.calls, made.records, made.skipped, made.files) == (3, -1, 2, None)
    assert ("totals", 0, 3, TrinoProgress("running", 0, "1/2", 5, 7)) in steps
