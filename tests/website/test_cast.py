"""A recorded terminal as HTML: the moments that a reader can play, and the text for a reader who does not."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

from website.__main__ import CAST
from website.cast import player
from website.sources import ROOT

CLEAR = "\x1b[H\x1b[2J"


def html_of(folder: Path, *events: tuple[float, str]) -> str:
    """The HTML of a recording of these outputs."""
    head = {"version": 2, "width": 20, "height": 4, "title": "a <test>"}
    lines = [json.dumps(head), *(json.dumps([seconds, "o", text]) for seconds, text in events)]
    (folder / "x.cast").write_text("\n".join(lines) + "\n")
    return player(folder / "x.cast")


def moments(html: str) -> list[Any]:
    """The moments that the script plays."""
    found = re.search(r'<script type="application/json">(.*)</script>', html)
    assert found
    played: list[Any] = json.loads(found[1])
    return played


def test_a_moment_has_the_rows_that_changed(tmp_path: Path) -> None:
    """Outputs at nearly the same time become one moment; colours become CSS classes, and text is escaped."""
    html = html_of(tmp_path, (0.1, "$ "), (1.0, "ec"), (1.01, "ho\r\n"), (2.0, "\x1b[1;31m<b>\x1b[0m & x"))
    assert moments(html) == [
        [0.1, {"0": "$"}],
        [1.01, {"0": "$ echo"}],
        [2.0, {"1": '<span class="t-red t-bold">&lt;b&gt;</span> &amp; x'}],
    ]


def test_a_reader_without_scripts_sees_the_last_screen_and_the_text(tmp_path: Path) -> None:
    """Without scripts, the page shows the last screen and the text that `clear` removed, but no button."""
    html = html_of(tmp_path, (0.1, "$ one\r\n1\r\n$ clear\r\n"), (1, f"{CLEAR}$ "), (2, "two\r\n2\r\n$ "))
    screen, text = re.findall(r"<code>(.*?)</code>", html, re.DOTALL)
    assert screen == "$ two\n2\n$\n"
    assert text == "$ one\n1\n$ two\n2\n"
    assert re.search(r"<button [^>]*hidden>Play \(2 seconds\)</button>", html)
    assert 'aria-label="a &lt;test&gt;"' in html


def test_output_does_not_end_the_script_element(tmp_path: Path) -> None:
    """A `</script>` in a recording is escaped, so that it does not end the script element."""
    html = html_of(tmp_path, (0.1, "</script>"))
    assert html.count("</script>") == 1
    assert moments(html) == [[0.1, {"0": "&lt;/script&gt;"}]]


def test_the_recording_shows_the_first_minute() -> None:
    """The landing page's recording shows each command, a choice from the list, and the end of a search."""
    html = player(ROOT / CAST)
    text = unescape(re.findall(r"<code>(.*?)</code>", html, re.DOTALL)[1])
    for shown in ("$ dsops stores\n", "$ dsops exec shop-prod -- aws", "$ dsops explain audit\n", "how sure: proven"):
        assert shown in text
    assert "Enter: use" in html
    assert moments(html)[-1][0] < 60
