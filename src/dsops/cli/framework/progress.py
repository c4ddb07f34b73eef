"""Shows events on stderr: one line per event with --verbose; on a terminal, one line that says what dsops waits for.

The line appears after a wait of one second. A thread draws it, because the wait itself blocks the main thread. On a
terminal that can't erase a line (TERM=dumb), each wait is a plain line.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from time import monotonic

from dsops.cli.framework.output import note, tell
from dsops.cli.framework.screen import columns
from dsops.runtime import NOTES, WAIT_BEGUN, WAIT_OVER, Event
from dsops.text import clean, counted, duration_text

_REPEATED = ("keys.waiting", "mfa.waiting", "query.waiting")
_OF_THE_LINE = (WAIT_BEGUN, WAIT_OVER, "checks.made", "facts.collected", "engine.running")
"""Events that only the progress line shows, because the log has a later event with the result."""

_ERASE_LINE = "\r\x1b[K"
_ROOM = 3
"""The columns that stay free for the `^C` of a terminal: if `^C` went to the next row, the line could not be erased."""

_DELAY_SECONDS = 1.0
_REFRESH_SECONDS = 0.5
_PLAIN_SECONDS = 10.0
"""The minimum number of seconds between two lines on a terminal that can't erase a line."""

_Key = tuple[str, str]
_BAR_COLUMNS = 20


class Progress:
    """Shows events on stderr: all events as lines if `is_kept`, and the progress line if `is_live`.

    With `is_plain`, the terminal can't erase a line, so the progress line becomes few lines that stay. Every method
    may be called from any thread.
    """

    def __init__(
        self, *, is_kept: bool, is_live: bool = True, is_plain: bool = False, delay_seconds: float = _DELAY_SECONDS
    ) -> None:
        self._is_kept = is_kept
        self._is_live = is_live
        self._is_plain = is_plain
        self._told_at = float("-inf")
        """When the last plain line was written."""
        self._delay_seconds = delay_seconds
        self._last = ""
        # The lock is reentrant, because a signal handler may report while the main thread reports.
        self._lock = threading.RLock()
        self._waits = Waits()
        self._text = ""
        """The last event as a sentence, which the progress line shows while dsops waits for nothing."""
        self._countdown = ""
        """The last event as a sentence if it is reported repeatedly; the progress line then shows it first."""
        self._shown = ""
        """The text that the terminal's progress line shows now; "" for none."""
        self._begun = 0.0
        self._bar: WorkBar | None = None
        """The progress bar of long work; None if the run has none."""
        self._end: threading.Event | None = None
        """Set to end the thread that draws the line; None if no thread runs."""
        self._thread: threading.Thread | None = None

    def report(self, event: Event) -> None:
        """Show one event; the event `done` erases the progress line."""
        if event.name == "done":
            self._stop()
            return
        with self._lock:
            if event.name in NOTES:
                self._erase()
                note(sentence(event))
                return
            if self._is_kept:
                self._keep(event)
            if self._is_live:
                self._follow(event)

    def _keep(self, event: Event) -> None:
        """Write the event as a line. A wait is reported every second, but written only once."""
        if event.name in _OF_THE_LINE:
            return
        if event.name != self._last or event.name not in _REPEATED:
            self._erase()
            tell(f"dsops: {sentence(event)}")
        self._last = event.name

    def _follow(self, event: Event) -> None:
        """Update the progress line for the event, and draw the line if it is due."""
        now = monotonic()
        if self._end is None:
            self._begun = now
            self._waits.restart(now)
            self._start()
        self._countdown = sentence(event) if event.name in _REPEATED else ""
        if "percent" in event.facts:
            self._bar = self._bar or WorkBar(now)
            self._bar.advance(event.facts["percent"], sentence(event), now)
        elif not self._waits.take(event, now):
            self._text = "" if self._is_kept else sentence(event)
        if now - self._begun >= self._delay_seconds:
            self._draw(now)

    def _start(self) -> None:
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(self._end,), daemon=True)
        self._thread.start()

    def _watch(self, end: threading.Event) -> None:
        """Draw the progress line once it is due, and then as often as it may change."""
        wait_seconds = self._delay_seconds
        while not end.wait(wait_seconds):
            with self._lock:
                if end.is_set():
                    return
                self._draw(monotonic())
            wait_seconds = _REFRESH_SECONDS

    def _stop(self) -> None:
        """Erase the line and end the thread, so that the process can start another program."""
        thread, self._thread = self._thread, None
        with self._lock:
            if self._end is not None:
                self._end.set()
                self._end = None
            self._erase()
            self._text, self._countdown, self._bar = "", "", None
        if thread is not None:
            thread.join()

    def _draw(self, now: float) -> None:
        line = self._countdown or self._waits.line(now, self._delay_seconds) or self._text
        if self._bar is not None:
            line = f"{self._bar.line(now)}; {line}" if line else self._bar.line(now)
        if self._is_plain:
            if line and now - self._told_at >= _PLAIN_SECONDS and _is_foreground():
                tell(f"dsops: {line.removesuffix(' 0 s')}")
                self._told_at = now
            return
        shown = fitted(f"dsops: {line}", columns(2) - _ROOM) if line else ""
        if shown == self._shown or not _is_foreground():
            return
        if not shown:
            self._erase()
            return
        _write(f"{_ERASE_LINE}{shown}")
        self._shown = shown

    def _erase(self) -> None:
        if self._shown:
            _write(_ERASE_LINE)
            self._shown = ""


