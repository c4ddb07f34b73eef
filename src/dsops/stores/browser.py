"""Opens a page in the user's browser, chosen by the client's environment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from threading import Thread

from dsops.dumps import UsersLimit
from dsops.runtime import Runtime

# Not `-m webbrowser`: it does not report whether it found a browser.
_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def can_open_browser(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a graphical browser can be expected: the login pages need scripts, which text browsers lack."""
    if environ.get("BROWSER") or platform in ("darwin", "win32"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or environ.get("WSL_DISTRO_NAME"))


class Opening:
    """A browser process that was asked to open a page; some browsers exit only when the user closes them."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process

    @property
    def has_failed(self) -> bool:
        """Whether no browser could be started, as far as is known by now."""
        return self._process is None or self._process.poll() not in (None, 0)

    def wait(self) -> bool:
        """Wait until it is known whether a browser opened; that can last until the user closes the page."""
        return self._process is not None and not self._process.wait()


def open_page(url: str, runtime: Runtime) -> Opening:
    """Start a browser. The address is part of a command line, so it must not contain a secret.

    The browser runs in a process of its own with the client's environment, since `webbrowser` reads DISPLAY, BROWSER
    and others; and in a session of its own, so that Ctrl-C ends only dsops. TERM is removed: a text browser
    started there could not be used to log in.
    """
    environ = {name: value for name, value in runtime.environ.items() if name != "TERM"}
    try:
        with UsersLimit():
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _OPEN, url],
                env=environ,
                cwd=runtime.folder,
                stdin=subprocess.DEVNULL,
                # The browser's output must not mix with the command's answer.
                stdout=sys.stderr.fileno() if sys.stderr is not None else subprocess.DEVNULL,
                start_new_session=True,
            )
    except (OSError, ValueError):
        return Opening(None)
    # The caller may not wait for the process; in the agent it would become a zombie.
    Thread(target=process.wait, daemon=True).start()
    return Opening(process)
