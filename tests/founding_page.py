"""The code blocks of the AWS STS page (tests/founding-page), extracted from an unmodified copy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

PAGE = Path(__file__).parent / "founding-page" / "aws-sts.md"


class Block(NamedTuple):
    """A fenced code block: language, text, and the nearest heading above."""

    language: str
    text: str
    heading: str


def blocks(language: str) -> list[Block]:
    """All blocks of a language, in the page's order."""
    collected: list[Block] = []
    heading = ""
    for match in re.finditer(r"^#+ ([^\n]+)$|^```(\w+)\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        if match[1] and not match[2]:
            heading = match[1]
        elif match[2] == language:
            collected.append(Block(language, match[3], heading))
    return collected
