"""Open a page in the user's browser. The client's environment variables select the browser."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from threading import Thread

from dsops.dumps import UsersLimit
from dsops.runtime import Runtime

# `-m webbrowser` is not used, because it does not report whether it found a browser.
_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def can_open_browser(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a graphical browser is likely to exist. A text browser can't run the scripts of login pages."""
    if environ.get("BROWSER") or platform in ("darwin", "win32"):
        return True
    return bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY") or environ.get("WSL_DISTRO_NAME"))


class Opening:
    """A browser process that opens a page. Some browsers exit only when the user closes them."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process

    @property
    def has_failed(self) -> bool:
        """Whether the browser failed to start. Also False while the result is unknown."""
        return self._process is None or self._process.poll() not in (None, 0)

    def wait(self) -> bool:
        """Wait until the browser process ends; return whether it opened the page.

        This may take until the user closes the page.
        """
        return self._process is not None and not self._process.wait()


def open_page(url: str, runtime: Runtime, command: Sequence[str] = ()) -> Opening:
    """Start a browser. `url` becomes part of a command line, so it must not contain a secret.

    `command` is the browser's command line before the URL; () means the default browser.

    The browser runs as a separate process:

    - It has the client's environment variables, because `webbrowser` reads DISPLAY, BROWSER and others.
    - TERM is removed from these variables, because a text browser could not be used to log in.
    - It has its own process session, so that Ctrl-C ends only dsops.
    """
    environ = {name: value for name, value in runtime.environ.items() if name != "TERM"}
    try:
        with UsersLimit():
            process = subprocess.Popen(
                [*(command or (sys.executable, "-I", "-c", _OPEN)), url],
                env=environ,
                cwd=runtime.folder,
                stdin=subprocess.DEVNULL,
                # The browser's output must not mix with the command's output. A browser that the user chose writes to
                # its own terminal for as long as it runs, which may be longer than dsops runs.
                stdout=subprocess.DEVNULL if command or sys.stderr is None else sys.stderr.fileno(),
                stderr=subprocess.DEVNULL if command else None,
                start_new_session=True,
            )
    except (OSError, ValueError):
        return Opening(None)
    # This thread waits for the process, which would otherwise become a zombie in the agent.
    Thread(target=process.wait, daemon=True).start()
    return Opening(process)
