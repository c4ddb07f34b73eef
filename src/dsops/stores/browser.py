"""A page in the person's browser, opened as the person's own environment says."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from threading import Thread

from dsops.dumps import UsersLimit
from dsops.runtime import Runtime

# Not `-m webbrowser`: it does not tell whether a browser was found.
_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def can_open_browser(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a graphical browser can be expected: the login pages need scripts, which text browsers lack."""
    if environ.get("BROWSER") or platform in ("darwin", "win32"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or environ.get("WSL_DISTRO_NAME"))


class Opening:
    """A browser that was asked to open a page; some of them only end when they are closed."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process

    @property
    def has_failed(self) -> bool:
        """Whether there is none that could, as far as is known by now."""
        return self._process is None or self._process.poll() not in (None, 0)

    def wait(self) -> bool:
        """Whether one could; it may be known only when the person closes the page."""
        return self._process is not None and not self._process.wait()


def open_page(url: str, runtime: Runtime) -> Opening:
    """Asks for a browser. The address is a word of a command line: no secret may be in it.

    In a process of its own with the client's environment, since `webbrowser` looks at DISPLAY, BROWSER and so on, and
    in a session of its own: Ctrl-C ends us, and not it. Without TERM, since a browser in the terminal would be none
    that one can log in with.
    """
    environ = {name: value for name, value in runtime.environ.items() if name != "TERM"}
    try:
        with UsersLimit():
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _OPEN, url],
                env=environ,
                cwd=runtime.folder,
                stdin=subprocess.DEVNULL,
                # What it prints is no part of our answer.
                stdout=sys.stderr.fileno() if sys.stderr is not None else subprocess.DEVNULL,
                start_new_session=True,
            )
    except (OSError, ValueError):
        return Opening(None)
    # Whoever asked may not wait for its end; in the agent it would stay in the table of processes.
    Thread(target=process.wait, daemon=True).start()
    return Opening(process)
