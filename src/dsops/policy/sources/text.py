"""Parse the text of a policy file, JSON or YAML."""

from __future__ import annotations

import os
from collections.abc import Callable

from dsops.document import Document, parse_json, parse_yaml
from dsops.policy.language.letters import lower_case

ReadFile = Callable[[str], str]
"""A function that takes a file name (`-` for stdin) and returns the text. Raises PolicyUnreadable."""

STDIN = "<stdin>"


def shown_name(file: str) -> str:
    """Return the file's name for messages: `<stdin>` for `-`."""
    return STDIN if file == "-" else file


def parse_policy_text(text: str, file: str) -> Document:
    """Parse JSON or YAML, chosen by the file's extension or else by the first character."""
    extension = lower_case(os.path.splitext(file)[1])
    is_json = extension in {".json", ".jsonc"} or (
        extension not in {".yaml", ".yml"} and text.lstrip("\ufeff \t\r\n")[:1] in {"{", "[", "/", '"'}
    )
    return parse_json(text, file) if is_json else parse_yaml(text, file)
