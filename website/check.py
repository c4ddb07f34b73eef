"""Checks of the built site."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from website.navigation import Nav


def problems(out: Path, nav: Nav) -> Iterator[str]:
    """What is wrong with the site."""
    yield from ()
