"""The sign-in pages: content, protection against other web pages, and JSON requests that replace them."""

from __future__ import annotations

import json
import re
from urllib.parse import urlencode

import pytest

from dsops.request.messages import HttpRequest
from tests.identity_center import REDIRECT, SCOPE, Center, authorize_query, brought
from tests.markup import read
from tests.sandboxes import ACCOUNT, HOST, Lab
from tests.unit.graph.test_svg import contrast
from tests.unit.sandbox.conftest import LabFactory

SEED = f"""
accounts: {{"{ACCOUNT}": {{}}}}
identity_center:
  users: {{alice: {{}}, bob: {{}}}}
  permission_sets: {{Reader: {{}}}}
  assignments:
  - {{account: "{ACCOUNT}", permission_set: Reader, users: [alice, bob]}}
"""
YES = {"user": "alice", "answer": "approve"}


@pytest.fixture
def center(make_lab: LabFactory) -> Center:
    """The Identity Center of a sandbox with two users."""
    return Center.of(make_lab(SEED))


def form(**fields: str) -> bytes:
    """Return the fields encoded as a browser submits a form."""
    return urlencode(fields).encode()


def headers_of(center: Center) -> dict[str, str]:
    """Return the response headers of the device page."""
    return dict(center.browse("GET", "/_sandbox/device").headers)


# --- authorization code flow -----------------------------------------------------------------------------------------


def test_the_page_shows_users_and_client(center: Center) -> None:
    """The page shows the client's name, HTML-escaped, all users and two buttons."""
    program = center.register_for_browser(clientName="<script>alert(1)</script>")
    answer = center.authorize(program)
    text = answer.body.decode()

    assert answer.status == 200
    assert "&lt;script&gt;" in text
    assert "<script>" not in text
    assert "<option>alice</option><option>bob</option>" in text
    assert 'value="approve"' in text
    assert 'value="deny"' in text
    assert "not AWS" in text


def test_deny_comes_before_allow_and_looks_different(center: Center) -> None:
    """Deny is the first button, which a browser uses if a form is submitted without a button (HTML, 4.10.22.2)."""
    page = read(center.authorize(center.register_for_browser()).body.decode())
    assert [(button["class"], button["value"], button.text) for button in page.all("button")] == [
        ("deny", "deny", "Deny"),
        ("allow", "approve", "Allow"),
    ]
    style = page.one("style").text
    assert ".deny { border-color: var(--stop)" in style
    assert ".allow { border-color: var(--go); background: var(--go)" in style
    assert not page.all("script")


def test_colours_of_the_pages_have_contrast(center: Center) -> None:
    """Text and buttons have a contrast of at least 7:1 in light and dark mode (WCAG 2.2, 1.4.6)."""
    style = read(center.authorize(center.register_for_browser()).body.decode()).one("style").text
    palettes = [
        dict(re.findall(r"--([\w-]+): (#\w+)", rule)) for rule in re.findall(r":root {(.*?)}", style, re.DOTALL)
    ]
    assert len(palettes) == 2
    for palette in palettes:
        colours = {name: "#" + "".join(c * 2 for c in v[1:]) if len(v) == 4 else v for name, v in palette.items()}
        for ink, paper in (("ink", "paper"), ("ink", "box"), ("soft", "paper"), ("stop", "paper"), ("on-go", "go")):
            assert contrast(colours[ink], colours[paper]) >= 7, (ink, paper)


@pytest.mark.parametrize(
    ("scopes", "granted"),
    [
        ([SCOPE], ["list the accounts and permission sets that are assigned to you", "get temporary credentials for "]),
        ([SCOPE, "x:y_z"], ["list the accounts ", "get temporary credentials for ", "use the scope x:y_z"]),
        (["x:y_z"], ["use the scope x:y_z"]),
    ],
)
def test_the_page_says_what_is_granted_to_which_program(center: Center, scopes: list[str], granted: list[str]) -> None:
    """The page names the program and lists what its scopes permit."""
    program = center.register_for_browser(*scopes, clientName="my-tool")
    page = read(center.authorize(program, scopes=" ".join(scopes)).body.decode())
    assert "the program my-tool can, for 8 hours:" in page.one("main").text
    items = [item.text for item in page.all("li")]
    assert len(items) == len(granted)
    assert all(item.startswith(words) for item, words in zip(items, granted, strict=True))


def test_approval_redirects_with_code_and_state(center: Center) -> None:
    """Approval redirects to the requested URI with a code and the unchanged state."""
    program = center.register_for_browser()
    found = brought(center.authorize(program, "POST", YES))
    assert found.keys() == {"code", "state"}
    assert found["state"] == "st&te"


