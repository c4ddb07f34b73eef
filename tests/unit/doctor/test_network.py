"""Doctor's checks of the clock, proxies, certificates and servers."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from dsops.aws.http.clock import ServerProbe
from dsops.doctor.network import (
    check_certificates,
    check_clock,
    check_endpoints,
    check_proxies,
    endpoints_of_plan,
    look_at,
)
from dsops.endpoint import resolve_endpoint
from dsops.errors import TimedOut, Unreachable
from dsops.plan import Proof
from dsops.runtime import PartCount, ignore
from tests.anywhere import ANCHOR, ANYWHERE_PROFILE, ROLE
from tests.fakes import NOON, make_runtime
from tests.plans import plan_of
from tests.stubs.authority import make_authority
from tests.stubs.server import Answer, StubServer
from tests.unit.aws.scene import Scene

STS = resolve_endpoint("sts", "us-east-1", {})
SECRETS = resolve_endpoint("secretsmanager", "us-east-1", {})


@pytest.mark.parametrize(
    ("ahead", "status", "detail"),
    [
        (0.0, "ok", "agrees with sts.us-east-1"),
        (-0.4, "ok", "agrees with sts.us-east-1"),
        (60.0, "ok", "60 s behind sts.us-east-1"),
        (61.0, "warning", "61 s behind sts.us-east-1"),
        (-300.0, "warning", "300 s ahead of sts.us-east-1"),
        (301.0, "failed", "301 s behind sts.us-east-1"),
        (-86400.0, "failed", "86400 s ahead of sts.us-east-1"),
    ],
)
def test_a_clock_is_well_within_a_minute_and_a_failure_over_five(ahead: float, status: str, detail: str) -> None:
    """A clock difference over a minute is a warning, and over five minutes a failure.

    The detail says in which direction.
    """
    check = check_clock([STS], [ServerProbe(NOON, ahead, None)])
    assert (check.status, check.detail) == (status, detail)
    assert ("set the clock" in check.hint) is (status != "ok")


def test_the_time_of_sts_counts_before_others() -> None:
    """Doctor compares the clock with STS, or with another server if STS gives no time."""
    glances = [ServerProbe(NOON, 90.0, None), ServerProbe(NOON, 0.0, None)]
    assert check_clock([SECRETS, STS], glances).status == "ok"
    assert check_clock([SECRETS, STS], [glances[0], Unreachable("could not reach it")]).status == "warning"


def test_without_a_time_nothing_is_said_of_the_clock() -> None:
    """Without a response, or without a Date header in it, the clock check is skipped."""
    assert check_clock([STS, SECRETS], [Unreachable("x"), ServerProbe(None, 0.0, None)]).status == "skipped"
    assert check_clock([], []).detail == "no AWS endpoint is called"


@pytest.mark.parametrize(("days", "status"), [(30, "ok"), (15, "ok"), (13, "warning"), (-1, "warning")])
def test_a_certificate_that_ends_soon_is_a_warning(days: int, status: str) -> None:
    """A server certificate that ends within two weeks is a warning."""
    [check] = check_endpoints([STS], [ServerProbe(NOON, 0.0, NOON + timedelta(days=days))], NOON)
    assert check.status == status
    assert (NOON + timedelta(days=days)).strftime("%Y-%m-%d") in check.detail


def test_a_server_that_can_not_be_reached_is_a_failure_with_its_error() -> None:
    """If a server cannot be reached, the check fails with the connection's error and its hint."""
    error = Unreachable("could not reach sts.us-east-1.amazonaws.com", hint="check the network")
    [check, other] = check_endpoints([STS, SECRETS], [error, ServerProbe(None, 0.0, None)], NOON)
    assert (check.status, check.errors, check.hint) == ("failed", (error,), "check the network")
    assert (other.status, other.detail) == ("ok", "https://secretsmanager.us-east-1.amazonaws.com answers")


def test_a_server_that_answers_calls_alone_is_a_warning() -> None:
    """A server that responds only to signed calls is a warning, because runs still work."""
    error = Unreachable("lost the connection to sts", why="connection reset", hint="try again")
    [check] = check_endpoints([STS], [error], NOON, is_all_well=True)
    assert (check.status, check.errors, check.hint) == ("warning", (), "try again")
    assert check.why == "it answers signed calls, but no request without credentials: connection reset"


@pytest.mark.parametrize(
    ("environ", "status", "detail"),
    [
        ({}, "ok", "none"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "ok", "2 servers through http://proxy:3128 (HTTPS_PROXY)"),
        (
            {"HTTPS_PROXY": "http://ada:hush@proxy:3128", "NO_PROXY": "sts.us-east-1.amazonaws.com"},
            "ok",
            "1 server through http://proxy:3128 (HTTPS_PROXY), 1 server without one",
        ),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, "ok", "NO_PROXY excepts every server"),
        ({"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, "ok", "none"),
        ({"HTTPS_PROXY": "socks5://proxy:1"}, "failed", "HTTPS_PROXY is not a valid proxy address"),
        (
            {"https_proxy": "http://one:1", "HTTPS_PROXY": "http://two:2"},
            "warning",
            "https_proxy and HTTPS_PROXY differ",
        ),
        (
            {"https_proxy": "http://one:1", "HTTPS_PROXY": "http://one:1"},
            "ok",
            "2 servers through http://one:1 (https_proxy)",
        ),
    ],
)
def test_which_servers_are_reached_through_which_proxy(environ: dict[str, str], status: str, detail: str) -> None:
    """The check lists which servers are reached through which proxy, without the proxy's password."""
    check = check_proxies([STS, SECRETS], environ)
    assert (check.status, check.detail) == (status, detail)
    assert "hush" not in str(check)


def test_certificates_of_a_variable_are_counted(tmp_path: Path) -> None:
    """The check counts the certificates of a variable's bundle or folder, or says that the system's are used."""
    text = make_authority(tmp_path).bundle.read_text()
    (tmp_path / "two.pem").write_text(text + make_authority(tmp_path).bundle.read_text())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "0a1b.0").write_text(text)
    checks = [check_certificates([STS], {"AWS_CA_BUNDLE": name}, str(tmp_path)) for name in ("two.pem", "folder")]
    assert [(check.status, check.detail.partition(" in ")[0]) for check in checks] == [("ok", "2"), ("ok", "1")]
    assert check_certificates([STS], {}, str(tmp_path)).detail == "the system's"


