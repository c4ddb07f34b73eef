"""The sandbox's page in Chromium: a trust policy that is broken is found, mended and tried, by keyboard alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.server import SandboxServer
from dsops.sandbox.seed.file import read_seed
from tests.browser import CHROMIUM, Browser, browser

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Reader"
SEED = """
accounts:
  "123456789012":
    roles:
      Reader:
        trust: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole",
                Principal: {AWS: "arn:aws:iam::123456789012:user/bob"}}}
    users: {alice: {policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole",
            Resource: "*"}}]}, bob: {}}
"""


@contextmanager
def served(port: int = 0) -> Iterator[SandboxServer]:
    """A sandbox in which Alice may assume a role that trusts only Bob."""
    with open_server(read_seed(SEED, "seed.yaml"), port=port) as server:
        yield server


def client(server: SandboxServer, service: str, name: str) -> Any:
    """boto3's client of a user."""
    user = server.sandbox.world.user_named(ACCOUNT, name)
    assert user is not None
    key_id, secret = server.sandbox.world.keys_of(user)[0]
    keys = {"aws_access_key_id": key_id, "aws_secret_access_key": secret}
    return boto3.client(service, endpoint_url=server.url, region_name="us-east-1", **keys)


def assume(server: SandboxServer) -> bool:
    """Whether Alice can assume the role."""
    try:
        client(server, "sts", "alice").assume_role(RoleArn=ROLE, RoleSessionName="alice")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"  # noqa: PT017 - the helper returns the outcome
        return False
    return True


def rows(page: Browser) -> int:
    """How many calls the page shows."""
    return int(str(page.value("document.querySelectorAll('#rows li').length")))


def press_until(page: Browser, what: str) -> None:
    """Press Tab until the focused element has this text."""
    for _ in range(60):
        page.press("Tab")
        if page.value("document.activeElement.innerText") == what:
            return
    raise AssertionError(f"no element `{what}` was reached with Tab: {page.text()}")


def test_a_broken_trust_policy_is_mended_by_keyboard(tmp_path: Path) -> None:
    """The refused call is chosen, its cause read, the proposed change saved; then the same call succeeds."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        page.open(server.page_link)
        page.wait_for("document.querySelector('#status').innerText === 'connected'")
        assert "No calls yet" in page.text("#count")
        assert not assume(server)
        page.wait_for("document.querySelectorAll('#rows li').length === 1")
        page.value("document.querySelector('#rows button').focus()")
        page.press("Enter")
        page.wait_for("!!document.querySelector('.change')")
        told = page.text("#decision")
        assert "because no role trust policy allows it" in told
        assert f"add arn:aws:iam::{ACCOUNT}:user/alice to the principals of statement 1" in told
        press_until(page, "Try this change")
        page.press("Enter")
        page.wait_for("document.querySelector('.editor')?.innerText.includes('1 would be decided otherwise')")
        press_until(page, "Save")
        page.press("Enter")
        page.wait_for("document.querySelector('.editor')?.innerText.includes('Saved.')")
        assert assume(server)
        page.wait_for("document.querySelector('#rows li').innerText.includes('allowed')")
        assert server.control.page_token not in str(page.value("location.href + document.documentElement.outerHTML"))


def test_the_linter_speaks_while_one_types(tmp_path: Path) -> None:
    """A typing error in the editor is found without saving."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        assert not assume(server)
        page.open(server.page_link)
        page.wait_for("document.querySelectorAll('#rows li').length")
        page.value("document.querySelector('#rows button').click()")
        page.wait_for("!!document.querySelector('.change button')")
        page.value("document.querySelector('.change button').click()")
        page.wait_for("document.activeElement.tagName === 'TEXTAREA'")
        page.value("document.activeElement.value = ''")
        page.type('{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRol"}}')
        # The notes about the text before it are there until the linter has answered.
        page.wait_for("document.querySelector('.editor ul')?.innerText.includes('error')")
        assert "AssumeRol" in page.text(".editor ul")


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_it_fits_the_window(tmp_path: Path, width: int, scheme: str) -> None:
    """Long names wrap, and the page is never wider than the window."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        page.resize(width, 800)
        page.prefer(scheme)
        with pytest.raises(ClientError):
            client(server, "s3", "alice").get_object(Bucket="b" * 60, Key="k" * 900)
        page.open(server.page_link)
        page.wait_for("document.querySelectorAll('#rows li').length")
        page.value("document.querySelector('#rows button').click()")
        page.wait_for("!!document.querySelector('#details h3')")
        assert page.overflow() <= 0


def test_names_are_text(tmp_path: Path) -> None:
    """A session name or key that is HTML is shown as it is, and runs nothing."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        key = "<img src=x onerror=\"document.title='it ran'\"><script>document.title='it ran'</script>"
        with pytest.raises(ClientError):
            client(server, "s3", "alice").get_object(Bucket="bucket", Key=key)
        page.open(server.page_link)
        page.wait_for("document.querySelectorAll('#rows li').length")
        page.value("document.querySelector('#rows button').click()")
        page.wait_for("!!document.querySelector('#details h3')")
        assert key in page.text("#rows")
        assert key in page.text("#details")
        assert page.value("document.title") == "dsops sandbox"
        assert page.value("document.querySelectorAll('img, #rows script').length") == 0


