"""The page's picture of the accounts in Chromium: who can become which role, by keyboard alone, and the clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests.browser import CHROMIUM, Browser, browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")

ACCOUNT, OTHER = "111111111111", "222222222222"
ALICE, JUMP = f"arn:aws:iam::{ACCOUNT}:user/alice", f"arn:aws:iam::{ACCOUNT}:role/Jump"
DEPLOY, PARTNER = (f"arn:aws:iam::{OTHER}:role/{name}" for name in ("Deploy", "Partner"))
ALLOW = 'Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole"'
ASSUME = f'policies: [{{{ALLOW}, Resource: "*"}}}}]'
SEED = f"""
accounts:
  "{ACCOUNT}":
    users: {{alice: {{{ASSUME}}}, bob: {{}}}}
    roles:
      Jump: {{trust: {{{ALLOW}, Principal: {{AWS: "{ALICE}"}}}}}}, {ASSUME}}}
  "{OTHER}":
    roles:
      Deploy: {{trust: {{{ALLOW}, Principal: {{AWS: "{JUMP}"}}}}}}}}
      Partner: {{trust: {{{ALLOW}, Principal: {{AWS: "{JUMP}"}},
                Condition: {{StringEquals: {{"sts:ExternalId": "hush-external"}}}}}}}}}}
"""


@contextmanager
def served(port: int = 0, seed: str = SEED) -> Iterator[SandboxServer]:
    """A sandbox in which Alice can become Deploy through Jump, and Partner with an external ID."""
    with open_server(read_seed(seed, "seed.yaml"), port=port) as server:
        yield server


def client(server: SandboxServer, service: str, name: str) -> Any:
    """boto3's client of a user of the first account."""
    user = server.sandbox.world.user_named(ACCOUNT, name)
    assert user is not None
    key_id, secret = server.sandbox.world.keys_of(user)[0]
    keys = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}
    return boto3.client(service, endpoint_url=server.url, region_name="us-east-1", **keys)


def open_world(page: Browser, server: SandboxServer) -> None:
    """Open the page, and its view of the accounts."""
    page.open(server.page_link)
    page.wait_for("document.querySelector('#status').innerText === 'connected'")
    page.value("document.querySelector('[data-view=world-view]').click()")
    page.wait_for("document.querySelectorAll('.node').length")


def node(arn: str) -> str:
    """The JavaScript expression for a principal of the picture."""
    return f"document.querySelector('.node[data-arn=\"{arn}\"]')"


def choose(page: Browser, *arns: str) -> None:
    """Click principals of the picture."""
    for arn in arns:
        page.value(f"{node(arn)}.click()")


def write(page: Browser, name: str, text: str) -> None:
    """Write text into a field of the view."""
    field = f"document.querySelector('#world-view [name={name}]')"
    page.value(f"{field}.value = {json.dumps(text)}; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))")


def drawn(page: Browser) -> list[str]:
    """The ARNs of the principals in the picture."""
    return list(
        json.loads(str(page.value("JSON.stringify([...document.querySelectorAll('.node')].map(e => e.dataset.arn))")))
    )


def focused_label(page: Browser) -> str:
    """What a screen reader says of the focused element."""
    return str(page.value("document.activeElement.getAttribute('aria-label') ?? document.activeElement.innerText"))