def test_denial_redirects_with_an_error(center: Center) -> None:
    """Denial redirects with OAuth's access_denied and without a code."""
    program = center.register_for_browser()
    found = brought(center.authorize(program, "POST", {"user": "alice", "answer": "deny"}))
    assert found == {"error": "access_denied", "state": "st&te"}


def test_opening_the_page_gives_no_code(center: Center) -> None:
    """A code is issued only if the form is submitted with an existing user; opening the page issues none."""
    program = center.register_for_browser()
    assert center.authorize(program).status == 200
    assert center.authorize(program, "POST", {}).status == 400
    assert center.authorize(program, "POST", {"user": "carol", "answer": "approve"}).status == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "x"},
        {"redirect_uri": "http://example.com/oauth/callback"},
        {"redirect_uri": "http://127.0.0.1:5/x"},
        {"redirect_uri": "http://localhost:5/oauth/callback"},
        {"redirect_uri": ""},
        {"redirect_uri": "http://127.0.0.1:5/oauth/callback?x=1"},
        {"redirect_uri": REDIRECT + "\r\nX: y"},
        {"redirect_uri": "http://[::1"},
    ],
    ids=str,
)
def test_redirects_go_to_registered_addresses_only(center: Center, changes: dict[str, str]) -> None:
    """The server never redirects to an invalid redirect URI; the page shows the error (RFC 6749, 4.1.2.1)."""
    program = center.register_for_browser()
    for method in ("GET", "POST"):
        answer = center.authorize(program, method, YES, **changes)
        assert answer.status == 400
        assert "Location" not in dict(answer.headers)


def test_a_device_client_has_no_authorization_page(center: Center) -> None:
    """A client without the authorization code grant has no authorization page."""
    assert center.authorize(center.register(SCOPE), "POST", YES).status == 400
    other = center.register(SCOPE, redirectUris=["http://127.0.0.1/oauth/callback"])
    assert center.authorize(other, "POST", YES).status == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": ""}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scopes": "codewhisperer:completions"}, "invalid_scope"),
    ],
    ids=str,
)
def test_invalid_authorization_requests_are_reported_to_the_client(
    center: Center, changes: dict[str, str], error: str
) -> None:
    """Errors, such as a request without S256, are reported to the client by a redirect to the client's URI."""
    program = center.register_for_browser()
    assert brought(center.authorize(program, "GET", None, **changes)) == {"error": error, "state": "st&te"}


def test_both_names_of_the_scope_parameter_are_accepted(center: Center) -> None:
    """Both `scopes` (AWS CLI) and `scope` (OAuth) are accepted; the default is the registered scopes."""
    program = center.register_for_browser()
    assert brought(center.authorize(program, "POST", YES, scopes="", scope=SCOPE))["code"]
    assert brought(center.authorize(program, "POST", YES, scopes=""))["code"]
    assert brought(center.authorize(program, scopes="", scope="other"))["error"] == "invalid_scope"


# --- device code flow ------------------------------------------------------------------------------------------------


def test_a_code_in_the_url_fills_the_field(center: Center) -> None:
    """A code in the URL opens the form for its login, or fills in the code field; it does not approve the login."""
    program = center.register()
    started = center.start_device(program)
    page = center.browse("GET", "/_sandbox/device", f"user_code={started['userCode']}").body.decode()
    assert f'value="{started["userCode"]}"' in page
    assert f'<span class="code">{started["userCode"]}</span>' in page
    assert "<b>botocore-client-dev</b>" in page
    lower = str(started["userCode"]).lower().replace("-", " ")
    assert 'value="deny"' in center.browse("GET", "/_sandbox/device", urlencode({"user_code": lower})).body.decode()
    assert b"<b>x" not in center.browse("GET", "/_sandbox/device", "user_code=%22><b>x").body
    assert center.poll_refused(program, started)[0].startswith("AuthorizationPending")


@pytest.mark.parametrize(("answer", "outcome"), [("approve", "signed in as"), ("deny", "was denied")])
def test_the_form_decides(center: Center, answer: str, outcome: str) -> None:
    """Submitting the form approves or denies the device login and shows the result."""
    program = center.register()
    started = center.start_device(program)
    body = form(user_code=started["userCode"], user="bob", answer=answer)
    page = center.browse("POST", "/_sandbox/device", body=body, origin=f"http://{HOST}", sec_fetch_site="same-origin")

    assert page.status == 200
    assert outcome in page.body.decode()
    if answer == "approve":
        assert center.poll(program, started)["accessToken"]
    else:
        assert center.poll_refused(program, started)[0].startswith("AccessDenied")


