"""Progress messages: one line per event with --verbose, or one transient line on a terminal."""

from __future__ import annotations

from unicodedata import east_asian_width

import pytest

from dsops.cli.framework.process_runtime import DONE, reporter
from dsops.cli.framework.progress import Progress, sentence
from dsops.runtime import Event
from tests.terminal import Terminal, python


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            Event(
                "credentials.issued",
                {"store": "a", "hop": "1", "caller": "C", "role": "R", "session": "S", "key": "K", "expires": "T"},
            ),
            "store a, hop 1: C assumed R as S, key K, until T",
        ),
        (Event("credentials.issued", {"store": "a", "hop": "1", "key": "K", "expires": ""}), "store a, hop 1: key K"),
        (Event("secrets.fetched", {"store": "s", "count": "2", "of": "3"}), "store s: 2 of 3 read"),
        (Event("plugin.did-it", {"some_thing": "x", "nothing": ""}), "plugin did it: some thing x"),
        (Event("plugin.did-it", {}), "plugin did it"),
        (Event("plugin.did-it", {"x": "\x1b[2J\n"}), "plugin did it: x \\x1b[2J "),
    ],
)
def test_an_event_is_a_sentence(event: Event, words: str) -> None:
    """An event, also a plugin's, is printed as a sentence that omits facts without a value.

    Control characters are escaped.
    """
    assert sentence(event) == words


def test_kept_progress_is_a_line_each(capfd: pytest.CaptureFixture[str]) -> None:
    """With `--verbose` each event is one line on stderr."""
    progress = Progress(is_kept=True)
    progress.report(Event("one", {}))
    progress.report(Event("two", {}))
    progress.report(DONE)
    assert capfd.readouterr() == ("", "dsops: one\ndsops: two\n")


def test_progress_that_is_not_kept_takes_itself_away(capsys: pytest.CaptureFixture[str]) -> None:
    """A transient line replaces the previous one, is cut to the terminal's width, and is erased at the end.

    Without a terminal, as in this test, the width is 80.
    """
    progress = Progress(is_kept=False, delay_seconds=0.0)
    progress.report(DONE)
    progress.report(Event("one", {"x": "y" * 100}))
    progress.report(Event("two", {}))
    progress.report(DONE)
    progress.report(DONE)
    shown = capsys.readouterr().err.split("\r\x1b[K")
    assert shown[0] == ""
    assert len(shown[1]) == 77
    assert shown[2:] == ["dsops: two", ""]


