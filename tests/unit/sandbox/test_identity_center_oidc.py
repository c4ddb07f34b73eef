"""The OIDC service of Identity Center: client registration, and the grants that get a token."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import pytest

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import answer_of
from dsops.sandbox.identity_center.logins import PortalLogins
from dsops.sandbox.identity_center.oidc import Oidc, Visit
from tests.identity_center import CHALLENGE, DEVICE_GRANT, REDIRECT, SCOPE, START_URL, VERIFIER, Center, challenge_of
from tests.sandboxes import ACCOUNT, Lab
from tests.unit.sandbox.conftest import LabFactory

SEED = f"""
accounts: {{"{ACCOUNT}": {{}}}}
identity_center:
  users: {{alice: {{}}, bob: {{}}}}
  permission_sets: {{Reader: {{}}}}
  assignments:
  - {{account: "{ACCOUNT}", permission_set: Reader, users: [alice, bob]}}
"""
PENDING = ("AuthorizationPendingException: authorization_pending", "", 400)
EXPIRED = ("ExpiredTokenException: expired_token", "", 400)
DENIED = ("AccessDeniedException: access_denied", "", 400)
NO_DEVICE = ("InvalidGrantException: invalid_grant", "Invalid device code provided", 400)
NO_GRANT = ("InvalidGrantException: invalid_grant", "", 400)
NO_REFRESH = ("InvalidGrantException: invalid_grant", "Invalid refresh token provided", 400)
NO_CLIENT = ("InvalidClientException: invalid_client", "", 401)
NOT_FOR_IT = ("UnauthorizedClientException: unauthorized_client", "", 400)
NO_START = ("InvalidRequestException: invalid_request", "Invalid start url provided", 400)


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with two users."""
    return make_lab(SEED)


@pytest.fixture
def center(lab: Lab) -> Center:
    """The sandbox's Identity Center."""
    return Center.of(lab)


def move(lab: Lab, seconds: float) -> None:
    """Advance the sandbox's clock."""
    lab.sandbox.move_clock(lab.sandbox.clock.now() + seconds)


def exchange_refused(center: Center, **parameters: str) -> tuple[str, str, int]:
    """Call CreateToken, which must fail; return its error."""
    return center.refused("sso-oidc", "CreateToken", **parameters)


def who(center: Center, token: str) -> str:
    """Return the name of the user to whom the access token belongs."""
    return center.role(token, ACCOUNT, "Reader").arn.rpartition("/")[2]


# --- clients ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"clientType": "confidential"}, "InvalidClientMetadataException: invalid_client_metadata"),
        ({"clientName": ""}, "InvalidRequestException: invalid_request"),
        ({"grantTypes": ["password"]}, "UnsupportedGrantTypeException: unsupported_grant_type"),
        ({"scopes": ["sso:account:acces"]}, "InvalidScopeException: invalid_scope"),
        ({"scopes": ["two words"]}, "InvalidScopeException: invalid_scope"),
        ({"scopes": ["a"] * 11}, "InvalidRequestException: invalid_request"),
        ({"redirectUris": []}, "InvalidRedirectUriException: invalid_redirect_uri"),
        ({"issuerUrl": "https://d-0000000000.awsapps.com/start"}, "InvalidRequestException: invalid_request"),
        ({"issuerUrl": ""}, "InvalidRequestException: invalid_request"),
    ],
    ids=str,
)
def test_invalid_registrations_are_refused(center: Center, changes: dict[str, Any], code: str) -> None:
    """An invalid registration, such as one with a misspelled scope, gets the exception of the service model."""
    parameters = {
        "clientName": "x",
        "clientType": "public",
        "grantTypes": ["authorization_code"],
        "issuerUrl": START_URL,
        "redirectUris": ["http://127.0.0.1/oauth/callback"],
        **changes,
    }
    assert center.refused("sso-oidc", "RegisterClient", **parameters)[0] == code


@pytest.mark.parametrize(
    "uri",
    [
        "https://127.0.0.1/x",
        "http://example.com/x",
        "http://127.0.0.1.example.com/x",
        "http://me@127.0.0.1/x",
        "http://127.0.0.1/x?y=1",
        "http://127.0.0.1/x#y",
        "http://127.0.0.1/x\r\ny",
        "http://127.0.0.1:99999/",
        "urn:x",
        "",
        "http://127.0.0.1\\@example.com/",
        "http://[::1/",
    ],
)
def test_redirects_go_to_loopback_only(center: Center, uri: str) -> None:
    """Only http redirect URIs on loopback are accepted (RFC 8252)."""
    parameters = {"clientName": "x", "clientType": "public", "redirectUris": [uri]}
    refused = center.refused("sso-oidc", "RegisterClient", **parameters)
    assert refused[0] == "InvalidRedirectUriException: invalid_redirect_uri"


