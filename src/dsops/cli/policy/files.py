"""Files that hold policies, or tables of questions to them."""

from __future__ import annotations

import os

from dsops.document import Document, parse_json, parse_yaml
from dsops.errors import PolicyUnreadable
from dsops.input_file import read_file, reason
from dsops.runtime import Runtime

_MAX_BYTES = 1 << 25
"""IAM takes 128 KiB; this much is read in a minute, and no more of what was named by mistake."""

STDIN = "<stdin>"


def parse_policy_text(text: str, file: str) -> Document:
    """The document: JSON or YAML by the file's ending, else JSON where it begins like that."""
    extension = os.path.splitext(file)[1].lower()
    is_json = extension in {".json", ".jsonc"} or (
        extension not in {".yaml", ".yml"} and text.lstrip("\ufeff \t\r\n")[:1] in {"{", "[", "/", '"'}
    )
    return parse_json(text, file) if is_json else parse_yaml(text, file)


def read_policy(name: str, runtime: Runtime) -> str:
    """The text of a file, or of stdin for `-`. Raises PolicyUnreadable."""
    shown = STDIN if name == "-" else name
    try:
        if name == "-":
            with open(0, "rb", closefd=False) as file:
                data = file.read(_MAX_BYTES + 1)
        else:
            data = read_file(os.path.join(runtime.folder, name), _MAX_BYTES + 1, takes_pipes=True).data
    except OSError as error:
        hint = "name a file with the policy in it, or `-` for stdin"
        raise PolicyUnreadable(f"{shown} can't be read", why=reason(error), hint=hint) from error
    if len(data) > _MAX_BYTES:
        why, hint = f"it has more than {_MAX_BYTES:,} bytes", "is it the right file? IAM takes 128 KiB at most"
        raise PolicyUnreadable(f"{shown} can't be checked", why=why, hint=hint)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8: byte {error.start + 1} belongs to no character"
        raise PolicyUnreadable(f"{shown} can't be checked", why=why, hint="save it as UTF-8") from error
