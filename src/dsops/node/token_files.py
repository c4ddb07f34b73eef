"""Writes one token file for each workload: mode 0400, owned by the workload's user, with a new token at each start."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Final

from dsops.errors import FileNotWritten
from dsops.input_file import reason
from dsops.node.workloads import Workload
from dsops.process.folders import folder_problem, make_public_folder
from dsops.secret import Secret

_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


def write_tokens(folder: str, workloads: Iterable[Workload]) -> dict[str, Secret]:
    """Write the token file of each workload that needs one, and return the tokens by workload.

    A file is replaced with rename(2), so a reader sees the old or the new token as a whole. Raises FileNotWritten.
    """
    tokens: dict[str, Secret] = {}
    try:
        _make_folder(folder)
        for workload in workloads:
            if workload.token_check is None:
                tokens[workload.name] = Secret(os.urandom(32).hex())
                _write(os.path.join(folder, workload.name), tokens[workload.name], workload.token_owner)
    except OSError as error:
        hint = "run the node as root, or name a folder of its own user with `tokens:`"
        raise FileNotWritten(f"the token files in {folder} can't be written", why=reason(error), hint=hint) from error
    return tokens


def _make_folder(folder: str) -> None:
    """Create the folder with mode 0755. Raises FileNotWritten if another user could replace files in it."""
    make_public_folder(folder)
    why = folder_problem(folder, {os.geteuid()})
    if why:
        hint = "name a folder that does not exist yet with `tokens:`"
        raise FileNotWritten(f"the folder for token files is not safe: {folder}", why=why, hint=hint)


def _write(path: str, token: Secret, owner: int) -> None:
    temporary = f"{path}.{os.urandom(6).hex()}"
    descriptor = os.open(temporary, _FLAGS, 0o400)
    try:
        try:
            if owner != os.geteuid():
                os.fchown(descriptor, owner, -1)
            os.write(descriptor, token.reveal_bytes())
        finally:
            os.close(descriptor)
        os.rename(temporary, path)
    except OSError:
        os.unlink(temporary)
        raise
