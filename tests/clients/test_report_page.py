"""The audit report's page in Chromium: it opens, fits wide and narrow windows, and cannot load or run anything."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dsops.audit.page import page_of
from dsops.audit.page.page import POLICY
from tests.browser import CHROMIUM, FLAGS, SECONDS
from tests.markup import read
from tests.reports import ROLES, answer, busy_report, many_pairs, report_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on the PATH")


def dom(folder: Path, html: str) -> str:
    """Chromium's DOM of the page after its scripts (if any) had time to run."""
    file = folder / "page.html"
    file.write_text(html, encoding="utf-8")
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", "--dump-dom", file.as_uri()],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=SECONDS,
    )
    return done.stdout.decode().strip()


def title(folder: Path, html: str) -> str:
    """The page's title after loading: a script would have changed it."""
    return dom(folder, html).partition("<title>")[2].partition("</title>")[0]


def without_policy(html: str) -> str:
    """The page with its Content-Security-Policy emptied."""
    written = escape(POLICY)
    assert html.count(written) == 1
    return html.replace(written, "")


@contextmanager
def counting() -> Iterator[tuple[str, list[str]]]:
    """A server on loopback: its address, and the list of paths requested from it."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Log no requests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", paths
    finally:
        server.shutdown()
        thread.join(timeout=SECONDS)
        server.server_close()


def test_everything_is_there(tmp_path: Path) -> None:
    """Chromium and our parser find the same sections, plots, tables and Content-Security-Policy in the page."""
    html = page_of(busy_report())
    seen, made = read(dom(tmp_path, html)), read(html)
    assert [element.text for element in seen.all("h2")] == [element.text for element in made.all("h2")]
    assert [len(seen.all(tag)) for tag in ("svg", "table", "rect", "td")] == [
        len(made.all(tag)) for tag in ("svg", "table", "rect", "td")
    ]
    assert seen.all("meta")[1]["content"] == POLICY


def with_traps(html: str, address: str) -> str:
    """Add markup to the page as if a log's text were not escaped: a script, an image, a style sheet and a frame."""
    traps = (
        f"<script>document.title = 'it ran'</script><script src='{address}/script'></script>"
        f"<img src='{address}/picture' onerror=\"document.title = 'it ran'\">"
        f"<link rel=stylesheet href='{address}/style'>"
        f"<iframe src='{address}/frame'></iframe><style>body {{ background: url({address}/background) }}</style>"
    )
    assert html.count("</main>") == 1
    return html.replace("</main>", f"{traps}</main>")


def test_injected_markup_loads_and_runs_nothing(tmp_path: Path) -> None:
    """The Content-Security-Policy blocks injected scripts, images, styles and frames.

    The policy is the second defence: property tests check that text never becomes markup.
    """
    html = page_of(busy_report())
    with counting() as (address, paths):
        assert title(tmp_path, with_traps(html, address)) == "Who assumed what: dsops audit report"
        assert paths == []


def test_without_the_policy_the_traps_work(tmp_path: Path) -> None:
    """Without the Content-Security-Policy the injected markup runs, which proves that the test above can fail."""
    html = page_of(busy_report())
    with counting() as (address, paths):
        assert title(tmp_path, without_policy(with_traps(html, address))) == "it ran"
        assert {"/script", "/picture", "/style", "/frame"} <= set(paths)


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_the_window(tmp_path: Path, width: int) -> None:
    """Names of 5,000 letters and 200 account pairs scroll inside their boxes and never widen the page."""
    hostile = report_of(
        answer("accounts", *many_pairs(200)),
        answer("durations", ("x" * 5000, 5, 0, 3600, 3600, 100, 4000), (ROLES[0], 1, 1, 900, 900, None, None)),
        unreadable=(("y" * 5000, "z" * 5000),),
        sources=("s" * 5000,),
        by="role",
    )
    for number, report in enumerate((busy_report(), hostile)):
        html = page_of(report).replace("<details>", "<details open>")
        folder = tmp_path / str(number)
        folder.mkdir()
        assert title(folder, framed(html, width)) == f"{width} {width}"


def framed(html: str, width: int) -> str:
    """A page that shows the report in a frame of this width; its title has the frame's inner and scroll width.

    A frame is used because no Chromium window is narrower than 500 pixels.
    """
    measure = "document.title = `${it.contentWindow.innerWidth} ${it.contentDocument.documentElement.scrollWidth}`"
    frame = f"<iframe id=it width={width} height=900 style='border: 0' srcdoc='{escape(html)}'></iframe>"
    return f"<!DOCTYPE html><title></title>{frame}<script>onload = () => {{ {measure} }}</script>"
