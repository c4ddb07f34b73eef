"""The open waits of a run and the bar of long work, as one line of text."""

from __future__ import annotations

from dsops.runtime import WAIT_BEGUN, WAIT_OVER, Event
from dsops.text import clean, counted, duration_text

_Key = tuple[str, str]
_BAR_COLUMNS = 20


class _OpenWait:
    """A wait that is not over; several with the same name, such as parallel calls, are one."""

    __slots__ = ("begun", "count", "text")

    def __init__(self, text: str, begun: float) -> None:
        self.text = text
        self.begun = begun
        self.count = 1


class Waits:
    """The open waits, oldest first, and the last retry that was announced."""

    def __init__(self) -> None:
        self._open: dict[_Key, _OpenWait] = {}
        self._retry = ""
        self._retry_at = 0.0

    def take(self, event: Event, now: float) -> bool:
        """Record the event; returns False if it does not concern waits."""
        if event.name == "call.delayed":
            self._retry = event.facts["attempt"]
            self._retry_at = now + float(event.facts["seconds"])
            return bool(self._open)
        if event.name not in (WAIT_BEGUN, WAIT_OVER):
            return False
        key = (event.facts["kind"], event.facts["name"])
        wait = self._open.get(key)
        if event.name == WAIT_BEGUN:
            if wait is None:
                self._open[key] = _OpenWait(_words(event), now)
            else:
                wait.count += 1
        elif wait is not None:
            wait.count -= 1
            if not wait.count:
                del self._open[key]
        return True

    def restart(self, now: float) -> None:
        """Count from now on: the time in which the user was asked something is no wait for an answer."""
        for wait in self._open.values():
            wait.begun = now

    def line(self, now: float, delay_seconds: float) -> str:
        """`assuming deploy (hop 2 of 3) ... retry 2 in 1.4 s`: the oldest wait; "" if no wait is worth a line.

        A call counts if no session or secret is waited for, and not before it is as old as the delay.
        """
        works = [wait for (kind, _), wait in self._open.items() if kind != "call"]
        calls = [wait for (kind, _), wait in self._open.items() if kind == "call"]
        calls = [wait for wait in calls if now - wait.begun >= delay_seconds]
        oldest = next(iter(works or calls), None)
        if oldest is None:
            return ""
        more = f" and {len(works) - 1} more" if len(works) > 1 else ""
        if self._retry and self._retry_at > now:
            return f"{oldest.text}{more} ... {self._retry} in {self._retry_at - now:.1f} s"
        return f"{oldest.text}{more} ... {now - oldest.begun:.0f} s"


def _words(event: Event) -> str:
    """The wait as words: `reading 2 secrets of app`."""
    facts = event.facts
    name, hops = facts["name"], facts.get("hops", "")
    if facts["kind"] == "session":
        hop = f" (hop {facts.get('hop', '')} of {hops})" if hops not in {"", "1"} else ""
        text = f"{'assuming' if facts.get('role') else 'getting a session of'} {name}{hop}"
    elif facts["kind"] == "secrets":
        text = f"reading {counted(int(facts['count']), 'secret')} of {name}"
    elif facts["kind"] == "base":
        text = f"looking for base credentials ({name})"
    else:
        text = f"waiting for {name} ({facts.get('action', '')})"
    return clean(text)


class Bar:
    """The bar of long work, with the time left if the rest takes as long as what is done."""

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._percent = 0
        self._sentence = ""
        self._whole_seconds = 0.0

    def advance(self, percent: str, sentence: str, now: float) -> None:
        """Record that so much is done: `percent` is a text such as `25 %`."""
        self._percent = min(100, int(percent.partition(" ")[0]))
        self._sentence = sentence
        self._whole_seconds = (now - self._begun) * 100 / self._percent if self._percent else 0.0

    def line(self, now: float) -> str:
        """`[=====>              ] 25 % of 120 log files read, 12 s left`."""
        done = ("=" * (_BAR_COLUMNS * self._percent // 100) + ">")[:_BAR_COLUMNS]
        left = round(self._begun + self._whole_seconds - now)
        words = f", {duration_text(left)} left" if left > 0 else ""
        return f"[{done:<{_BAR_COLUMNS}}] {self._sentence}{words}"
