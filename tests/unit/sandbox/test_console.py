"""The console federation endpoint: which sessions get a sign-in token, and where a login redirects to."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox.control.endpoints import Control
from tests.sandboxes import ACCOUNT, Keys, Lab, Person
from tests.unit.sandbox.conftest import LabFactory

PAGE = "https://us-east-1.console.aws.amazon.com/console/home?region=us-east-1"
SEED = """
accounts:
  "111111111111":
    users:
      alice:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: ["sts:AssumeRole", "sts:GetFederationToken"],
           Resource: "*"}}
    roles:
      Reader:
        trust: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: {AWS: "111111111111"},
          Action: "sts:AssumeRole"}}
"""


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox where Alice may assume Reader and call GetFederationToken."""
    return make_lab(SEED)


@pytest.fixture
def control(lab: Lab) -> Control:
    """The control endpoints of that sandbox."""
    return Control(lab.sandbox)


@pytest.fixture
def reader(lab: Lab) -> Person:
    """Alice's session in the role Reader, which lasts an hour."""
    return lab.user("alice").assume(f"arn:aws:iam::{ACCOUNT}:role/Reader")


def ask(control: Control, **query: str) -> HttpAnswer:
    """Call the federation endpoint from this machine; return its response."""
    request = HttpRequest("GET", "/_sandbox/federation", urlencode(query), {"host": "127.0.0.1:4566"}, b"", "127.0.0.1")
    return control.handle(request)


def session_of(keys: Keys, **changes: str) -> str:
    """Return the Session parameter in AWS's format, with the given parts changed."""
    return json.dumps(
        {
            "sessionId": keys.access_key_id,
            "sessionKey": keys.secret_access_key,
            "sessionToken": keys.session_token or "",
            **changes,
        }
    )


def token_of(answer: HttpAnswer) -> str:
    """Return the sign-in token in the endpoint's response."""
    content: dict[str, Any] = json.loads(answer.body)
    assert answer.status == 200, content
    return str(content["SigninToken"])


def test_a_role_session_may_sign_in(control: Control, reader: Person) -> None:
    """A role session gets a sign-in token, and the token redirects to the page."""
    token = token_of(ask(control, Action="getSigninToken", Session=session_of(reader.keys)))
    answer = ask(control, Action="login", SigninToken=token, Destination=PAGE)
    assert (answer.status, dict(answer.headers)["Location"]) == (302, PAGE)


def test_a_federated_user_may_sign_in(control: Control, lab: Lab) -> None:
    """A federated user's session gets a sign-in token, but only if the request has no SessionDuration."""
    issued = lab.user("alice").call("sts", "GetFederationToken", Name="ann")["Credentials"]
    session = session_of(Keys.of(issued))
    assert ask(control, Action="getSigninToken", Session=session).status == 200
    assert ask(control, Action="getSigninToken", Session=session, SessionDuration="3600").status == 400


def test_a_user_session_may_not_sign_in(control: Control, lab: Lab) -> None:
    """GetSessionToken sessions and long-term keys can't sign in."""
    alice = lab.user("alice")
    issued = alice.call("sts", "GetSessionToken")["Credentials"]
    for keys in (Keys.of(issued), alice.keys):
        assert ask(control, Action="getSigninToken", Session=session_of(keys)).status == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"sessionKey": "wrong"},
        {"sessionKey": "\udcff"},
        {"sessionToken": "wrong"},
        {"sessionToken": ""},
        {"sessionId": "ASIAEXAMPLEEXAMPLE01"},
    ],
    ids=str,
)
def test_an_incomplete_session_may_not_sign_in(control: Control, reader: Person, changes: dict[str, str]) -> None:
    """Sign-in needs a complete session: key id, secret key and token of the same session."""
    assert ask(control, Action="getSigninToken", Session=session_of(reader.keys, **changes)).status == 400


@pytest.mark.parametrize("session", ["", "{", "[]", "{}", "null", '"text"', "[" * 100_000], ids=lambda text: text[:9])
def test_an_invalid_session_is_refused(control: Control, session: str) -> None:
    """An unreadable Session parameter gets a 400."""
    assert ask(control, Action="getSigninToken", Session=session).status == 400


@pytest.mark.parametrize(
    ("duration", "status"), [("900", 200), ("43200", 200), ("899", 400), ("43201", 400), ("x", 400), ("", 200)]
)
def test_a_duration_is_15_minutes_to_12_hours(control: Control, reader: Person, duration: str, status: int) -> None:
    """SessionDuration must be 900 to 43200 seconds; an empty one is ignored."""
    session = session_of(reader.keys)
    assert ask(control, Action="getSigninToken", Session=session, SessionDuration=duration).status == status


def test_an_expired_session_may_not_sign_in(control: Control, lab: Lab, reader: Person) -> None:
    """An expired session is refused both when the sign-in token is requested and when it is used."""
    session = session_of(reader.keys)
    lab.sandbox.move_clock(lab.sandbox.clock.now() + 3590)
    token = token_of(ask(control, Action="getSigninToken", Session=session))
    lab.sandbox.move_clock(lab.sandbox.clock.now() + 20)
    assert ask(control, Action="getSigninToken", Session=session).status == 400
    assert ask(control, Action="login", SigninToken=token, Destination=PAGE).status == 400


def test_a_sign_in_token_is_valid_for_15_minutes(control: Control, lab: Lab, reader: Person) -> None:
    """A sign-in token expires after fifteen minutes, although the session lasts longer."""
    token = token_of(ask(control, Action="getSigninToken", Session=session_of(reader.keys)))
    lab.sandbox.move_clock(lab.sandbox.clock.now() + 899)
    assert ask(control, Action="login", SigninToken=token, Destination=PAGE).status == 302
    lab.sandbox.move_clock(lab.sandbox.clock.now() + 1)
    assert ask(control, Action="login", SigninToken=token, Destination=PAGE).status == 400


def test_a_foreign_sign_in_token_is_refused(control: Control, lab: Lab) -> None:
    """A forged sign-in token, or a token sealed for another purpose, is refused."""
    sealed = lab.sandbox.sts.seal.seal("context", {"key_id": "x", "token": "y"}, lab.sandbox.clock.now() + 60)
    for token in ("", "rubbish", sealed):
        assert ask(control, Action="login", SigninToken=token, Destination=PAGE).status == 400


@pytest.mark.parametrize("page", ["", "http://x", "javascript:x", "https://x\r\nA: b", "https://\xe4"])
def test_a_destination_is_an_https_url(control: Control, reader: Person, page: str) -> None:
    """The destination must be a plain https URL, because it is sent in the Location header."""
    token = token_of(ask(control, Action="getSigninToken", Session=session_of(reader.keys)))
    assert ask(control, Action="login", SigninToken=token, Destination=page).status == 400


@pytest.mark.parametrize("action", ["", "logout"])
def test_an_unknown_action_is_refused(control: Control, action: str) -> None:
    """Actions other than getSigninToken and login are refused."""
    assert ask(control, Action=action).status == 400
