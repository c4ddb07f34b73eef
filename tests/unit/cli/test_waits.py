"""The line that says what is being waited for, and the bar of long work."""

from __future__ import annotations

import pytest

from dsops.cli.framework.progress import Waits, WorkBar
from dsops.runtime import Event, PartCount, ReportedWait

DELAYED = Event("call.delayed", {"why": "sts asks to slow down", "attempt": "retry 2", "seconds": "1.4"})


def begun(kind: str, name: str, **facts: str) -> Event:
    """The event at the beginning of a wait."""
    return Event("wait.begun", {"kind": kind, "name": name, **facts})


def over(kind: str, name: str) -> Event:
    """The event at the end of a wait."""
    return Event("wait.over", {"kind": kind, "name": name})


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (begun("session", "deploy", role="R", hop="2", hops="3"), "assuming deploy (hop 2 of 3) ... 5 s"),
        (begun("session", "deploy", role="R", hop="1", hops="1"), "assuming deploy ... 5 s"),
        (begun("session", "mfa", hop="1", hops="1"), "getting a session of mfa ... 5 s"),
        (begun("secrets", "app", count="1"), "reading 1 secret of app ... 5 s"),
        (begun("base", "profile x"), "looking for base credentials (profile x) ... 5 s"),
        (begun("call", "iam.us-east-1", action="GetRole"), "waiting for iam.us-east-1 (GetRole) ... 5 s"),
        (begun("base", "\x1b[2J"), "looking for base credentials (\\x1b[2J) ... 5 s"),
    ],
)
def test_a_wait_is_a_line_with_its_seconds(event: Event, line: str) -> None:
    """The line for each kind of wait has its own words; control characters are escaped."""
    waits = Waits()
    assert waits.take(event, 10.0)
    assert waits.line(15.0, 1.0) == line
    assert waits.take(over(event.facts["kind"], event.facts["name"]), 16.0)
    assert waits.line(17.0, 1.0) == ""


def test_a_retry_counts_down_and_then_the_wait_goes_on() -> None:
    """After a failed call, the line counts the seconds down until the retry begins, then shows the wait again."""
    waits = Waits()
    waits.take(begun("session", "deploy", role="R", hop="2", hops="3"), 10.0)
    waits.take(DELAYED, 12.0)
    assert waits.line(12.0, 1.0) == "assuming deploy (hop 2 of 3) ... retry 2 in 1.4 s"
    assert waits.line(13.0, 1.0) == "assuming deploy (hop 2 of 3) ... retry 2 in 0.4 s"
    assert waits.line(14.0, 1.0) == "assuming deploy (hop 2 of 3) ... 4 s"


def test_the_oldest_wait_is_shown_and_a_call_only_after_the_delay() -> None:
    """Parallel waits are counted; calls within them are not shown, and a single call is shown only after the delay."""
    waits = Waits()
    waits.take(begun("call", "sts", action="A"), 10.0)
    waits.take(begun("call", "sts", action="A"), 10.0)
    assert waits.line(10.5, 1.0) == ""
    waits.take(begun("secrets", "app", count="2"), 11.0)
    waits.take(begun("secrets", "db", count="2"), 12.0)
    assert waits.line(13.0, 1.0) == "reading 2 secrets of app and 1 more ... 2 s"
    for name in ("app", "db"):
        waits.take(over("secrets", name), 13.0)
    waits.take(over("call", "sts"), 13.0)
    assert waits.line(14.0, 1.0) == "waiting for sts (A) ... 4 s"
    waits.restart(20.0)
    assert waits.line(22.0, 1.0) == "waiting for sts (A) ... 2 s"
    assert not waits.take(Event("secrets.fetched", {}), 1.0)


def test_a_bar_tells_the_time_left() -> None:
    """The time left is estimated from the speed so far, and counts down even while one part takes long."""
    bar = WorkBar(100.0)
    assert bar.line(100.0) == "[>                   ] "
    bar.advance("25 %", "25 % of 8 files checked", 105.0)
    assert bar.line(105.0) == "[=====>              ] 25 % of 8 files checked, 15 s left"
    assert bar.line(110.0) == "[=====>              ] 25 % of 8 files checked, 10 s left"
    assert bar.line(200.0) == "[=====>              ] 25 % of 8 files checked"
    bar.advance("100 %", "100 % of 8 files checked", 120.0)
    assert bar.line(120.0) == "[====================] 100 % of 8 files checked"


def test_waits_and_parts_report_events() -> None:
    """The end of a wait is reported also after an error, and finished parts report the progress."""
    events: list[Event] = []
    with pytest.raises(KeyError), ReportedWait(events.append, "call", "sts", action="A"):
        raise KeyError
    facts = {"kind": "call", "name": "sts", "action": "A"}
    assert events == [Event("wait.begun", facts), Event("wait.over", facts)]
    parts = PartCount(events.append, "checks.made", "3 files", 3)
    parts.add()
    parts.add(2)
    assert events[2:] == [
        Event("checks.made", {"percent": "33 %", "of": "3 files"}),
        Event("checks.made", {"percent": "100 %", "of": "3 files"}),
    ]
