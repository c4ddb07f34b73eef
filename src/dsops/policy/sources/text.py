"""The text of a policy file -> a document, JSON or YAML."""

from __future__ import annotations

import os
from collections.abc import Callable

from dsops.document import Document, parse_json, parse_yaml
from dsops.policy.language.letters import lower_case

ReadFile = Callable[[str], str]
"""Takes the name of a file, `-` for stdin; returns its text. Raises PolicyUnreadable."""

STDIN = "<stdin>"


def shown_name(file: str) -> str:
    """The file's name in messages: `<stdin>` for `-`."""
    return STDIN if file == "-" else file


def parse_policy_text(text: str, file: str) -> Document:
    """Parse JSON or YAML, by the file's extension, else JSON where the text begins like it."""
    extension = lower_case(os.path.splitext(file)[1])
    is_json = extension in {".json", ".jsonc"} or (
        extension not in {".yaml", ".yml"} and text.lstrip("\ufeff \t\r\n")[:1] in {"{", "[", "/", '"'}
    )
    return parse_json(text, file) if is_json else parse_yaml(text, file)
