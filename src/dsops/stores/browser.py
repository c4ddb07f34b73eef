"""Open a page in the user's browser. The client's environment variables select the browser.

Everyone who has the link of a console or of a sandbox's page can use it, so such a link is never an argument of a
process. The browser gets a loopback address instead, from which dsops redirects exactly one request to the link. Each
store can have a container or browser profile of its own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from secrets import token_urlsafe
from threading import Thread
from typing import NamedTuple
from urllib.parse import quote

from dsops.dumps import UsersLimit
from dsops.errors import LoginFailed, UsageError
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.stores.loopback import BrowserRequest, LoopbackPort, has_state, uid_of_client
from dsops.user_folders import state_folder

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


BROWSERS = ("firefox", "chrome")
_PROGRAMS = {
    "firefox": ("firefox", "firefox-esr", "/Applications/Firefox.app/Contents/MacOS/firefox"),
    "chrome": (
        "google-chrome",
        "google-chrome-stable",
        "chromium",
        "chromium-browser",
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    ),
}
_PATIENCE_SECONDS = 60.0


class BrowserChoice(NamedTuple):
    """The browser, and the container or profile in it, that opens the console."""

    browser: str
    """The browser: `firefox`, `chrome`, or "".

    "" stands for the default browser. With a container, "" stands for the first of the two browsers that is installed.
    """
    container: str
    """The name of the store if it gets a container or profile of its own; otherwise ""."""
    is_dangerous: bool = False


def browser_command(choice: BrowserChoice, runtime: Runtime) -> tuple[str, ...]:
    """Return the browser's command line without the address; () for the default browser. Raises UsageError."""
    if not choice.browser and not choice.container:
        if not can_open_browser(runtime.environ, sys.platform):
            raise UsageError("there is no browser to open", hint="`--url` prints the link instead")
        return ()
    names = (choice.browser,) if choice.browser else BROWSERS
    path = runtime.environ.get("PATH")
    for name in names:
        program = next((found for each in _PROGRAMS[name] if (found := shutil.which(each, path=path))), "")
        if program and name == "chrome" and choice.container:
            return (program, f"--user-data-dir={_profile(choice.container, runtime)}", "--no-first-run")
        if program:
            return (program,)
    raise UsageError(
        f"{' and '.join(names)} can't be found",
        why=f"there is no {' or '.join(each for name in names for each in _PROGRAMS[name])}",
        hint="`--url` prints the link instead",
    )


def open_link(link: Secret, choice: BrowserChoice, command: Sequence[str], runtime: Runtime) -> None:
    """Open the link in the browser; return once the browser has fetched it. Raises UsageError and LoginFailed."""
    state = token_urlsafe(32)
    with LoopbackPort("/console", location=link) as port:
        address = f"{port.address}?state={state}"
        if choice.container and "firefox" in os.path.basename(command[0]):
            address = _in_container(address, choice)
        opening = open_page(address, runtime, command)

        def is_ours(request: BrowserRequest) -> bool:
            # Other users can read the address in the list of processes, so they are refused. root can read everything
            # anyway.
            return uid_of_client(request.client, port.port) in (None, 0, os.getuid()) and has_state(state)(request)

        try:
            port.wait(is_ours, _PATIENCE_SECONDS, lambda: _look(opening))
        except LoginFailed as error:
            error.retell("the browser did not fetch the link within a minute", hint="`--url` prints the link instead")
            raise


def _look(opening: Opening) -> None:
    if opening.has_failed:
        raise UsageError("no browser could be started", hint="`--url` prints the link instead")


def _in_container(address: str, choice: BrowserChoice) -> str:
    """Return the address that opens the link through the Firefox extension "Open external links in a container"."""
    colour = "red" if choice.is_dangerous else "turquoise"
    name = quote(choice.container, safe="")
    return f"ext+container:name={name}&color={colour}&icon=fingerprint&url={quote(address, safe='')}"


def _profile(store: str, runtime: Runtime) -> str:
    """Create the folder of the store's Chrome profile, and return its path."""
    folder = state_folder(runtime.environ)
    if not folder:
        raise UsageError("there is no folder for a browser profile", hint="set HOME, or XDG_STATE_HOME")
    name = "".join(character if character.isascii() and character.isalnum() else "-" for character in store)[:40]
    path = f"{folder}/chrome/{name}-{sha256(os.fsencode(store)).hexdigest()[:12]}"
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
        os.chmod(path, 0o700)
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise UsageError(f"the folder {path} can't be made", why=why, hint="`--url` prints the link") from error
    return path
