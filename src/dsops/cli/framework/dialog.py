"""Asks the user in a dialog window if there is no terminal, as in an editor's plugin or a desktop program."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from dsops.agent.client import find
from dsops.secret import Secret

VARIABLE = "DSOPS_DIALOG"
"""The environment variable that turns dialog windows off: `DSOPS_DIALOG=off`."""

_OFF = ("off", "0", "no", "false")

_SECONDS = 110.0
"""How long the window stays open, in seconds: the agent asks another client after two minutes."""

_LONGEST_ANSWER = 1024

# The question is passed to the script as an argument: as a part of the script's code, it could change the code.
_APPLE_SCRIPT = (
    "on run argv",
    'display dialog (item 1 of argv) with title "dsops" default answer "" with hidden answer giving up after 110',
    "if gave up of result then error number -128",
    "text returned of result",
    "end run",
)


def ask(question: str, environ: Mapping[str, str], *, platform: str = sys.platform) -> Secret | None:
    """Return what the user types, without echo; None without a window, or if the user closes the window.

    The question is on the window's command line, which other users can read; the answer is not. Uses zenity or
    kdialog on X and Wayland, osascript on macOS; opens no window in CI.
    """
    if environ.get("CI") or environ.get(VARIABLE, "").lower() in _OFF:
        return None
    command = _command(question.rstrip(": "), environ, platform)
    return None if command is None else _answer(command, environ)


def _command(question: str, environ: Mapping[str, str], platform: str) -> Sequence[str] | None:
    """Return the command that opens the window; None if no suitable program is installed."""
    known: dict[str, Callable[[str], list[str]]] = {"zenity": _zenity, "kdialog": _kdialog}
    if platform == "darwin":
        if environ.get("SSH_CONNECTION"):
            return None
        known = {"osascript": _osascript}
    elif platform == "win32" or not (environ.get("WAYLAND_DISPLAY") or environ.get("DISPLAY")):
        return None
    elif "KDE" in environ.get("XDG_CURRENT_DESKTOP", "").upper():
        known = dict(reversed(known.items()))
    for name, words in known.items():
        program = find(name, environ.get("PATH", ""))
        if program is not None:
            return [program, *words(question)]
    return None


def _zenity(question: str) -> list[str]:
    # In a zenity label, `_` marks a keyboard shortcut and `\` an escape.
    text = question.replace("\\", "\\\\").replace("_", "__")
    return ["--entry", "--hide-text", "--title=dsops", f"--text={text}"]


def _kdialog(question: str) -> list[str]:
    return ["--title", "dsops", "--password", question]


def _osascript(question: str) -> list[str]:
    return [*[word for line in _APPLE_SCRIPT for word in ("-e", line)], question]


def _answer(command: Sequence[str], environ: Mapping[str, str]) -> Secret | None:
    import subprocess

    try:
        window = subprocess.Popen(
            command, env=dict(environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except (OSError, ValueError):
        return None
    try:
        typed, _ = window.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        window.kill()
        window.wait()
        if window.stdout is not None:
            window.stdout.close()
    if window.returncode or len(typed) > _LONGEST_ANSWER:
        return None
    return Secret.from_bytes(typed.removesuffix(b"\n"))