def test_a_terminal_that_can_not_erase_gets_few_plain_lines(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With TERM=dumb, a wait is a plain line; another line comes only ten seconds later. Nothing is erased."""
    now = [100.0]
    monkeypatch.setattr("dsops.cli.framework.progress.monotonic", lambda: now[0])
    progress = Progress(is_kept=False, is_plain=True, delay_seconds=0.0)
    for step, event in ((0.0, "one"), (4.0, "two"), (4.0, "three"), (4.0, "four")):
        now[0] += step
        progress.report(Event(event, {}))
        progress.report(DONE)
    assert capfd.readouterr() == ("", "dsops: one\ndsops: four\n")


def test_a_countdown_is_one_line_of_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    """With `--verbose` a countdown is one line when it begins, and a later countdown gets its own line."""
    progress = Progress(is_kept=True)
    for seconds in ("2", "1"):
        progress.report(Event("mfa.waiting", {"device": "D", "seconds": seconds, "why": "it was used"}))
    progress.report(Event("one", {}))
    progress.report(Event("mfa.waiting", {"device": "D", "seconds": "9"}))
    told = "dsops: waiting 2 s for the next MFA code of D: it was used\ndsops: one\n"
    assert capfd.readouterr().err == f"{told}dsops: waiting 9 s for the next MFA code of D\n"


def test_a_retry_is_told_in_a_line() -> None:
    """A retry is one line with the failure, the number of the attempt, and the delay."""
    facts = {"why": "sts.us-east-1 throttled the request", "attempt": "retry 2", "seconds": "1.4"}
    assert sentence(Event("call.delayed", facts)) == "sts.us-east-1 throttled the request: retry 2 in 1.4 s"


CORRECTED = Event("clock.corrected", {"minutes": "20 minutes", "side": "behind", "endpoint": "sts.us-east-1"})
NOTE = (
    "dsops: note: this machine's clock is 20 minutes behind that of sts.us-east-1: requests are signed for AWS's time; "
    "set the clock\n"
)


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_note_stays(capsys: pytest.CaptureFixture[str], *, is_kept: bool) -> None:
    """A note erases the transient line, is printed in full, and stays."""
    progress = Progress(is_kept=is_kept, delay_seconds=0.0)
    progress.report(Event("one", {}))
    progress.report(CORRECTED)
    progress.report(DONE)
    assert capsys.readouterr().err.replace("\r\x1b[K", "").removeprefix("dsops: one").lstrip() == NOTE


def test_without_a_terminal_only_notes_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal and `--verbose`, notes are printed but no progress."""
    report = reporter(is_verbose=False)
    report(Event("one", {}))
    report(CORRECTED)
    report(DONE)
    assert capsys.readouterr().err == NOTE


SHOWN_TWICE = """
    import sys
    from dsops.cli.framework.progress import Progress
    from dsops.runtime import Event
    progress = Progress(is_kept=False, delay_seconds=0.0)
    for _ in range(2):
        input()
        progress.report(Event("x", {"y": sys.argv[1] * 200}))
        print("<", end="", file=sys.stderr, flush=True)
    progress.report(Event("done", {}))
"""
"""A script that shows one event for each line of its input."""


@pytest.mark.parametrize(("first", "second"), [(60, 20), (20, 60), (200, 7), (1, 2)])
@pytest.mark.parametrize("character", ["a", "\u6f22", "\U0001f511", "e\u0301", "\u00e9"])
def test_a_transient_line_stands_in_one_row_of_any_terminal(first: int, second: int, character: str) -> None:
    """A transient line occupies one row at any terminal width, even after a resize and with wide characters."""
    with Terminal(python(SHOWN_TWICE, character)) as terminal:
        for columns in (first, second):
            terminal.resize(columns)
            terminal.type("\n")
            shown = terminal.expect("<").rpartition("\x1b[K")[2].removesuffix("<").strip("\r\n")
            width = sum(2 if east_asian_width(one) in "WF" else one != "\u0301" for one in shown)
            assert width < columns
            assert width >= min(columns - 5, columns // 2 - 1, len("dsops: x: y "))


def test_long_work_has_a_bar_and_the_wait_behind_it(capsys: pytest.CaptureFixture[str]) -> None:
    """If the finished share of long work is known, the progress line shows a bar, then what dsops waits for."""
    progress = Progress(is_kept=False, delay_seconds=0.0)
    progress.report(Event("checks.made", {"percent": "50 %", "of": "4 files"}))
    progress.report(Event("wait.begun", {"kind": "base", "name": "x"}))
    progress.report(DONE)
    shown = capsys.readouterr().err.split("\r\x1b[K")
    assert shown[1] == "dsops: [==========>         ] 50 % of 4 files checked"
    assert shown[2].startswith("dsops: [==========>         ] 50 % of 4 files checked; looking for ba")
    assert shown[3:] == [""]


def test_waits_are_no_lines_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    """With `--verbose` in a pipe, no lines are printed for the beginning and the end of a wait."""
    progress = Progress(is_kept=True, is_live=False, delay_seconds=0.0)
    for name in ("wait.begun", "wait.over"):
        progress.report(Event(name, {"kind": "call", "name": "sts", "action": "A"}))
    progress.report(Event("checks.made", {"percent": "50 %", "of": "4 files"}))
    assert capsys.readouterr().err == ""
