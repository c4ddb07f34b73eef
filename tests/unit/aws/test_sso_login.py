"""The two login flows of IAM Identity Center: what is sent, what the user sees, and how each can fail."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from dsops.aws.apis.sso_oidc import DeviceAuthorization
from dsops.aws.http.call import make_client
from dsops.aws.http.wire import Response, WireRequest
from dsops.aws.identity.sso_cache import Token
from dsops.aws.identity.sso_session import SsoSession
from dsops.aws.sso_login import LoginService, Way, by_browser, by_device, log_in
from dsops.endpoint import resolve_endpoint
from dsops.errors import DsopsError, LoginFailed, SsoRefused
from tests.center_in_memory import REGION, START_URL, InMemoryCenter
from tests.fakes import FixedClock, make_runtime
from tests.loop import Time
from tests.pipeline import words

REDIRECT = "http://127.0.0.1:49152/oauth/callback"


class Desk:
    """A program that logs a user in, with a fake clock."""

    def __init__(self, home: Path) -> None:
        self.clock = FixedClock()
        self.time = Time(self.clock.advance)
        self.center = InMemoryCenter(self.clock)
        self.shown: list[DeviceAuthorization] = []
        self.pages: list[str] = []
        self.brought: Mapping[str, str] = {"code": "PLANTED-code"}
        self.session = SsoSession("corp", START_URL, REGION, ("sso:account:access", "codewhisperer:completions"))
        self.environ = {"HOME": str(home)}

    def log_in(self, way: Way, *, has_redirect: bool = False) -> Token:
        """Log in; return the token."""
        client = make_client(make_runtime(self.environ, now=self.clock))
        place = LoginService(client, resolve_endpoint("sso-oidc", REGION, {}), self.session)
        return self.time.run(log_in(place, way, has_redirect=has_redirect), self.center)

    def device(self) -> Token:
        """Log in by device code."""
        return self.log_in(by_device(self.shown.append))

    def browser(self) -> Token:
        """Log in by a browser that returns the query `brought`."""

        def catch(page: str, state: str) -> Mapping[str, str]:
            self.pages.append(page)
            assert [state] == parse_qs(urlsplit(page).query)["state"]
            return self.brought

        return self.log_in(by_browser(REDIRECT, catch), has_redirect=True)

    def sent(self, action: str) -> list[dict[str, object]]:
        """The bodies of all requests to this action."""
        calls = zip(self.center.asked, self.center.requests, strict=True)
        return [json.loads(request.body) for name, request in calls if name == action]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk where no user has logged in yet."""
    return Desk(tmp_path)


def refused(desk: Desk, way: str = "device") -> DsopsError:
    """The error of a login; asserts that it contains no secret."""
    with pytest.raises(DsopsError) as caught:
        getattr(desk, way)()
    assert "PLANTED" not in words(caught.value)
    return caught.value


def test_a_device_login_asks_until_the_code_is_approved(desk: Desk) -> None:
    """A device login polls at the endpoint's interval, which grows by five seconds after each `slow_down`."""
    desk.center.device = ["authorization_pending", "slow_down", "authorization_pending"]
    token = desk.device()
    assert "PLANTED-access-0" == token.access_token.reveal()
    assert 1 + 1 + 6 + 6 == desk.time.seconds
    assert 4 == len(desk.sent("CreateToken"))


def test_a_person_sees_page_and_code_once(desk: Desk) -> None:
    """The prompt has the code and two URLs of the page: one contains the code, the other does not."""
    desk.device()
    (prompt,) = desk.shown
    assert ("ABCD-EFGH", "https://device.sso.eu-central-1.amazonaws.com/") == (
        prompt.user_code,
        prompt.verification_uri,
    )
    assert prompt.verification_uri_complete.endswith("?user_code=ABCD-EFGH")


