"""The anchors of headings as GitHub makes them, so that a link with an anchor works there and on the site."""

from __future__ import annotations

import re
from collections.abc import Callable


def slug(heading: str, separator: str = "-") -> str:
    """`Use --mask, and why` -> `use---mask-and-why`."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def slugify(**_: object) -> Callable[[str, str], str]:
    """The function that makes anchors, as the configuration of Zensical asks for it."""
    return slug