class _OpenWait:
    """A wait that has not ended. Several waits with the same name, such as parallel calls, count as one."""

    __slots__ = ("begun", "count", "text")

    def __init__(self, text: str, begun: float) -> None:
        self.text = text
        self.begun = begun
        self.count = 1


class Waits:
    """The waits that have not ended, oldest first, and the last retry that was reported."""

    def __init__(self) -> None:
        self._open: dict[_Key, _OpenWait] = {}
        self._retry = ""
        self._retry_at = 0.0

    def take(self, event: Event, now: float) -> bool:
        """Record the event; return False if the event is not about waits."""
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
        """Restart the timing of the open waits, because time spent on a question to the user is not a wait for AWS."""
        for wait in self._open.values():
            wait.begun = now

    def line(self, now: float, delay_seconds: float) -> str:
        """Return the line of the oldest wait, `assuming deploy (hop 2 of 3) ... retry 2 in 1.4 s`; "" for none.

        A call is shown only if the run waits for no session or secret, and if the call is older than the delay.
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
    """Return the sentence for a wait: `reading 2 secrets of app`."""
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


class WorkBar:
    """The progress bar of long work, with an estimate of the time left."""

    def __init__(self, begun: float) -> None:
        self._begun = begun
        self._percent = 0
        self._sentence = ""
        self._whole_seconds = 0.0

    def advance(self, percent: str, sentence: str, now: float) -> None:
        """Record the progress: `percent` is a text such as `25 %`."""
        self._percent = min(100, int(percent.partition(" ")[0]))
        self._sentence = sentence
        self._whole_seconds = (now - self._begun) * 100 / self._percent if self._percent else 0.0

    def line(self, now: float) -> str:
        """Return the line, such as `[=====>              ] 25 % of 120 log files read, 12 s left`."""
        done = ("=" * (_BAR_COLUMNS * self._percent // 100) + ">")[:_BAR_COLUMNS]
        left = round(self._begun + self._whole_seconds - now)
        words = f", {duration_text(left)} left" if left > 0 else ""
        return f"[{done:<{_BAR_COLUMNS}}] {self._sentence}{words}"


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # the terminal was closed; the operation goes on without progress output


def _is_foreground() -> bool:
    """Whether this process may write to its terminal: a background job must not write over the prompt."""
    try:
        return os.tcgetpgrp(2) == os.getpgrp()
    except OSError:
        return True


def fitted(text: str, columns: int) -> str:
    """Return the text cut to one row of the terminal, because only one row can be erased.

    Characters whose width depends on the terminal's language count as wide (UAX 11, East Asian Ambiguous).
    """
    if text.isascii():
        return text[: max(columns, 0)]
    from unicodedata import combining, east_asian_width

    used = 0
    for index, character in enumerate(text):
        used += 0 if combining(character) else 2 if east_asian_width(character) in "WFA" else 1
        if used > columns:
            return text[:index]
    return text


_SENTENCES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "endpoint.answered": (("endpoint", "{} answers"),),
    "call.delayed": (("why", "{}:"), ("attempt", "{}"), ("seconds", "in {} s")),
    "ambient.loaded": (("source", "base credentials from {},"), ("key", "key {}")),
    "credentials.issued": (
        ("store", "store {},"),
        ("hop", "hop {}:"),
        ("caller", "{}"),
        ("role", "assumed {}"),
        ("permission_set", "became {},"),
        ("session", "as {},"),
        ("key", "key {},"),
        ("expires", "until {}"),
    ),
    "credentials.evicted": (("store", "store {}:"), ("key", "AWS does not take key {} any more,"), ("why", "{}")),
    "secrets.fetched": (("store", "store {}:"), ("count", "{}"), ("of", "of {} read")),
    "session.renewed": (("key", "the command's session was renewed: key {},"), ("expires", "until {}")),
    "node.issued": (("store", "session of store `{}`:"), ("key", "{}"), ("expires", "until {}")),
    "node.not-issued": (("store", "no new session of store `{}`:"), ("why", "{}")),
    "node.keys-not-loaded": (("workload", "the keys for workload `{}` could not be loaded:"), ("why", "{}")),
    "node.refused": (("uid", "refused a caller with uid {}:"), ("path", "{}")),
    "session.not-renewed": (("key", "the command's session of key {} could not be renewed:"), ("why", "{}")),
    "login.renewed": (("login", "{}"), ("until", "was renewed until {},"), ("why", "{}")),
    "clock.corrected": (
        ("minutes", "this machine's clock is {}"),
        ("side", "{}"),
        ("endpoint", "that of {}: requests are signed for AWS's time; set the clock"),
    ),
    "keys.rotating": (("name", "key {}:"), ("step", "{}")),
    "keys.waiting": (("name", "waiting until AWS knows the new key of {}"),),
    "accounts.listed": (("count", "permission sets of {}"), ("of", "of {} accounts are listed")),
    "logs.read": (("percent", "{}"), ("of", "of {} read")),
    "checks.made": (("percent", "{}"), ("of", "of {} checked")),
    "facts.collected": (("percent", "{}"), ("of", "of {} collected")),
    "engine.running": (
        ("engine", "{}:"),
        ("percent", "{},"),
        ("query", "query {}"),
        ("question", "({}),"),
        ("stages", "{} stages,"),
        ("rows", "{},"),
        ("read", "{} read"),
        ("state", "({})"),
    ),
    "query.waiting": (
        ("engine", "{}:"),
        ("state", "the query is {},"),
        ("seconds", "{} s,"),
        ("scanned", "{} scanned"),
    ),
    "mfa.waiting": (("seconds", "waiting {} s for the next MFA code"), ("device", "of {}:"), ("why", "{}")),
}
"""Map each event to its facts and their words, in sentence order; words of a fact without a value are left out."""


def sentence(event: Event) -> str:
    """Return the event as a sentence; for an unknown event, such as a plugin's, its name and facts."""
    facts = {name: value for name, value in event.facts.items() if value}
    if event.name in _SENTENCES:
        words = [form.format(facts[name]) for name, form in _SENTENCES[event.name] if name in facts]
        return clean(" ".join(words).rstrip(",:"))
    details = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in facts.items())
    name = event.name.replace(".", " ").replace("-", " ")
    return clean(f"{name}: {details}" if details else name)
