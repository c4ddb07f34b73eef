"""Safe repairs: fix modes of the user's own files and folders, and remove sockets of agents that have ended.

Each fault is checked again right before the change, and symbolic links are never followed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

from dsops.agent import DECLINED, client
from dsops.doctor import agent
from dsops.doctor.files import CODE, Watched, loose_files


class Repair(NamedTuple):
    """A repair to carry out."""

    kind: Literal["mode", "socket", "agent"]
    code: str
    """The code of the check that reports the fault."""
    path: str
    before: str
    after: str
    mode: int = 0
    """The new mode of the file or folder."""


def file_repairs(watched: Iterable[Watched]) -> Iterator[Repair]:
    """Yield repairs of the modes of the user's own files. Symbolic links are not changed."""
    for file in loose_files(watched):
        if file.may_be_mended:
            yield Repair("mode", CODE, file.path, f"mode {file.mode:03o}", f"mode {file.wanted:03o}", file.wanted)


def agent_repairs(environ: Mapping[str, str]) -> Iterator[Repair]:
    """Yield the repairs of the agent's folder and sockets.

    - A folder that other users can access gets mode 700.
    - A socket on which no agent listens is removed.
    - An agent of an older version of dsops ends by itself when it is asked for its status.
    - The socket of an agent of another dsops installation is removed, and the agent ends by itself.
    """
    if not client.is_wanted(environ):
        return
    folder = client.folder_of(environ)
    # The parent folder is not repaired: other programs may use it, and access to it gives no access to the agent.
    if mode := agent.loose_mode(folder):
        yield Repair("mode", "doctor.agent-folder", folder, f"mode {mode:03o}", "mode 700", 0o700)
    if not client.is_safe(folder):
        return
    own = client.address_in(folder)
    for address in agent.sockets_in(folder):
        if agent.is_stale(address):
            yield Repair("socket", "doctor.agent-socket", address, "no process listens there", "removed")
        elif address == own:
            heard = agent.ask(address)
            if heard.has_ended:
                yield Repair("agent", "doctor.agent", address, "an agent of an older dsops", "it has ended")
            elif heard.kind == DECLINED:
                after = "removed: it ends by itself"
                yield Repair("socket", "doctor.agent", address, "an agent of another dsops", after)


def mend(repair: Repair) -> str:
    """Carry out the repair. Returns "", or the reason why the repair failed."""
    try:
        if repair.kind == "mode":
            return _set_mode(repair.path, repair.mode)
        if repair.kind == "socket":
            return _remove_socket(repair)
    except OSError as error:
        return (error.strerror or "unknown reason").lower()
    return ""


def _set_mode(path: str, mode: int) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if status.st_uid != os.geteuid() or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return "it is not a file of yours any more"
        os.fchmod(descriptor, stat.S_IMODE(status.st_mode) & mode)
    finally:
        os.close(descriptor)
    return ""


def _remove_socket(repair: Repair) -> str:
    from dsops.agent.start import locked  # imported here because Windows has neither this module nor sockets to remove

    with locked(repair.path):
        if repair.code == "doctor.agent-socket" and not agent.is_stale(repair.path):
            return "an agent has come meanwhile"
        os.unlink(repair.path)
    return ""
