"""Another site's page, another name for 127.0.0.1, or a frame: none of them uses or reads the sandbox's control API."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox import control, page
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.server import SandboxServer, responder
from dsops.sandbox.seed.model import Seed
from tests.sandboxes import Lab

HOST = "127.0.0.1:4566"
OWN = f"http://{HOST}"
API: dict[str, Any] = yaml.safe_load((Path(str(control.__file__)).parent / "openapi.yaml").read_text(encoding="utf-8"))
STATIC = Path(str(page.__file__)).parent / "static"
OPEN = ("ui", "device", "/authorize")
"""The endpoints that are pages for browsers. They check by themselves what a form of theirs sends."""
CALLS = [
    (method.upper(), path.partition("{")[0] + ("1" if "{" in path else ""))
    for path, methods in API["paths"].items()
    for method in methods
    if not path.removeprefix("/_sandbox/").startswith(OPEN)
]
FORM = "application/x-www-form-urlencoded"
ATTACKS: dict[str, dict[str, str]] = {
    "no token": {"origin": OWN, "sec-fetch-site": "same-origin"},
    "empty token": {"origin": OWN, "sec-fetch-site": "same-origin", "x-sandbox-page-token": ""},
    "token of another run": {"origin": OWN, "sec-fetch-site": "same-origin", "x-sandbox-page-token": "A" * 43},
    "token beyond ASCII": {"origin": OWN, "sec-fetch-site": "same-origin", "x-sandbox-page-token": "é" * 43},
    "another site's simple POST": {"origin": "http://evil.example", "content-type": "text/plain"},
    "another site's form": {"origin": "http://evil.example", "content-type": FORM, "sec-fetch-mode": "navigate"},
    "a sandboxed frame's form": {"origin": "null", "content-type": FORM},
    "fetch with no-cors": {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
    "an image": {"sec-fetch-site": "cross-site", "sec-fetch-dest": "image"},
    "another port of this machine": {"origin": "http://127.0.0.1:8000", "sec-fetch-site": "same-site"},
    "the same port by https": {"origin": f"https://{HOST}", "sec-fetch-site": "cross-site"},
    "WebSocket": {"origin": "http://evil.example", "connection": "Upgrade", "upgrade": "websocket"},
    "EventSource": {"origin": "http://evil.example", "accept": "text/event-stream"},
    "a name of this machine": {"host": "evil.example:4566"},
    "a name that begins as localhost": {"host": "localhost.evil.example:4566"},
    "a name that begins as 127.0.0.1": {"host": "127.0.0.1.evil.example"},
    "user information before the host": {"host": "127.0.0.1@evil.example"},
    "two hosts": {"host": f"{HOST}, evil.example"},
    "no host": {"host": ""},
}


@pytest.fixture
def lab() -> Lab:
    """A sandbox with the default account."""
    return Lab.of(Seed())


def send(lab: Lab, endpoints: Control, method: str, path: str, **headers: str) -> HttpAnswer:
    """Send a request from this machine."""
    path, _, query = path.partition("?")
    sent = {"host": HOST, **headers}
    return responder(lab.sandbox, endpoints)(HttpRequest(method, path, query, sent, b"{}", "127.0.0.1"))


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_endpoint_answers_another_page(lab: Lab, attack: str) -> None:
    """Each endpoint refuses each kind of request that another page can send, and changes and tells nothing."""
    endpoints = Control(lab.sandbox)
    before = (lab.sandbox.judge.made, lab.sandbox.events.added, lab.sandbox.clock.wall() is not None)
    assert len(CALLS) >= 25
    for method, path in CALLS:
        answer = send(lab, endpoints, method, path, **ATTACKS[attack])
        assert answer.status == 403, (method, path)
        assert set(json.loads(answer.body)) == {"error"}, (method, path)
        assert endpoints.page_token not in answer.body.decode()
    assert (lab.sandbox.judge.made, lab.sandbox.events.added, True) == before


def test_the_right_page_is_answered(lab: Lab) -> None:
    """The counter-example: with the token and from the sandbox's own origin, no endpoint answers 403."""
    endpoints = Control(lab.sandbox)
    headers = {"origin": OWN, "sec-fetch-site": "same-origin", "x-sandbox-page-token": endpoints.page_token}
    told = ("container-credentials", "pod-credentials", "federation", "github")  # these have tokens of their own
    for method, path in CALLS:
        if not path.removeprefix("/_sandbox/").startswith(told):
            assert send(lab, endpoints, method, path, **headers).status != 403, (method, path)