def test_the_way_is_found_by_keyboard_alone(tmp_path: Path) -> None:
    """Tab leads into the picture, arrow keys move, Enter chooses both ends, and Escape clears."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        page.resize(1280, 900)
        open_world(page, server)
        page.value("document.querySelector('#move-clock button:last-of-type').focus()")
        page.press("Tab")
        assert focused_label(page) == "user alice, 0 arrows come in, 1 go out"
        page.press("Enter")
        page.wait_for("document.querySelector('#linked').innerText.includes('It can become')")
        assert "Now choose the role" in page.text("#hint")
        page.press("ArrowRight")
        assert focused_label(page) == "role Jump, 1 arrows come in, 2 go out"
        page.press("ArrowRight")
        assert focused_label(page).startswith("role Deploy, ")
        page.press("Enter")
        page.wait_for("document.querySelector('#answer').innerText.includes('can become')")
        assert page.text("#told") == "alice can become Deploy now, through 1 role."
        assert page.text("#answer .steps").split("\n") == ["alice → Jump", "now", "Jump → Deploy", "now"]
        assert page.value("document.querySelectorAll('.arrow.on').length") == 2
        assert page.value("document.querySelector('#told').getAttribute('role')") == "status"
        assert focused_label(page).startswith("role Deploy, chosen as to, ")
        page.press("ArrowDown")
        assert focused_label(page).startswith("role Partner, ")
        page.press("ArrowLeft")
        page.press("ArrowUp")
        page.press("Escape")
        page.wait_for("document.querySelector('#answer').innerText === ''")
        assert page.text("#from") == page.text("#to") == "none"
        assert page.value("document.querySelectorAll('.node[aria-pressed=true]').length") == 0


def test_the_open_condition_is_named(tmp_path: Path) -> None:
    """A way that needs an external ID names the key, not the value; the other direction has no way and says why."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        open_world(page, server)
        choose(page, ALICE, PARTNER)
        page.wait_for("!!document.querySelector('.verdict.conditional')")
        assert page.text(".verdict") == "alice can become Partner only with external ID, through 1 role."
        assert "StringEquals sts:ExternalId ***" in page.text("#answer")
        assert "hush-external" not in str(page.value("document.documentElement.outerHTML"))
        choose(page, JUMP, PARTNER)
        page.wait_for("document.querySelector('.verdict')?.innerText.startsWith('Jump can')")
        page.value("document.querySelector('#turn').click()")
        page.wait_for("!!document.querySelector('.verdict.no')")
        assert "the role trust policy names" in page.text(".refusals")


def test_a_search_narrows_the_picture(tmp_path: Path) -> None:
    """The search and the account select what is drawn; Enter moves the focus to the first principal."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        open_world(page, server)
        write(page, "search", "role/Part")
        page.wait_for("document.querySelector('#found').innerText === '1 principal'")
        assert set(drawn(page)) == {PARTNER, JUMP}
        assert page.value(f"{node(JUMP)}.classList.contains('aside')") is True
        page.value("document.querySelector('#world-view [name=search]').focus()")
        page.press("Enter")
        page.wait_for("document.activeElement.classList.contains('node')")
        write(page, "search", "nothing-has-it")
        page.wait_for("document.querySelector('#found').innerText === 'Nothing has such a name.'")
        write(page, "search", "")
        write(page, "account", OTHER)
        page.wait_for(f"!{node(ALICE)} && !!{node(DEPLOY)}")


def test_moving_the_clock_ends_sessions(tmp_path: Path) -> None:
    """A session counts down; after an hour it is shown as expired, on a second page too; the machine's clock stays."""
    with (
        served() as server,
        browser(tmp_path / "first", has_scripts=True) as page,
        browser(tmp_path / "second", has_scripts=True) as other,
    ):
        client(server, "sts", "alice").assume_role(RoleArn=JUMP, RoleSessionName="alice@example.com")
        for each in (page, other):
            open_world(each, server)
            each.wait_for(f"{node(JUMP)}.innerText.includes(':')")
        choose(page, JUMP)
        page.wait_for("document.querySelector('#sessions').innerText.includes('alice@example.com')")
        left = page.text("#sessions .time")
        page.wait_for(f"document.querySelector('#sessions .time').innerText !== {json.dumps(left)}")
        assert "1 session, " in str(page.value(f"{node(JUMP)}.getAttribute('aria-label')"))
        write(page, "by", "soon")
        page.value("document.querySelector('#move-clock').requestSubmit()")
        page.wait_for("document.querySelector('#clock-note').innerText.startsWith('write 45m')")
        write(page, "by", "30m")
        page.value("document.querySelector('#move-clock').requestSubmit()")
        page.wait_for("document.querySelector('#clock-note').innerText.startsWith('moved to')")
        assert "left" in page.text("#sessions .time")
        page.value("document.querySelector('[data-by=\"1h\"]').click()")
        for each in (page, other):
            each.wait_for(f"{node(JUMP)}.innerText.includes('expired')")
        assert page.text("#sessions .time") == "expired"


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (1280, "light"), (1280, "dark")])
def test_it_fits_the_window(tmp_path: Path, width: int, scheme: str) -> None:
    """The page is never wider than the window, with long names, a chosen way and the times of sessions."""
    long = "a-role-with-a-name-that-has-sixty-four-letters-and-no-space-in-it"[:64]
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        statement = {"Effect": "Allow", "Principal": {"AWS": JUMP}, "Action": "sts:AssumeRole"}
        trust = {"Version": "2012-10-17", "Statement": statement}
        client(server, "iam", "admin").create_role(RoleName=long, AssumeRolePolicyDocument=json.dumps(trust))
        client(server, "sts", "alice").assume_role(RoleArn=JUMP, RoleSessionName="s" * 64)
        page.resize(width, 800)
        page.prefer(scheme)
        open_world(page, server)
        assert page.overflow() <= 0
        choose(page, ALICE, f"arn:aws:iam::{ACCOUNT}:role/{long}")
        page.wait_for("!!document.querySelector('.verdict')")
        assert page.overflow() <= 0
        choose(page, JUMP)
        page.wait_for("document.querySelector('#sessions').innerText.includes('sss')")
        assert page.overflow() <= 0
        for text, told in (("15m", "moved to"), ("x" * 90, "write 45m")):
            write(page, "by", text)
            page.value("document.querySelector('#move-clock').requestSubmit()")
            page.wait_for(f"document.querySelector('#clock-note').textContent.startsWith('{told}')")
            assert page.overflow() <= 0


