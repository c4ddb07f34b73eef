"""Reads a policy file that the command line names."""

from __future__ import annotations

import os

from dsops.errors import PolicyUnreadable
from dsops.input_file import read_file, reason
from dsops.policy import shown_name
from dsops.runtime import Runtime

_MAX_BYTES = 1 << 25
"""The maximum size of a policy file: IAM accepts 128 KiB, and a file of 32 MiB can be checked within a minute."""


def read_policy(name: str, runtime: Runtime) -> str:
    """Return the text of a file, or of stdin for `-`. Raises PolicyUnreadable."""
    shown = shown_name(name)
    try:
        if name == "-":
            with open(0, "rb", closefd=False) as file:
                data = file.read(_MAX_BYTES + 1)
        else:
            data = read_file(os.path.join(runtime.folder, name), _MAX_BYTES + 1, takes_pipes=True).data
    except OSError as error:
        hint = "name a file that contains the policy, or `-` for stdin"
        raise PolicyUnreadable(f"{shown} can't be read", why=reason(error), hint=hint) from error
    if len(data) > _MAX_BYTES:
        why, hint = (
            f"it has more than {_MAX_BYTES:,} bytes",
            "check that it is the right file: IAM accepts 128 KiB at most",
        )
        raise PolicyUnreadable(f"{shown} can't be checked", why=why, hint=hint)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        why = f"it is not UTF-8: byte {error.start + 1} belongs to no character"
        raise PolicyUnreadable(f"{shown} can't be checked", why=why, hint="save it as UTF-8") from error