def test_no_answer_lets_another_origin_read_it(lab: Lab) -> None:
    """No answer has a CORS header, to a preflight neither; JSON is no script, and is not kept by caches."""
    endpoints = Control(lab.sandbox)
    preflight = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    private = {**preflight, "access-control-request-private-network": "true"}
    for method, path in CALLS:
        for verb, headers in ((method, {}), ("OPTIONS", preflight), ("OPTIONS", private)):
            answer = send(lab, endpoints, verb, path, **headers)
            named = {name.lower(): value for name, value in answer.headers}
            assert not [name for name in named if name.startswith("access-control-")]
            if named.get("content-type") == "application/json":
                assert named["x-content-type-options"] == "nosniff"
                assert named["cross-origin-resource-policy"] == "same-origin"
                assert named["cache-control"] == "no-store"
            assert "set-cookie" not in named


def test_no_answer_has_the_token(lab: Lab) -> None:
    """A program that may ask the control API does not learn the page's token from it."""
    endpoints = Control(lab.sandbox)
    for method, path in CALLS:
        answer = send(lab, endpoints, method, path)
        assert endpoints.page_token not in answer.body.decode("utf-8", "replace")
        assert endpoints.page_token not in str(answer.headers)


def test_the_page_has_no_inline_script_and_no_markup_from_text() -> None:
    """The policy allows scripts of the sandbox alone, and no script makes markup or code from a text."""
    html = (STATIC / "page.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]* src=)", html) == []
    assert re.findall(r"\son[a-z]+=|\sstyle=|<style|javascript:|https?://", html) == []
    scripts = sorted(STATIC.glob("*.js"))
    assert len(scripts) >= 9
    markup = r"innerHTML|outerHTML|insertAdjacentHTML|document\.write"
    wrong = markup + r"|\beval\(|new Function|setTimeout\(\s*[\"'`]|localStorage|document\.cookie"
    for script in scripts:
        assert re.findall(wrong, script.read_text(encoding="utf-8")) == [], script.name


def test_the_content_security_policy_is_strict(lab: Lab) -> None:
    """Every file of the page has the policy: nothing inline, no eval, no frame, no other host, no referrer."""
    endpoints = Control(lab.sandbox)
    for name in ("", *(f"/{file.name}" for file in STATIC.iterdir())):
        headers = dict(send(lab, endpoints, "GET", f"/_sandbox/ui{name}").headers)
        policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert policy["require-trusted-types-for"] == "'script'"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["X-Content-Type-Options"] == "nosniff"


# --- over a connection ---------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A listening sandbox."""
    with open_server(Seed()) as listening:
        yield listening


def status_of(server: SandboxServer, *lines: str) -> str:
    """The status of the response to a raw request."""
    text = "".join(f"{line}\r\n" for line in (*lines, "Connection: close", ""))
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(text.encode())
        return connection.makefile("rb").readline().decode().split()[1]


def test_hosts_over_a_connection(server: SandboxServer, capfd: pytest.CaptureFixture[str]) -> None:
    """Two Host headers, a host in the request target, and no Host are refused; the token is not logged."""
    health, right = "GET /_sandbox/health HTTP/1.1", f"Host: 127.0.0.1:{server.port}"
    token = f"X-Sandbox-Page-Token: {server.control.page_token}"

    assert status_of(server, health, right) == "200"
    assert status_of(server, health, right, f"Origin: http://127.0.0.1:{server.port}", token) == "200"
    assert status_of(server, health, "Host: evil.example") == "403"
    assert status_of(server, health, right, "Host: evil.example") in {"400", "403"}
    assert status_of(server, "GET http://evil.example/_sandbox/health HTTP/1.1", "Host: evil.example") in {"403", "405"}
    assert status_of(server, "GET /_sandbox/health HTTP/1.0") in {"400", "403", "505"}
    assert status_of(server, health, right, "Origin: http://evil.example", token) == "403"
    told = capfd.readouterr()
    assert server.control.page_token not in told.out + told.err