def test_what_a_token_is_kept_with(desk: Desk) -> None:
    """A token has a refresh token and an expiry by this machine's clock, and its repr shows no secret."""
    token = desk.device()
    assert desk.clock() + timedelta(hours=1) == token.expires_at
    assert token.can_be_refreshed(desk.clock())
    assert "PLANTED" not in repr(token)


def test_the_registration_asks_for_the_sessions_scopes_and_is_kept(desk: Desk) -> None:
    """A client is registered with the session's scopes and reused for the next login of the same flow.

    A browser login registers a client of its own, as in the AWS CLI.
    """
    desk.device()
    desk.device()
    (first,) = desk.sent("RegisterClient")
    assert ["sso:account:access", "codewhisperer:completions"] == first["scopes"]
    assert ("dsops", "public") == (first["clientName"], first["clientType"])
    desk.browser()
    assert ["authorization_code", "refresh_token"] == desk.sent("RegisterClient")[1]["grantTypes"]
    assert [START_URL, ["http://127.0.0.1/oauth/callback"]] == [
        desk.sent("RegisterClient")[1][name] for name in ("issuerUrl", "redirectUris")
    ]


def test_other_scopes_are_another_registration(desk: Desk) -> None:
    """A session with other scopes registers a new client."""
    desk.device()
    desk.session = desk.session._replace(scopes=("sso:account:access",))
    desk.device()
    assert 2 == len(desk.sent("RegisterClient"))


def test_a_registration_that_ends_soon_is_replaced(desk: Desk) -> None:
    """A registration that would end before the token is replaced, because the token could not be renewed."""
    desk.device()
    desk.clock.advance(timedelta(days=90).total_seconds() - 600)
    desk.device()
    assert 2 == len(desk.sent("RegisterClient"))


def test_a_rejected_registration_is_replaced_once(desk: Desk) -> None:
    """A cached registration that AWS rejects is replaced once; a second rejection is raised."""
    desk.device()
    gone = Response(401, {}, b'{"error": "invalid_client"}')
    answers: list[Response | None] = [gone, None]
    desk.center.outage = lambda action, _: answers.pop(0) if action == "StartDeviceAuthorization" else None
    assert desk.device()
    desk.center.outage = lambda action, _: gone if action == "StartDeviceAuthorization" else None
    failure = refused(desk)
    assert isinstance(failure, SsoRefused)
    assert "registration has ended" in failure.hint


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("access_denied", "the login was denied in the browser"),
        ("expired_token", "the login code was not approved in time"),
    ],
)
def test_a_denied_or_expired_code_ends_the_polling(desk: Desk, said: str, message: str) -> None:
    """A denied or expired code ends the polling at once."""
    desk.center.device = ["authorization_pending", said, "authorization_pending"]
    failure = refused(desk)
    assert isinstance(failure, LoginFailed)
    assert message == failure.message
    assert 2 == len(desk.sent("CreateToken"))


def test_polling_ends_by_our_clock(desk: Desk) -> None:
    """If the endpoint always answers `pending`, polling ends when the code expires by this machine's clock."""
    desk.center.device = ["authorization_pending"] * 10_000
    assert "the login code was not approved in time" == refused(desk).message
    assert 600 == desk.time.seconds


def test_an_outage_while_polling_is_ignored(desk: Desk) -> None:
    """5xx responses while polling are ignored, because the code stays valid for minutes."""
    down: list[Response | None] = [Response(503, {}, b""), Response(502, {}, b""), None]
    desk.center.outage = lambda action, _: down.pop(0) if action == "CreateToken" else None
    assert desk.device()


def test_an_outage_before_the_code_is_retried(desk: Desk) -> None:
    """5xx responses before the code is shown are retried (four attempts), then raised."""
    desk.center.outage = lambda *_: Response(503, {}, b"")
    refused(desk)
    assert ["RegisterClient"] * 4 == desk.center.asked


def test_a_wrong_start_url_is_told_in_awss_words(desk: Desk) -> None:
    """A rejected start URL is an error with AWS's message and a hint, after one attempt."""
    desk.session = desk.session._replace(start_url="https://d-other.awsapps.com/start")
    failure = refused(desk)
    assert ("Invalid start url provided", True) == (failure.why, "`start_url` and `sso_region`" in failure.hint)


