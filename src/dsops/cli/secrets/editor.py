"""The user's editor, and the private file that it opens."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from typing import Self

from dsops.errors import UsageError
from dsops.secret import Secret
from dsops.secret_editing import private_folder

_FALLBACK = "vi"
_FILE = "secret"
_PATIENCE_SECONDS = 2
"""How many seconds an editor may take to end after SIGTERM."""


def find_editor(environ: Mapping[str, str]) -> list[str]:
    """Return the command line of $VISUAL, $EDITOR or vi. Raises UsageError if there is no such program."""
    name = next((name for name in ("VISUAL", "EDITOR") if environ.get(name, "").strip()), "")
    try:
        words = shlex.split(environ[name]) if name else [_FALLBACK]
    except ValueError as error:
        raise UsageError(
            f"{name} is not a valid command line", why=str(error).lower(), hint=f"correct {name}"
        ) from error
    if shutil.which(words[0], path=environ.get("PATH")) is None:
        raise UsageError(f"the editor `{words[0]}` was not found", hint="set VISUAL or EDITOR to an editor's command")
    return words


class EditedFile:
    """A file in a folder of its own, for the editor. The folder is removed at the end, unless `keep` was called."""

    def __init__(self, parent: str, text: Secret) -> None:
        self.folder = ""
        self.path = ""
        self._parent = parent
        self._text = text
        self._is_kept = False

    def __enter__(self) -> Self:
        self.folder = private_folder(self._parent)
        self.path = os.path.join(self.folder, _FILE)
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._text.reveal_bytes())
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_kept:
            self._remove()

    def keep(self) -> None:
        """Keep the file after the end of the block, for the user."""
        self._is_kept = True

    def edit(self, editor: list[str], environ: Mapping[str, str]) -> Secret:
        """Run the editor, and return the saved text. Raises UsageError if the editor fails."""
        code = _wait_for([*editor, self.path], environ)
        if code:
            ended = f"exit code {code}" if code > 0 else f"signal {-code}"
            raise UsageError(
                "nothing was written", why=f"the editor `{editor[0]}` ended with {ended}", hint="try again"
            )
        try:
            with open(self.path, "rb") as file:
                text = Secret.from_bytes(file.read())
        except OSError as error:
            why = f"the editor has removed the file: {(error.strerror or '').lower()}"
            raise UsageError("nothing was written", why=why, hint="save the file under the same name") from error
        if not text.reveal():
            raise UsageError("nothing was written", why="the file is empty", hint="AWS stores no empty values")
        return text

    def _remove(self) -> None:
        # The whole folder is removed, because editors leave backups and swap files beside the file.
        shutil.rmtree(self.folder, ignore_errors=True)


def _wait_for(command: list[str], environ: Mapping[str, str]) -> int:
    """Run the editor on this terminal. Ctrl-C goes to the editor; other signals end the editor and dsops."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGQUIT)}
    try:
        with subprocess.Popen(command, env=dict(environ), preexec_fn=_default_signals) as editor:  # noqa: PLW1509
            try:
                return editor.wait()
            except BaseException:
                _end(editor)
                raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(editor: subprocess.Popen[bytes]) -> None:
    editor.terminate()
    try:
        editor.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        editor.kill()


def _default_signals() -> None:
    """Restore the default action of signals that this process ignores, which the editor would inherit."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
