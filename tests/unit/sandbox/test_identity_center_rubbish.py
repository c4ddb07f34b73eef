"""Fuzzing IAM Identity Center: no request causes an internal failure, and none gets a token."""

from __future__ import annotations

import json
from random import Random
from urllib.parse import urlencode

import pytest

from dsops.request.messages import HttpRequest
from tests.identity_center import CHALLENGE, DEVICE_GRANT, REDIRECT, SCOPE, START_URL, Center, authorize_query
from tests.sandboxes import ACCOUNT, HOST, PEER
from tests.unit.sandbox.conftest import LabFactory

SEED = f"""
accounts: {{"{ACCOUNT}": {{}}}}
identity_center:
  users: {{alice: {{}}}}
  permission_sets: {{Reader: {{}}}}
  assignments:
  - {{account: "{ACCOUNT}", permission_set: Reader, users: [alice]}}
"""
NAMES = {
    "/client/register": ("clientName", "clientType", "scopes", "redirectUris", "grantTypes", "issuerUrl"),
    "/device_authorization": ("clientId", "clientSecret", "startUrl"),
    "/token": (
        "clientId",
        "clientSecret",
        "grantType",
        "deviceCode",
        "code",
        "refreshToken",
        "redirectUri",
        "codeVerifier",
        "scope",
    ),
}
VALUES: tuple[object, ...] = (
    None,
    True,
    1,
    -1,
    1.5,
    "",
    "x",
    "\ud800",
    "\x00",
    "\u00e9" * 5000,
    [],
    [None],
    ["a", 1],
    [[]],
    {},
    {"a": 1},
    "a" * 3000,
    10**400,
    DEVICE_GRANT,
    "authorization_code",
    "refresh_token",
    START_URL,
    REDIRECT,
)
PORTAL = ("/federation/credentials", "/assignment/accounts", "/assignment/roles")
TEXTS = (ACCOUNT, "Reader", "1", "-1", "x", "", "ZnJvbSAx", "9" * 400, "\u00e9")
PAGE_TEXTS = (REDIRECT, "http://[::1", "http://127.0.0.1:x/", "\r\n", "S256", CHALLENGE, "code", SCOPE, "\u00e9", "")
BODIES = (b"", b"user=alice", b"\xff\xfe=%ff", b"&" * 2000, b"user_code=x&user=alice", b"user=alice&answer=approve")


@pytest.fixture
def center(make_lab: LabFactory) -> Center:
    """The Identity Center of a sandbox with one user."""
    return Center.of(make_lab(SEED))


@pytest.mark.parametrize("seed", range(4))
def test_random_requests_give_no_token(center: Center, seed: int) -> None:
    """Random values in all parameters of a registered client get no token."""
    random = Random(seed)  # noqa: S311 - reproducible
    programs = center.register_for_browser(), center.register(SCOPE)
    for program in programs[1:]:
        center.start_device(program)
    center.code_for(programs[0], "alice")
    for _ in range(500):
        path = random.choice(list(NAMES))
        good = {**random.choice(programs).parameters, "clientName": "x", "clientType": "public"}
        document = {
            name: good[name] if name in good and random.random() < 0.8 else random.choice(VALUES)
            for name in NAMES[path]
            if random.random() < 0.8
        }
        body = json.dumps(document).encode()
        if random.random() < 0.05:
            body = body[: random.randrange(len(body))]
        headers = {"host": HOST, "content-type": "application/json"}
        answer = center.lab.sandbox.handle(HttpRequest("POST", path, "", headers, body, PEER)).answer
        assert answer.status in {400, 401} or (path != "/token" and answer.status == 200), (path, body)


@pytest.mark.parametrize("seed", range(2))
def test_the_portal_answers_random_requests(center: Center, seed: int) -> None:
    """The portal answers random parameters, with valid and invalid tokens, without a failure."""
    random = Random(seed)  # noqa: S311 - reproducible
    token = center.log_in("alice", SCOPE)
    for _ in range(500):
        names = random.choices(["account_id", "role_name", "max_result", "next_token"], k=random.randrange(5))
        query = urlencode([(name, random.choice(TEXTS)) for name in names])
        headers = {"host": HOST, "x-amz-sso_bearer_token": random.choice([token, "x", ""])}
        request = HttpRequest("GET", random.choice(PORTAL), query, headers, b"", PEER)
        assert center.lab.sandbox.handle(request).answer.status in {200, 400, 401, 403}, request


@pytest.mark.parametrize("seed", range(2))
def test_the_pages_answer_random_requests(center: Center, seed: int) -> None:
    """The pages answer random input, and redirect only to the client's URI."""
    random = Random(seed)  # noqa: S311 - reproducible
    program = center.register_for_browser()
    names = ("client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method", "scopes", "response_type")
    for _ in range(500):
        changed = {name: random.choice(PAGE_TEXTS) for name in random.choices(names, k=random.randrange(4))}
        query = authorize_query(program, **changed) if random.random() < 0.8 else urlencode(changed)
        method, body = random.choice(["GET", "POST"]), random.choice(BODIES)
        answer = center.browse(method, random.choice(["/authorize", "/_sandbox/device"]), query, body)
        location = dict(answer.headers).get("Location", REDIRECT)
        assert answer.status in {200, 302, 400, 404}, (query, body)
        assert location.startswith(REDIRECT), query
        assert location.isascii()
        assert location.isprintable()