def test_names_are_text(tmp_path: Path) -> None:
    """A path, a condition and an account's principal that are HTML are shown as they are, and run nothing."""
    path = "/<img/src=x/onerror=document.title='ran'>/"
    value = "<img src=x onerror=\"document.title='ran'\">"
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": ALICE},
            "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"aws:PrincipalTag/<b>x</b>": value}},
        },
    }
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        role = client(server, "iam", "admin").create_role(
            Path=path, RoleName="Html", AssumeRolePolicyDocument=json.dumps(trust)
        )
        open_world(page, server)
        page.value("[...document.querySelectorAll('.node')].find(e => e.innerText === 'alice').click()")
        page.value("[...document.querySelectorAll('.node')].find(e => e.innerText === 'Html').click()")
        page.wait_for("!!document.querySelector('.verdict.conditional')")
        assert f"StringEquals aws:PrincipalTag/<b>x</b> {value}" in page.text("#answer")
        assert role["Role"]["Arn"] in drawn(page)
        assert page.value("document.title") == "dsops sandbox"
        assert page.value("document.querySelectorAll('img, #world-view b b').length") == 0


def test_a_picture_of_an_earlier_run_says_so(tmp_path: Path) -> None:
    """After a restart the picture stays, questions are answered with what to do, and the clock is not moved."""
    with browser(tmp_path, has_scripts=True) as page:
        with served() as server:
            port = server.port
            open_world(page, server)
        with served(port) as server:
            page.wait_for("document.querySelector('#status').innerText.includes('of an earlier run')")
            choose(page, ALICE)
            page.wait_for(
                "document.querySelector('#answer').innerText.includes('open the link that this sandbox printed')"
            )
            before = server.sandbox.clock.now()
            page.value("document.querySelector('[data-by=\"12h\"]').click()")
            page.wait_for("document.querySelector('#clock-note').innerText.includes('of an earlier run')")
            assert server.sandbox.clock.now() - before < 3600
