"""The sandbox's page in Firefox: the walk of tests/clients/test_sandbox_page.py, by keyboard alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clients.test_sandbox_page import ACCOUNT, ROLE, assume, served
from tests.firefox import FIREFOX, Firefox, firefox

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.timeout(900),
    pytest.mark.skipif(FIREFOX is None, reason="no firefox or firefox-esr on the PATH"),
]


def press_until(page: Firefox, what: str) -> None:
    """Press Tab until the focused element has this text."""
    for _ in range(60):
        page.press("Tab")
        if page.value("document.activeElement.innerText") == what:
            return
    raise AssertionError(f"no element `{what}` was reached with Tab: {page.text()}")


def show(page: Firefox, view: str) -> None:
    """Show a view of the page."""
    page.value(f"document.querySelector('[data-view={view}]').click()")


def fill(page: Firefox, form: str, **fields: str) -> None:
    """Write into fields as a user who types does."""
    for name, text in fields.items():
        field = f"document.querySelector('#{form} [name={name}]')"
        page.value(f"{field}.value = {json.dumps(text)}, {field}.dispatchEvent(new Event('input', {{bubbles: true}}))")


def test_the_walk_in_firefox(tmp_path: Path) -> None:
    """A broken trust policy is found, mended and tried; a question is asked; events are shown; the seed comes back."""
    with served() as server, firefox(tmp_path) as page:
        page.open(server.page_link)
        page.wait_for("document.querySelector('#status').innerText === 'connected'")
        assert not assume(server)
        page.wait_for("document.querySelectorAll('#rows li').length === 1")
        page.value("document.querySelector('#rows button').focus()")
        page.press("Enter")
        page.wait_for("!!document.querySelector('.change')")
        assert "because no role trust policy allows it" in page.text("#decision")
        press_until(page, "Try this change")
        page.press("Enter")
        page.wait_for("document.querySelector('.editor')?.innerText.includes('1 would be decided otherwise')")
        press_until(page, "Save")
        page.press("Enter")
        page.wait_for("document.querySelector('.editor')?.innerText.includes('Saved.')")
        assert assume(server)
        page.wait_for("document.querySelector('#rows li').innerText.includes('allowed')")

        show(page, "question-view")
        fill(page, "question", caller=f"arn:aws:iam::{ACCOUNT}:user/bob", action="sts:AssumeRole", resource=ROLE)
        page.value("document.querySelector('#question button').click()")
        page.wait_for("document.querySelector('#question-answer')?.innerText.includes('may sts:AssumeRole')")
        show(page, "events-view")
        page.wait_for("document.querySelectorAll('#events li').length >= 3")
        show(page, "world-view")
        page.wait_for(f"document.querySelector('#world-view').innerText.includes('{ACCOUNT}')")

        show(page, "question-view")
        page.value("document.querySelector('#save-seed').click()")
        page.wait_for("document.querySelector('#reset-note').innerText.startsWith('Saved')")
        page.value("document.querySelector('#reset').click()")
        page.wait_for("document.querySelector('#reset-dialog').open")
        press_until(page, "Drop it")
        page.press("Enter")
        page.wait_for("document.querySelector('#reset-note').innerText.includes('as at its start')")
        assert not assume(server)
        assert server.control.page_token not in str(page.value("location.href + document.documentElement.outerHTML"))


@pytest.mark.parametrize("width", [450, 1280])
def test_it_fits_firefoxs_window(tmp_path: Path, width: int) -> None:
    """No view is wider than the window. Firefox has no window narrower than 450 pixels."""
    with served() as server, firefox(tmp_path) as page:
        page.resize(width, 800)
        assert not assume(server)
        page.open(server.page_link)
        page.wait_for("document.querySelectorAll('#rows li').length")
        for view in ("calls-view", "world-view", "question-view", "events-view"):
            show(page, view)
            assert page.overflow() <= 0, view