@pytest.mark.parametrize("uri", ["http://127.0.0.1/oauth/callback", "http://[::1]:8080/", "http://localhost"])
def test_loopback_has_three_names(center: Center, uri: str) -> None:
    """Redirect URIs with any of the three loopback names can be registered."""
    assert center.register(redirectUris=[uri]).client_id


def test_a_client_is_authenticated_by_its_secret(center: Center) -> None:
    """A client must send the secret of its own registration."""
    one, other = center.register(SCOPE), center.register(SCOPE)
    for wrong in (
        {"clientId": one.client_id, "clientSecret": other.secret},
        {"clientId": "x", "clientSecret": one.secret},
        {"clientId": one.client_id, "clientSecret": "\u00e9"},
    ):
        assert NO_CLIENT == center.refused("sso-oidc", "StartDeviceAuthorization", **wrong, startUrl=START_URL)
        assert NO_CLIENT == exchange_refused(center, **wrong, grantType="refresh_token", refreshToken="x")


def test_a_registration_expires_after_ninety_days(center: Center, lab: Lab) -> None:
    """A registration expires after ninety days to the second."""
    program = center.register(SCOPE)
    move(lab, 90 * 86400 - 1)
    assert center.start_device(program)["userCode"]
    move(lab, 1)
    parameters = {**program.parameters, "startUrl": START_URL}
    assert NO_CLIENT == center.refused("sso-oidc", "StartDeviceAuthorization", **parameters)


# --- device code flow ------------------------------------------------------------------------------------------------


def test_a_user_approves_a_device_by_its_code(center: Center) -> None:
    """A device login is pending until a user approves its code; then the token belongs to that user."""
    program = center.register(SCOPE)
    started = center.start_device(program)

    assert center.poll_refused(program, started) == PENDING
    center.approve(started["userCode"], "bob")
    response = center.poll(program, started)

    assert who(center, response["accessToken"]) == "bob"
    assert (response["tokenType"], response["expiresIn"]) == ("Bearer", 3600)
    assert response["refreshToken"]


def test_the_answer_has_the_verification_url(center: Center) -> None:
    """The response to a device login has the page's URL, a code of eight consonants, and the polling times."""
    started = center.start_device(center.register())

    assert started["verificationUri"] == "http://127.0.0.1:4566/_sandbox/device"
    assert started["verificationUriComplete"] == f"{started['verificationUri']}?user_code={started['userCode']}"
    assert (started["expiresIn"], started["interval"]) == (600, 1)
    first, _, second = started["userCode"].partition("-")
    assert (len(first), len(second)) == (4, 4)
    assert not set(first + second) - set("BCDFGHJKLMNPQRSTVWXZ")


@pytest.mark.parametrize("code", ["bcdf-ghjk", "bcdfghjk", " BCDF GHJK "])
def test_a_user_code_is_read_leniently(center: Center, code: str) -> None:
    """User codes are accepted in lower case and without the dash."""
    program = center.register()
    started = center.start_device(program)
    letters = started["userCode"].replace("-", "")
    typed = code.upper().replace("BCDF", letters[:4]).replace("GHJK", letters[4:])
    center.approve(typed if code.isupper() else typed.lower(), "alice")
    assert center.poll(program, started)["accessToken"]


def test_a_device_code_works_once(center: Center) -> None:
    """A device code can be redeemed only once."""
    program = center.register()
    started = center.start_device(program)
    center.approve(started["userCode"], "alice")
    center.poll(program, started)
    assert center.poll_refused(program, started) == NO_DEVICE


def test_a_denied_login_is_reported(center: Center) -> None:
    """A denied device login gets access_denied and can no longer be approved."""
    program = center.register()
    started = center.start_device(program)
    center.approve(started["userCode"], is_denied=True)

    assert center.poll_refused(program, started) == DENIED
    center.approve(started["userCode"], "alice", status=404)
    assert center.poll_refused(program, started) == DENIED


def test_a_login_is_decided_once(center: Center) -> None:
    """A device login can't be approved a second time by another user."""
    program = center.register()
    started = center.start_device(program)
    center.approve(started["userCode"], "alice")
    center.approve(started["userCode"], "bob", status=404)
    assert who(center, center.poll(program, started)["accessToken"]) == "alice"


