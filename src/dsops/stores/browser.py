"""Open a page in the user's browser, in the user's own environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from threading import Thread

from dsops.dumps import UsersLimit
from dsops.runtime import Runtime

# Not `-m webbrowser`: its exit code does not show whether a browser was found.
_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def can_open_browser(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a graphical browser can be expected: the login pages need scripts, which text browsers lack."""
    if environ.get("BROWSER") or platform in ("darwin", "win32"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or environ.get("WSL_DISTRO_NAME"))


class Opening:
    """A process that opens a page; some browsers end only when they are closed."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process

    @property
    def has_failed(self) -> bool:
        """Whether no browser could be opened, as far as is known yet."""
        return self._process is None or self._process.poll() not in (None, 0)

    def wait(self) -> bool:
        """Wait for the process; return whether a browser was opened. It may end only when the user closes the page."""
        return self._process is not None and not self._process.wait()


def open_page(url: str, runtime: Runtime) -> Opening:
    """Start a process that opens the page. The address is an argument of it: no secret may be in it.

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
                # Its output must not mix with this command's.
                stdout=sys.stderr.fileno() if sys.stderr is not None else subprocess.DEVNULL,
                start_new_session=True,
            )
    except (OSError, ValueError):
        return Opening(None)
    # The caller may not wait for it; in the agent it would stay a zombie.
    Thread(target=process.wait, daemon=True).start()
    return Opening(process)