def test_the_page_reports_a_wrong_code_or_user(center: Center) -> None:
    """A wrong code or user is reported on the page with what to do, and the login stays pending."""
    program = center.register()
    started = center.start_device(program)
    wrong_code = center.browse("POST", "/_sandbox/device", body=form(user_code="BBBB-BBBB", user="alice"))
    wrong_user = center.browse("POST", "/_sandbox/device", body=form(user_code=started["userCode"], user="<b>"))

    assert (wrong_code.status, wrong_user.status) == (404, 400)
    assert b"<b>" not in wrong_user.body
    assert b"choose one of the users" in wrong_user.body
    opened = center.browse("GET", "/_sandbox/device", "user_code=BBBB-BBBB")
    assert (opened.status, opened.body) == (404, wrong_code.body)
    page = read(opened.body.decode())
    assert page.one("p", "problem").text.endswith("or start the login again in the program to get a new code.")
    assert (page.one("form")["method"], page.one("input")["value"]) == ("get", "BBBB-BBBB")
    assert center.poll_refused(program, started)[0].startswith("AuthorizationPending")


# --- security of the pages -------------------------------------------------------------------------------------------


def test_other_web_pages_may_not_decide(center: Center) -> None:
    """A form from another page is refused by `Origin` or `Sec-Fetch-Site` (CSRF)."""
    program = center.register()
    started = center.start_device(program)
    body = form(user_code=started["userCode"], user="alice", answer="approve")
    for sent in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:8080"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ):
        assert center.browse("POST", "/_sandbox/device", body=body, **sent).status == 403
        query = authorize_query(center.register_for_browser())
        assert center.browse("POST", "/authorize", query, form(**YES), **sent).status == 403
    assert center.poll_refused(program, started)[0].startswith("AuthorizationPending")


def test_a_link_may_open_the_page(center: Center) -> None:
    """A link on another site may open the page, which only shows the form."""
    query = authorize_query(center.register_for_browser())
    assert center.browse("GET", "/authorize", query, sec_fetch_site="cross-site").status == 200


def test_the_pages_are_for_this_machine_only(center: Center) -> None:
    """Requests from other machines or with rebound host names are refused."""
    query = authorize_query(center.register_for_browser())
    for peer, host in (("203.0.113.7", HOST), ("127.0.0.1", "evil.example:4566")):
        for path in ("/authorize", "/_sandbox/device"):
            request = HttpRequest("GET", path, query, {"host": host}, b"", peer)
            assert center.control.handle(request).status == 403


def test_the_pages_are_neither_framed_nor_cached(center: Center) -> None:
    """The pages can't be framed or cached, and browsers still send Origin (`no-referrer` would make it `null`)."""
    found = headers_of(center)
    assert "frame-ancestors 'none'" in found["Content-Security-Policy"]
    assert "default-src 'none'" in found["Content-Security-Policy"]
    assert (found["X-Frame-Options"], found["Cache-Control"]) == ("DENY", "no-store")
    assert found["Referrer-Policy"] == "same-origin"


# --- JSON answers for programs ---------------------------------------------------------------------------------------


def test_a_program_decides_by_code_or_url(center: Center) -> None:
    """A program can approve by user code, by the page's URL or by the authorization URL."""
    program, browser = center.register(), center.register_for_browser()
    first, second = center.start_device(program), center.start_device(program)
    assert center.approve(first["userCode"], "alice") == {"user": "alice", "redirect": ""}
    assert center.approve(second["verificationUriComplete"], "bob") == {"user": "bob", "redirect": ""}
    address = f"http://{HOST}/authorize?{authorize_query(browser)}"
    redirect = str(center.approve(address, "bob")["redirect"])
    code = redirect.partition("code=")[2].partition("&")[0]

    assert redirect.startswith(f"{REDIRECT}?code=")
    assert center.call("sso-oidc", "CreateToken", **center.exchange(browser, code))["accessToken"]
    denied = center.approve(address, is_denied=True)
    assert denied == {"user": "", "redirect": f"{REDIRECT}?error=access_denied&state=st%26te"}


@pytest.mark.parametrize(
    ("code", "status", "words"),
    [
        ("BBBB-BBBB", 404, "no login is pending for that code"),
        ("http://127.0.0.1:4566/other", 400, "must be a user code, or a link"),
        ("http://127.0.0.1:4566/authorize?client_id=x", 400, "no client with that id"),
        ("http://127.0.0.1:4566/_sandbox/device", 404, "no login is pending"),
    ],
)
def test_invalid_decisions_are_reported(center: Center, code: str, status: int, words: str) -> None:
    """A code or URL that can't be approved is refused with the reason."""
    assert words in center.approve(code, "alice", status=status)["error"]