def test_a_device_code_expires_after_ten_minutes(center: Center, lab: Lab) -> None:
    """A device code expires after ten minutes, approved or not."""
    program = center.register()
    early, late, waiting = (center.start_device(program) for _ in range(3))
    center.approve(early["userCode"], "alice")
    center.approve(late["userCode"], "alice")
    move(lab, 599)
    assert center.poll(program, early)["accessToken"]
    move(lab, 1)
    assert center.poll_refused(program, late) == EXPIRED
    assert center.poll_refused(program, waiting) == EXPIRED
    center.approve(waiting["userCode"], "alice", status=404)


def test_a_code_of_another_client_is_refused(center: Center) -> None:
    """Only the client that started a device login can redeem its code; another client's attempt changes nothing."""
    program, thief = center.register(), center.register()
    started = center.start_device(program)
    center.approve(started["userCode"], "alice")

    assert center.poll_refused(thief, started) == NO_DEVICE
    assert center.poll_refused(program, {"deviceCode": "x"}) == NO_DEVICE
    assert center.poll(program, started)["accessToken"]


def test_polling_too_often_gets_slow_down(lab: Lab) -> None:
    """The third poll within a second gets SlowDown.

    The AWS CLI starts with two polls at once. The limit uses the machine's clock.
    """
    moments = iter([0.0, 0.1, 0.2, 1.2, 1.3, 1.4])
    logins = PortalLogins(ticks=lambda: next(moments))
    oidc = Oidc(lambda: lab.sandbox.identity_center.instance, logins)

    def perform(operation: str, **parameters: object) -> Mapping[str, object]:
        return oidc.perform(operation, parameters, Visit("http://127.0.0.1:4566", True, 1_000_000_000)).content

    created = perform("RegisterClient", clientName="x", clientType="public")
    who_asks = {"clientId": created["clientId"], "clientSecret": created["clientSecret"]}
    started = perform("StartDeviceAuthorization", **who_asks, startUrl=START_URL)
    poll = {**who_asks, "grantType": DEVICE_GRANT, "deviceCode": started["deviceCode"]}
    asked = []
    for _ in range(6):
        with pytest.raises(SandboxRefusal) as caught:
            perform("CreateToken", **poll)
        asked.append(answer_of(caught.value).code.removesuffix("Exception"))

    assert asked == ["AuthorizationPending", "AuthorizationPending", "SlowDown"] * 2
    logins.decide(str(started["userCode"]), "alice", 1_000_000_000)
    assert perform("CreateToken", **poll)["accessToken"]


def test_two_devices_do_not_slow_each_other(center: Center) -> None:
    """Polling several device codes at the same time gets no SlowDown."""
    program = center.register()
    started = [center.start_device(program) for _ in range(5)]
    assert [center.poll_refused(program, one) for one in started] == [PENDING] * 5


@pytest.mark.parametrize("url", [START_URL, f"{START_URL}/", f"{START_URL}#", f"{START_URL}/#/", f"{START_URL}#/"])
def test_a_start_url_copied_from_a_browser_is_accepted(center: Center, url: str) -> None:
    """A start URL is accepted with any ending that browsers add to it."""
    assert center.start_device(center.register(), url)["userCode"]


@pytest.mark.parametrize(
    "url", ["", "x", "https://d-0000000000.awsapps.com/start", f"{START_URL}x", f"http{START_URL[5:]}"]
)
def test_another_start_url_is_refused(center: Center, url: str) -> None:
    """A start URL of another Identity Center is refused with AWS's message."""
    parameters = {**center.register().parameters, "startUrl": url}
    assert NO_START == center.refused("sso-oidc", "StartDeviceAuthorization", **parameters)


def test_a_grant_must_be_registered(center: Center) -> None:
    """A client can use only the grant types that it registered."""
    browser, device = center.register_for_browser(), center.register(SCOPE)
    parameters = {**browser.parameters, "startUrl": START_URL}
    assert NOT_FOR_IT == center.refused("sso-oidc", "StartDeviceAuthorization", **parameters)
    assert NOT_FOR_IT == exchange_refused(center, **center.exchange(device, "x"))
    assert exchange_refused(center, **device.parameters, grantType="password")[0] == (
        "UnsupportedGrantTypeException: unsupported_grant_type"
    )


# --- authorization code flow -----------------------------------------------------------------------------------------