@pytest.mark.parametrize("page", ["http://device.example/", "javascript:alert(1)", "file:///etc/passwd", "\x1b[2J"])
def test_a_verification_url_must_be_https_or_local(desk: Desk, page: str) -> None:
    """A verification URL must use https or be on this machine; otherwise the login fails and shows nothing."""
    answer = {"deviceCode": "d", "userCode": "u", "verificationUri": page, "expiresIn": 600}
    body = json.dumps(answer).encode()
    desk.center.outage = lambda action, _: Response(200, {}, body) if action == "StartDeviceAuthorization" else None
    assert "address is not https" in refused(desk).message
    assert [] == desk.shown


def test_a_browser_login_uses_pkce(desk: Desk) -> None:
    """A browser login uses PKCE (RFC 7636) with SHA-256, and a random state."""
    desk.browser()
    page = urlsplit(desk.pages[0])
    query = {name: values[0] for name, values in parse_qs(page.query).items()}
    assert (f"oidc.{REGION}.amazonaws.com", "/authorize") == (page.netloc, page.path)
    (sent,) = desk.sent("CreateToken")
    digest = hashlib.sha256(str(sent["codeVerifier"]).encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == query["code_challenge"]
    assert ("S256", "code", REDIRECT) == tuple(
        query[name] for name in ("code_challenge_method", "response_type", "redirect_uri")
    )
    assert ("authorization_code", "PLANTED-code", REDIRECT) == tuple(
        sent[name] for name in ("grantType", "code", "redirectUri")
    )
    assert "sso:account:access codewhisperer:completions" == query["scopes"]


def test_two_logins_share_neither_state_nor_verifier(desk: Desk) -> None:
    """Each login has its own state and verifier of 256 bits."""
    desk.browser()
    desk.browser()
    states = {parse_qs(urlsplit(page).query)["state"][0] for page in desk.pages}
    verifiers = {str(sent["codeVerifier"]) for sent in desk.sent("CreateToken")}
    assert (2, 2, {43}) == (len(states), len(verifiers), {len(state) for state in states | verifiers})


def test_a_code_is_sent_once(desk: Desk) -> None:
    """An authorization code is sent only once, even after a failure, because AWS accepts a code once."""
    desk.center.outage = lambda action, _: Response(503, {}, b"") if action == "CreateToken" else None
    refused(desk, "browser")
    assert 1 == len(desk.sent("CreateToken"))


@pytest.mark.parametrize(
    ("brought", "message"),
    [
        ({"error": "access_denied", "error_description": "by\x1b[31m bob"}, "the login was denied in the browser"),
        ({"error": "invalid_scope"}, "the login in the browser failed: invalid_scope"),
        ({}, "the login in the browser failed: no code"),
    ],
)
def test_a_browser_may_come_back_without_a_code(desk: Desk, brought: dict[str, str], message: str) -> None:
    """If the browser returns without a code, the error shows what it returned, without control characters."""
    desk.brought = brought
    failure = refused(desk, "browser")
    assert (message, True) == (failure.message, failure.why.isprintable())
    assert [] == desk.sent("CreateToken")


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"accessToken": "a b", "expiresIn": 5},
        {"accessToken": "a", "expiresIn": 0},
        {"accessToken": "a", "expiresIn": "soon"},
        {"accessToken": "a", "expiresIn": 60, "refreshToken": "b\n"},
    ],
)
def test_an_answer_without_a_token_is_invalid(desk: Desk, answer: dict[str, object]) -> None:
    """A response without a token raises AnswerInvalid, and nothing is stored."""

    def outage(action: str, _: WireRequest) -> Response | None:
        return Response(200, {}, json.dumps(answer).encode()) if action == "CreateToken" else None

    desk.center.outage = outage
    assert "an invalid response" in refused(desk, "browser").message
