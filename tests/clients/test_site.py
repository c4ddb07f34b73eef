"""The site of the documentation, as `make site` builds it: no warning, no wrong link, and readable on a phone."""

from __future__ import annotations

import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest

from dsops.policy import evaluate
from tests.browser import CHROMIUM, browser
from website.sources import ROOT

pytest.importorskip("zensical", reason="`make site` installs the tools for the site")
pytestmark = pytest.mark.timeout(300)

PHONE = (390, 844)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; the build fails for each warning and each link that leads nowhere."""
    out = tmp_path_factory.mktemp("site") / "site"
    done = subprocess.run(
        [sys.executable, "-m", "website", "--out", str(out)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return out


def test_the_site_is_complete(site: Path) -> None:
    """The site has the pages that a reader expects, the search index and a 404 page."""
    expected = ["index.html", "404.html", "search.json", "install/index.html", "tutorial/first-run/index.html"]
    expected += [
        "how-to/mfa/index.html",
        "reference/cli/sandbox-run/index.html",
        "reference/api/dsops.policy/index.html",
    ]
    assert [name for name in expected if not (site / name).is_file()] == []


def test_the_api_is_documented(site: Path) -> None:
    """The page of a package has the signature and the docstring of its functions."""
    text = (site / "reference/api/dsops.policy/index.html").read_text(encoding="utf-8")
    summary = (evaluate.__doc__ or "").split("\n", maxsplit=1)[0]
    assert summary
    assert summary in unescape(text)
    assert 'id="dsops.policy.evaluate"' in text


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")
def test_no_page_is_wider_than_a_phone(site: Path, tmp_path: Path) -> None:
    """At a width of 390 pixels no page scrolls to the side; wide tables and code scroll in their own frames."""
    pages = sorted(site.rglob("index.html"))
    too_wide = tmp_path / "wide.html"
    too_wide.write_text('<body style="margin: 0"><div style="width: 400px">wide</div>')
    with browser(tmp_path) as window:
        window.resize(*PHONE)
        window.open(too_wide.as_uri())
        assert window.overflow() == 10
        wide = {}
        for page in pages:
            window.open(page.as_uri())
            wide[page.relative_to(site).as_posix()] = window.overflow()
    assert {page: pixels for page, pixels in wide.items() if pixels > 0} == {}
    assert len(pages) > 150