def test_a_code_and_its_verifier_give_a_token(center: Center) -> None:
    """An authorization code and its PKCE verifier (the example of RFC 7636) are exchanged for a token."""
    assert challenge_of(VERIFIER) == CHALLENGE
    program = center.register_for_browser()
    response = center.call("sso-oidc", "CreateToken", **center.exchange(program, center.code_for(program, "bob")))

    assert who(center, response["accessToken"]) == "bob"
    assert response["refreshToken"]


@pytest.mark.parametrize(
    "changes",
    [
        {"codeVerifier": VERIFIER[:-1] + "l"},
        {"codeVerifier": ""},
        {"codeVerifier": CHALLENGE},
        {"codeVerifier": "\u00e9"},
        {"redirectUri": "http://127.0.0.1:50001/oauth/callback"},
        {"redirectUri": "http://127.0.0.1/oauth/callback"},
        {"redirectUri": ""},
    ],
    ids=str,
)
def test_mismatched_parameters_are_refused(center: Center, changes: dict[str, str]) -> None:
    """A wrong verifier or redirect URI is refused and uses up the code, which prevents guessing."""
    program = center.register_for_browser()
    code = center.code_for(program, "alice")

    assert exchange_refused(center, **center.exchange(program, code, **changes)) == NO_GRANT
    assert exchange_refused(center, **center.exchange(program, code)) == NO_GRANT


def test_a_reused_code_ends_the_session(center: Center) -> None:
    """If a code is redeemed twice, the code's session ends, because the code may be stolen (RFC 6749, 4.1.2)."""
    program = center.register_for_browser()
    code = center.code_for(program, "alice")
    response = center.call("sso-oidc", "CreateToken", **center.exchange(program, code))
    assert who(center, response["accessToken"]) == "alice"

    assert exchange_refused(center, **center.exchange(program, code)) == NO_GRANT

    assert center.refused("sso", "ListAccounts", accessToken=response["accessToken"])[0] == "UnauthorizedException"
    refresh = {"grantType": "refresh_token", "refreshToken": response["refreshToken"]}
    assert exchange_refused(center, **program.parameters, **refresh) == NO_REFRESH


def test_another_client_may_not_redeem_a_code(center: Center) -> None:
    """Another client can't redeem a code, even with its verifier; the code stays valid for its own client."""
    program, thief = center.register_for_browser(), center.register_for_browser()
    code = center.code_for(program, "alice")

    assert exchange_refused(center, **center.exchange(thief, code)) == NO_GRANT
    assert center.call("sso-oidc", "CreateToken", **center.exchange(program, code))["accessToken"]


def test_a_code_expires_after_ten_minutes(center: Center, lab: Lab) -> None:
    """An authorization code expires after ten minutes."""
    program = center.register_for_browser()
    early, late = center.code_for(program, "alice"), center.code_for(program, "alice")
    move(lab, 599)
    assert center.call("sso-oidc", "CreateToken", **center.exchange(program, early))["accessToken"]
    move(lab, 1)
    assert exchange_refused(center, **center.exchange(program, late)) == NO_GRANT


def test_any_port_of_the_registered_address_is_accepted(center: Center) -> None:
    """Any port of the registered redirect URI is accepted if the token request has the same port (RFC 8252, 7.3)."""
    program = center.register_for_browser()
    other = REDIRECT.replace("50000", "50001")
    answer = center.authorize(program, "POST", {"user": "alice", "answer": "approve"}, redirect_uri=other)
    code = dict(answer.headers)["Location"].partition("code=")[2].partition("&")[0]
    assert center.call("sso-oidc", "CreateToken", **center.exchange(program, code, redirectUri=other))["accessToken"]


# --- refreshing ------------------------------------------------------------------------------------------------------


def test_a_refresh_token_gives_the_next_access_token(center: Center, lab: Lab) -> None:
    """A refresh token gives new access tokens until the session ends after eight hours."""
    program = center.register(SCOPE)
    started = center.start_device(program)
    center.approve(started["userCode"], "alice")
    response = center.poll(program, started)
    refresh = {**program.parameters, "grantType": "refresh_token", "refreshToken": response["refreshToken"]}

    move(lab, 1800)
    again = center.call("sso-oidc", "CreateToken", **refresh)
    assert again["accessToken"] != response["accessToken"]
    assert (again["refreshToken"], again["expiresIn"]) == (response["refreshToken"], 3600)
    assert who(center, response["accessToken"]) == who(center, again["accessToken"]) == "alice"
    move(lab, 1800)
    assert center.refused("sso", "ListAccounts", accessToken=response["accessToken"])[0] == "UnauthorizedException"
    assert who(center, again["accessToken"]) == "alice"
    move(lab, 28800 - 3600 - 60)
    assert center.call("sso-oidc", "CreateToken", **refresh)["expiresIn"] == 60
    move(lab, 60)
    assert exchange_refused(center, **refresh) == NO_REFRESH


