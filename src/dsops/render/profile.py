"""Write a section of ~/.aws/credentials with a session's keys, for programs that support only profiles."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.errors import UsageError, ValueUnusable
from dsops.secret import Secret

KEYS = {
    "AWS_ACCESS_KEY_ID": "aws_access_key_id",
    "AWS_SECRET_ACCESS_KEY": "aws_secret_access_key",
    "AWS_SESSION_TOKEN": "aws_session_token",
}

# `[DEFAULT]` can't be a profile: Python's configparser adds the keys of this section to all other sections.
_NAME = re.compile(r"(?!DEFAULT$)[\w.@+/-]+", re.ASCII)

# Programs differ in how they read blanks, quotes and `#` in a value. No AWS key or token contains such a character.
_PLAIN = re.compile(r"[!$-&(-:<-~]*")

_HEADER = re.compile(r"\[\s*(.*?)\s*\]")
_OURS = re.compile(r"aws_(access_key_id|secret_access_key|session_token|security_token)\s*[=:]", re.IGNORECASE)
_ENDS = "# these keys end at "


def section(name: str, variables: Mapping[str, Secret]) -> str:
    """Return the profile's section; raises UsageError if `name` is not a valid name of a section."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"`{name}` can't be the name of a profile",
            why="a profile name has only ASCII letters, digits and `_.@+/-`, and is not DEFAULT",
            hint="choose another name for the profile",
        )
    lines = [f"[{name}]", *_lines(variables)]
    return "\n".join(lines) + "\n"


def _lines(variables: Mapping[str, Secret]) -> list[str]:
    lines = []
    if "AWS_CREDENTIAL_EXPIRATION" in variables:
        lines.append(f"{_ENDS}{variables['AWS_CREDENTIAL_EXPIRATION'].reveal()}")
    for variable, key in KEYS.items():
        value = variables[variable].reveal()
        if not _PLAIN.fullmatch(value):
            raise ValueUnusable(
                f"the value of `{key}` can't be written into a profile",
                why="it contains a space, a quote, `#`, `;` or a character that is not ASCII",
                hint="check where the keys come from: AWS issues no such keys",
            )
        if value:
            lines.append(f"{key} = {value}")
    return lines


def put(old: str, name: str, variables: Mapping[str, Secret]) -> str:
    """Return the file's text with the section's keys replaced. Everything else stays unchanged."""
    new = section(name, variables).splitlines()
    lines: list[str] = []
    is_inside = is_written = is_dropping = False
    # splitlines() would also split at other characters than the newline, and these would be lost.
    for line in old.removesuffix("\n").split("\n") if old else ():
        header = _HEADER.match(line)
        if header:
            is_inside, is_dropping = header[1] == name, False
            lines.append(line)
            if is_inside and not is_written:
                lines.extend(new[1:])
                is_written = True
            continue
        if is_inside:
            # An indented line continues the previous value.
            is_dropping = bool(_OURS.match(line)) or (is_dropping and line[:1] in {" ", "\t"})
            if is_dropping or line.startswith(_ENDS):
                continue
        lines.append(line)
    if not is_written:
        lines.extend(["", *new] if lines and lines[-1] else new)
    return "\n".join(lines) + "\n"
