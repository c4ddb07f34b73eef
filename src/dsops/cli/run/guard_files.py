"""The policy files of a guarded command: note that one has changed, and add what the user allows for always."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence

from dsops.cli.framework.file_writing import write_over
from dsops.cli.framework.output import note
from dsops.document import append_item, to_plain
from dsops.errors import DsopsError
from dsops.guard.run.known_policies import is_as_remembered, remember
from dsops.pipeline.policy_file import read_policy
from dsops.policy import parse_policy_text
from dsops.runtime import Runtime


class GuardPolicyFiles:
    """The policy files of one guarded command.

    `hidden` are the folders that an isolated command can't reach; None if the command is not isolated.
    """

    def __init__(self, runtime: Runtime, hidden: Sequence[str] | None) -> None:
        self._runtime = runtime
        self._hidden = hidden
        self._texts: dict[str, str] = {}
        """The names of the regular files that belong to the user, with the content that the guard uses."""

    def read(self, name: str) -> str:
        """Return the text of a policy file, `-` for stdin. Raises PolicyUnreadable."""
        text = read_policy(name, self._runtime)
        if name != "-" and _is_own(self._path(name)):
            self._texts[name] = text
        return text

    def note_changes(self) -> None:
        """Show a note for each file that has changed since a guarded command last ran with it."""
        for name, text in self._texts.items():
            path, data = self._path(name), text.encode()
            is_same = is_as_remembered(path, data, self._runtime.environ)
            if is_same is False:
                note(f"{name} has changed since it was last used; if you did not change it, the command may have")
            if not is_same:
                remember(path, data, self._runtime.environ)

    @property
    def target(self) -> str:
        """The file for the answer `always`: the last one of the user, if an isolated command can't write it."""
        name = next(reversed(self._texts), "")
        return name if name and (self._hidden is None or _is_in(self._path(name), self._hidden)) else ""

    def add(self, action: str, resource: str) -> str:
        """Add a statement to the target that allows the action on the resource; return why not, or "".

        A file whose content is no longer the one that the guard uses is not written: the command may have changed it.
        """
        name = self.target
        old, path = self._texts[name], self._path(name)
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        new = append_item(old, "Statement", statement)
        if new is None or not _is_with(old, new, name, statement):
            return f"add it yourself, as {name} has no list of statements that dsops can extend"
        try:
            write_over(path, old.encode(), new.encode())
        except DsopsError as error:
            return f"{error.message} ({error.why})" if error.why else error.message
        self._texts[name] = new
        remember(path, new.encode(), self._runtime.environ)
        return ""

    def _path(self, name: str) -> str:
        return os.path.join(self._runtime.folder, name)


def _is_own(path: str) -> bool:
    """Whether the path is a regular file that belongs to this user."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and (not hasattr(os, "geteuid") or status.st_uid == os.geteuid())


def _is_in(path: str, folders: Iterable[str]) -> bool:
    real = os.path.realpath(path)
    return any(real.startswith(f"{os.path.realpath(folder)}/") for folder in folders)


def _is_with(old: str, new: str, name: str, statement: dict[str, str]) -> bool:
    """Whether the new text is the old policy with this statement at its end, and nothing else."""
    before, after = parse_policy_text(old, name), parse_policy_text(new, name)
    if before.root is None or after.root is None or after.problems:
        return False
    expected, written = to_plain(before.root), to_plain(after.root)
    assert isinstance(expected, dict)  # noqa: S101 - append_item returned a text
    return written == expected | {"Statement": [*expected["Statement"], statement]}