def test_a_rotated_refresh_token_works_once(make_lab: LabFactory) -> None:
    """With `rotates_refresh_tokens`, each refresh returns a new refresh token, and the old one is refused."""
    center = Center.of(make_lab(SEED + "  rotates_refresh_tokens: true\n"))
    program = center.register(SCOPE)
    started = center.start_device(program)
    center.approve(started["userCode"], "alice")
    first = {**program.parameters, "grantType": "refresh_token"}
    first["refreshToken"] = center.poll(program, started)["refreshToken"]

    again = center.call("sso-oidc", "CreateToken", **first)
    assert again["refreshToken"] != first["refreshToken"]
    assert exchange_refused(center, **first) == NO_REFRESH
    assert who(center, again["accessToken"]) == "alice"
    assert center.call("sso-oidc", "CreateToken", **{**first, "refreshToken": again["refreshToken"]})["accessToken"]


def test_a_refresh_token_is_bound_to_its_client(center: Center) -> None:
    """A refresh token works only for its client; an access token can't be used to refresh."""
    program, thief = center.register(SCOPE), center.register(SCOPE)
    started = center.start_device(program)
    center.approve(started["userCode"], "alice")
    response = center.poll(program, started)
    for who_asks, token in ((thief, response["refreshToken"]), (program, "aor"), (program, response["accessToken"])):
        parameters = {**who_asks.parameters, "grantType": "refresh_token", "refreshToken": token}
        assert exchange_refused(center, **parameters) == NO_REFRESH
    assert center.refused("sso", "ListAccounts", accessToken=response["refreshToken"])[0] == "UnauthorizedException"


def test_logout_ends_refreshing(center: Center) -> None:
    """After logout a refresh token is refused."""
    program = center.register(SCOPE)
    started = center.start_device(program)
    center.approve(started["userCode"], "alice")
    response = center.poll(program, started)
    center.answer("sso", "Logout", accessToken=response["accessToken"])
    parameters = {**program.parameters, "grantType": "refresh_token", "refreshToken": response["refreshToken"]}
    assert exchange_refused(center, **parameters) == NO_REFRESH


def test_without_scope_there_is_no_refresh_token(center: Center) -> None:
    """A client without scopes gets an eight-hour token without refresh token, as for older AWS CLI profiles."""
    program = center.register()
    started = center.start_device(program)
    center.approve(started["userCode"], "alice")
    response = center.poll(program, started)
    assert response["expiresIn"] == 28800
    assert "refreshToken" not in response


def test_without_the_refresh_grant_there_is_no_refresh_token(center: Center) -> None:
    """A client that did not register the refresh grant gets no refresh token."""
    program = center.register_for_browser(grantTypes=["authorization_code"])
    response = center.call("sso-oidc", "CreateToken", **center.exchange(program, center.code_for(program, "alice")))
    assert response["expiresIn"] == 28800
    assert "refreshToken" not in response


# --- limits ----------------------------------------------------------------------------------------------------------


def test_stored_logins_are_limited() -> None:
    """At most ten thousand clients are stored; after that a new client replaces the oldest."""
    logins = PortalLogins(ticks=iter(count()).__next__)
    first, secret = logins.register("first", (), (), (), 0)
    later = [logins.register(f"{number}", (), (), (), 0)[0] for number in range(10_000)]

    assert len(logins) == 10_000
    assert logins.authenticate(first.client_id, secret, 1) is None
    assert logins.client(later[0].client_id, 1) == later[0]
    assert logins.client(later[-1].client_id, 1) == later[-1]


def test_expired_entries_are_dropped_first() -> None:
    """Expired entries are dropped before valid ones."""
    logins = PortalLogins()
    early, _ = logins.register("early", (), (), (), 80 * 86400)
    for number in range(9_999):
        logins.register(f"{number}", (), (), (), 0)
    logins.register("one more", (), (), (), 100 * 86400)

    assert len(logins) == 2
    assert logins.client(early.client_id, 100 * 86400) == early