def test_calls_are_filtered(tmp_path: Path) -> None:
    """The filters by caller, action and outcome select rows."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        assert not assume(server)
        client(server, "iam", "admin").list_users()
        page.open(server.page_link)
        page.wait_for("document.querySelectorAll('#rows li').length === 2")
        for name, value, shown in (("action", "listusers", 1), ("caller", "alice", 0), ("action", "", 1)):
            field = f"document.querySelector('[name={name}]')"
            page.value(
                f"{field}.value = {json.dumps(value)}; {field}.dispatchEvent(new Event('input', {{bubbles: true}}))"
            )
            page.wait_for(f"document.querySelectorAll('#rows li').length === {shown}")
        assert "AssumeRole" in page.text("#rows")


MANUAL = """(() => {
  globalThis.due = []; globalThis.polls = 0; globalThis.isHidden = false;
  Object.defineProperty(document, "hidden", { get: () => isHidden });
  globalThis.setTimeout = (work) => due.push(work);
  const real = fetch;
  globalThis.fetch = (...request) => { polls += 1; return real(...request); };
})()"""
"""Replaces timers, so that a test decides when the page polls, and whether its tab counts as hidden."""


def test_a_hidden_tab_does_not_poll(tmp_path: Path) -> None:
    """No poll is made while the tab is hidden; once it is shown, the page polls again and shows the new calls."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        page.open(server.page_link)
        page.value(MANUAL)
        page.wait_for("due.length === 1")
        page.value("isHidden = true; polls = 0; due.pop()()")
        assert not assume(server)
        assert page.value("due.length + polls") == 0
        page.value("isHidden = false; document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for("due.length === 1")
        assert page.value("polls") == 1
        page.wait_for("document.querySelectorAll('#rows li').length === 1")


def test_calls_are_drawn_once_they_are_shown(tmp_path: Path) -> None:
    """Calls that come while another view is shown are drawn when the user goes back to the calls."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        page.open(server.page_link)
        page.value(MANUAL)
        page.wait_for("due.length === 1")
        page.value("document.querySelector('[data-view=question-view]').click()")
        assert not assume(server)
        page.value("due.pop()()")
        page.wait_for("due.length === 1")
        page.value("requestAnimationFrame(() => { globalThis.hasDrawn = true; })")
        page.wait_for("globalThis.hasDrawn === true")
        assert rows(page) == 0
        page.value("document.querySelector('[data-view=calls-view]').click()")
        page.wait_for("document.querySelectorAll('#rows li').length === 1")


def test_a_page_of_an_earlier_run_says_so(tmp_path: Path) -> None:
    """If the sandbox ends, the page tells it; if another one starts on the port, the old page is refused."""
    with browser(tmp_path, has_scripts=True) as page:
        with served() as server:
            port = server.port
            page.open(server.page_link)
            page.wait_for("document.querySelector('#status').innerText === 'connected'")
        page.wait_for("document.querySelector('#status').innerText === 'the sandbox does not answer'")
        with served(port):
            page.wait_for("document.querySelector('#status').innerText.includes('of an earlier run')")


def test_without_scripts_the_page_names_the_command(tmp_path: Path) -> None:
    """A browser without JavaScript shows what to use instead; a link without the token says what to do."""
    with served() as server:
        with browser(tmp_path / "plain") as page:
            page.open(server.page_link)
            assert "dsops sandbox decisions --last 5" in page.text()
        with browser(tmp_path / "scripts", has_scripts=True) as page:
            page.open(f"{server.url}/_sandbox/ui")
            assert "it has the token of this run" in str(
                page.wait_for("document.querySelector('#status.lost')?.innerText")
            )
            assert rows(page) == 0


def fill(page: Browser, form: str, **fields: str) -> None:
    """Write into fields as a user who types does."""
    for name, text in fields.items():
        field = f"document.querySelector('#{form} [name={name}]')"
        page.value(f"{field}.value = {json.dumps(text)}, {field}.dispatchEvent(new Event('input', {{bubbles: true}}))")


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_a_question_is_asked(tmp_path: Path, width: int, scheme: str) -> None:
    """A call is taken to the form and asked with other values; the answer names a wrong key and the cause."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        page.resize(width, 800)
        page.prefer(scheme)
        assert not assume(server)
        page.open(server.page_link)
        page.wait_for("document.querySelectorAll('#rows li').length")
        page.value("document.querySelector('#rows button').click()")
        page.wait_for("!!document.querySelector('.change')")
        press_until(page, "Ask with other values")
        page.press("Enter")
        page.wait_for("document.activeElement.name === 'caller'")
        assert page.value("document.activeElement.value") == f"arn:aws:iam::{ACCOUNT}:user/alice"
        fill(page, "question", context="aws:SourceIp = 192.0.2.1\naws:SourceIpp =")
        page.value("document.querySelector('#question button').click()")
        page.wait_for("document.querySelector('#question-answer').innerText.includes('may not sts:AssumeRole')")
        told = page.text("#question-answer")
        assert "SourceIpp" in told
        assert "because no role trust policy allows it" in told
        assert page.overflow() <= 0
        fill(page, "question", context="nonsense")
        page.value("document.querySelector('#question button').click()")
        page.wait_for("document.querySelector('#question-answer').innerText.includes('write KEY = VALUE')")
        fill(page, "question", context="", caller=f"arn:aws:iam::{ACCOUNT}:user/bob")
        page.value("document.querySelector('#question button').click()")
        page.wait_for("document.querySelector('#question-answer').innerText.includes('may sts:AssumeRole')")


def test_events_are_shown_and_filtered(tmp_path: Path) -> None:
    """CloudTrail's events are listed and filtered by any text; the chosen one is shown whole; a reset drops them."""
    with served() as server, browser(tmp_path, has_scripts=True) as page:
        page.resize(390, 800)
        assert not assume(server)
        client(server, "iam", "admin").list_users()
        page.open(server.page_link)
        page.wait_for("document.querySelector('#status').innerText === 'connected'")
        page.value("document.querySelector('[data-view=events-view]').click()")
        page.wait_for("document.querySelectorAll('#events li').length === 2")
        fill(page, "event-filter", text="assumerole ALICE")
        page.wait_for("document.querySelectorAll('#events li').length === 1")
        page.value("document.querySelector('#events button').click()")
        page.wait_for("!!document.querySelector('#event pre')")
        assert json.loads(page.text("#event pre"))["errorCode"] == "AccessDenied"
        assert page.overflow() <= 0
        page.value("document.querySelector('[data-view=question-view]').click()")
        page.value("document.querySelector('#reset').click()")
        press_until(page, "Drop it")
        page.press("Enter")
        page.wait_for("document.querySelector('#reset-note').innerText.includes('as at its start')")
        page.value("document.querySelector('[data-view=events-view]').click()")
        page.wait_for("document.querySelectorAll('#events li').length === 0")
        assert not assume(server)