@pytest.mark.parametrize("kind", ["missing", "empty", "no certificate", "cut off", "empty folder"])
def test_certificates_that_can_not_be_used_are_a_failure(tmp_path: Path, kind: str) -> None:
    """Unusable certificates are a failure whose hint names the variable; incomplete certificates are not counted."""
    text = make_authority(tmp_path).bundle.read_text()
    path = tmp_path / "bundle"
    if kind == "empty folder":
        path.mkdir()
    elif kind != "missing":
        path.write_text({"empty": "", "no certificate": "hello", "cut off": text[: len(text) // 2]}[kind])
    check = check_certificates([STS], {"SSL_CERT_FILE": str(path)}, "/")
    assert check.status == "failed"
    assert check.detail.startswith("SSL_CERT_FILE is set to ")
    assert "SSL_CERT_FILE" in check.hint


def test_without_tls_no_certificates_are_needed() -> None:
    """If no server uses TLS (as with a sandbox on loopback), unusable certificates are only a warning."""
    plain = resolve_endpoint("sts", "us-east-1", {}, endpoint_url="http://127.0.0.1:4566")
    check = check_certificates([plain], {"AWS_CA_BUNDLE": "/no/such/file"}, "/")
    assert (check.status, check.errors) == ("warning", ())


STORES = """
secretStores:
  role: {type: aws.sts, region: eu-west-1, role_arn: "arn:aws:iam::123456789012:role/Reader"}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: role}
  parameters: {type: aws.ssm, region: us-east-1, credentials_from: role, endpoint_url: "http://127.0.0.1:4566"}
  here: {type: literal, values: {a: b}}
envs:
  e:
    A: {from: {store: secrets, key: "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a-AbCdEf"}}
    B: {from: {store: secrets, key: b}}
    C: {from: {store: parameters, key: /c}}
    D: {from: {store: here, key: a}}
"""


def test_every_server_that_a_plan_calls_is_named() -> None:
    """Every server that a plan calls is listed; a secret's ARN may name another region, a literal has no server."""
    found = [endpoint.url for endpoint in endpoints_of_plan(plan_of(STORES, "e"), make_runtime())]
    assert sorted(found) == [
        "http://127.0.0.1:4566",
        "https://secretsmanager.eu-central-1.amazonaws.com",
        "https://secretsmanager.us-east-1.amazonaws.com",
        "https://sts.eu-west-1.amazonaws.com",
    ]


def test_a_certificates_server_is_in_the_region_of_its_trust_anchor() -> None:
    """CreateSession goes to the trust anchor's region; `region` is for the stores that use the session."""
    text = f"""
secretStores:
  machine:
    type: aws.rolesanywhere
    region: eu-west-1
    trust_anchor_arn: {ANCHOR}
    profile_arn: {ANYWHERE_PROFILE}
    role_arn: {ROLE}
    certificate: /certificate.pem
    private_key: /key.pem
"""
    proof = Proof("the certificate", "digest", certificate="digest", region="us-east-1")
    plan = plan_of(text, store="machine", proof=lambda _type, _settings: proof)
    assert [endpoint.url for endpoint in endpoints_of_plan(plan, make_runtime())] == [
        "https://rolesanywhere.us-east-1.amazonaws.com"
    ]


@pytest.mark.parametrize(("silent", "requests"), [(True, 1), (False, 2)])
def test_a_connection_that_breaks_is_tried_once_more_and_silence_is_not(*, silent: bool, requests: int) -> None:
    """A connection that breaks is retried once; a server that stays silent until the time limit is not retried."""
    with StubServer(lambda _: _broken(silent=silent, number=len(server.seen))) as server:
        scene = Scene()
        client = scene.client._replace(connect_timeout_ms=300)
        [found] = scene.run(
            look_at(
                [resolve_endpoint("sts", "us-east-1", {}, endpoint_url=server.url)],
                client,
                PartCount(ignore, "checks.made", "", 1),
            )
        )
        assert len(server.seen) == requests
    if silent:
        assert isinstance(found, TimedOut)
        assert found.hint == "the server accepts connections and does not answer: check the address and the network"
    else:
        assert isinstance(found, ServerProbe)


def _broken(*, silent: bool, number: int) -> Answer:
    return Answer(is_silent=True) if silent else Answer(raw=b"HTTP/1.1 20") if number == 1 else Answer()
