"""A page in the person's browser, opened as the person's own environment says."""

from __future__ import annotations

import subprocess
import sys

from dsops.runtime import Runtime

_SECONDS = 20.0
# Not `-m webbrowser`: it does not tell whether a browser was found.
_OPEN = "import sys, webbrowser; sys.exit(not webbrowser.open(sys.argv[1]))"


def open_page(url: str, runtime: Runtime) -> bool:
    """Whether a browser took it. The address is a word of a command line: no secret may be in it.

    In a process of its own with the client's environment, since `webbrowser` looks at DISPLAY, BROWSER and so on; and
    without TERM, since a browser in the terminal would be none that one can log in with.
    """
    environ = {name: value for name, value in runtime.environ.items() if name != "TERM"}
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _OPEN, url],
            env=environ,
            cwd=runtime.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
