"""Write a dotenv report of GitLab CI. A value ends at the end of its line, without quotes or escapes.

Source: https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv. Many values can't be written in this
format.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.errors import ValueUnusable
from dsops.render import require_shell_name, text_of
from dsops.secret import Secret

_EXPANDED = re.compile(r"\$|%\w*%")
"""Matches what GitLab may expand as a variable, or treat as an escape."""


def render(values: Mapping[str, Secret]) -> bytes:
    """Return one line for each variable, in the given order."""
    return "".join(_line(name, value) for name, value in values.items()).encode()


def _line(name: str, value: Secret) -> str:
    require_shell_name(name)
    text = text_of(name, value, "a GitLab dotenv report")
    if why := _obstacle(text):
        raise ValueUnusable(
            f"the value of `{name}` can't be written as a GitLab dotenv report",
            why=why,
            hint="add `transform: base64_encode`, or use `dsops exec` in the job that needs it",
        )
    return f"{name}={text}\n"


def _obstacle(text: str) -> str:
    """Return the reason why the format can't contain the value, or "" if it can."""
    if any(ord(character) < 0x20 and character != "\t" for character in text):
        return "it contains a newline or another control character, but a value there must be one line"
    if text != text.strip():
        return "it begins or ends with a blank, and GitLab takes those away"
    if _EXPANDED.search(text):
        return "it contains `$` or `%NAME%`, which GitLab replaces"
    return ""
