"""Golden screens: what a terminal shows, in one file for each scene, with all widths and moments of the scene."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Self

from tests.terminal import PATIENCE_SECONDS, Screen

WIDTHS = (60, 80, 120, 200)
UPDATE = bool(os.environ.get("DSOPS_UPDATE_GOLDEN"))
_FOLDER = Path(__file__).parent / "screens"
_TITLE = re.compile(r"(?m)^=== ([\d, ]+) columns: (.*)\n")
_SETTLED_SECONDS = 1.5
"""How long a screen does not change until an update believes that it is complete."""

_VARYING = (
    (re.compile(r"\b\d+ s(?=(?:\^Z)?$)", re.MULTILINE), "N s"),  # the seconds of a wait
    (re.compile(r"\b\d+m\]"), "NNm]"),  # the minutes of a prompt's mark
    (re.compile(r"127\.0\.0\.1:\d{5}\b"), "127.0.0.1:NNNNN"),
)
"""What differs from run to run, and what a golden file has instead."""


class GoldenScreens:
    """A scene: the screens of tests/screens/NAME.txt, each with the width of its terminal and a title.

    DSOPS_UPDATE_GOLDEN=1 rewrites the file. A screen that is the same at several widths is in the file once.
    """

    def __init__(self, name: str) -> None:
        self._path = _FOLDER / f"{name}.txt"
        self._expected = {} if UPDATE else _parsed(self._path.read_text(encoding="utf-8"))
        self._seen: dict[tuple[int, str], str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and UPDATE:
            self._path.write_text(_file_text(self._seen), encoding="utf-8")
        elif kind is None:
            assert set(self._seen) == set(self._expected), "the file has screens that the test does not show"

    def check(self, screen: Screen, title: str) -> None:
        """Wait until the screen is the one of the file, however slow the machine is; fails with both if it never is."""
        key = (screen.columns, title)
        if UPDATE:
            self._seen[key] = self._settled(screen)
            return
        end = time.monotonic() + PATIENCE_SECONDS
        while shown(screen) != self._expected.get(key) and time.monotonic() < end and not screen.is_closed:
            screen.look(0.05)
        self._seen[key] = shown(screen)
        assert key in self._expected, f"{self._path.name} has no screen {key}"
        assert self._seen[key] == self._expected[key], f"{title} at {screen.columns} columns is:\n{self._seen[key]}"

    def _settled(self, screen: Screen) -> str:
        """The next screen that is not empty, not the last one, and does not change any more."""
        before, unchanged_since = shown(screen), time.monotonic()
        while not screen.is_closed:
            screen.look(0.05)
            if shown(screen) != before:
                before, unchanged_since = shown(screen), time.monotonic()
            is_new = before and before not in list(self._seen.values())[-1:]
            if time.monotonic() - unchanged_since > _SETTLED_SECONDS * (1 if is_new else 4):
                break
        return before


def shown(screen: Screen) -> str:
    """The screen as one text, without what differs from run to run."""
    text = screen.shown()
    for pattern, name in _VARYING:
        text = pattern.sub(name, text)
    return text


def _parsed(text: str) -> dict[tuple[int, str], str]:
    _, *parts = _TITLE.split(text)
    screens = {}
    for widths, title, screen in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        for columns in widths.split(", "):
            screens[int(columns), title] = screen.removesuffix("\n").removesuffix("\n")
    return screens


def _file_text(screens: dict[tuple[int, str], str]) -> str:
    widths: dict[tuple[str, str], list[str]] = {}
    for (columns, title), screen in screens.items():
        widths.setdefault((title, screen), []).append(str(columns))
    parts = [f"=== {', '.join(columns)} columns: {title}\n{screen}\n" for (title, screen), columns in widths.items()]
    return "\n".join(parts)