def test_a_url_with_invalid_scopes_is_reported(center: Center) -> None:
    """An invalid authorization URL is refused with the error and without a code."""
    address = f"http://{HOST}/authorize?{authorize_query(center.register_for_browser(), code_challenge='')}"
    assert "invalid_request" in center.approve(address, "alice", status=400)["error"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("", "name a user: there are alice, bob"), ("alic", "did you mean alice?"), ("zoe", "it has alice, bob")],
)
def test_the_user_must_exist(center: Center, name: str, words: str) -> None:
    """With several users the request must name an existing user."""
    started = center.start_device(center.register())
    assert words in center.approve(started["userCode"], name, status=404)["error"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"user": "alice"}', b"[" * 90_000], ids=lambda b: b[:9])
def test_an_invalid_body_is_reported(center: Center, body: bytes) -> None:
    """An unreadable approval request gets a 400."""
    assert center.browse("POST", "/_sandbox/approve", body=body).status == 400


def test_the_only_user_need_not_be_named(make_lab: LabFactory) -> None:
    """If there is only one user, the request need not name the user."""
    center = Center.of(make_lab(SEED.replace("alice: {}, bob: {}", "alice: {}").replace("[alice, bob]", "[alice]")))
    assert center.approve(center.start_device(center.register())["userCode"])["user"] == "alice"


def test_pending_logins_are_listed(center: Center) -> None:
    """Pending logins are listed until they are approved, denied or expired."""
    program = center.register()
    first, second = center.start_device(program), center.start_device(program)
    center.approve(first["userCode"], "alice")

    assert json.loads(center.browse("GET", "/_sandbox/logins").body) == {
        "waiting": [{"user_code": second["userCode"], "client": "botocore-client-dev"}]
    }
    center.lab.sandbox.move_clock(center.lab.sandbox.clock.now() + 600)
    assert json.loads(center.browse("GET", "/_sandbox/logins").body) == {"waiting": []}


def test_other_web_pages_may_not_approve(center: Center) -> None:
    """Other web pages can't approve a login."""
    body = json.dumps({"code": "BBBB-BBBB", "user": "alice"}).encode()
    assert center.browse("POST", "/_sandbox/approve", body=body, origin=f"http://{HOST}").status == 403


# --- automatic approval ----------------------------------------------------------------------------------------------


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox where every login is approved as bob at once."""
    return make_lab(SEED + "  auto_approve: bob\n")


def test_with_auto_approve_a_device_does_not_wait(lab: Lab) -> None:
    """With auto_approve a device login is approved at its first poll."""
    center = Center.of(lab)
    center.peer = "127.0.0.1"
    program = center.register()
    token = center.poll(program, center.start_device(program))["accessToken"]
    assert center.role(token, ACCOUNT, "Reader").arn.endswith("/bob")


def test_auto_approve_is_for_this_machine_only(lab: Lab) -> None:
    """auto_approve does not apply to requests from other machines; their logins stay pending."""
    center = Center.of(lab)
    program = center.register()
    started = center.start_device(program)
    assert center.poll_refused(program, started)[0].startswith("AuthorizationPending")
    center.approve(started["userCode"], "alice")
    assert center.role(center.poll(program, started)["accessToken"], ACCOUNT, "Reader").arn.endswith("/alice")


def test_with_auto_approve_a_browser_is_redirected_at_once(lab: Lab) -> None:
    """With auto_approve the authorization URL redirects at once, so that `curl -L` can log in."""
    center = Center.of(lab)
    program = center.register_for_browser()
    code = brought(center.authorize(program))["code"]
    token = center.call("sso-oidc", "CreateToken", **center.exchange(program, code))["accessToken"]
    assert center.role(token, ACCOUNT, "Reader").arn.endswith("/bob")


def test_without_an_identity_center_there_are_no_pages(make_lab: LabFactory) -> None:
    """Without an Identity Center the pages answer with a 404 that names the missing section."""
    center = Center.of(make_lab(f'accounts: {{"{ACCOUNT}": {{}}}}'))
    for method, path in (("GET", "/_sandbox/device"), ("GET", "/_sandbox/logins"), ("POST", "/_sandbox/approve")):
        answer = center.browse(method, path, body=b'{"code": "x"}' if method == "POST" else b"")
        assert answer.status == 404
        assert b"identity_center" in answer.body
