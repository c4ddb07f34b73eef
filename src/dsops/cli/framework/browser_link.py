"""Opens a link that contains a secret in a browser; each store can have a container or browser profile of its own.

Everyone who has the link of a console or of a sandbox's page can use it, so it is never an argument of a process. The
browser gets a loopback address instead, from which dsops redirects exactly one request to the link.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from hashlib import sha256
from secrets import token_urlsafe
from typing import NamedTuple
from urllib.parse import quote

from dsops.errors import LoginFailed, UsageError
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.stores.browser import Opening, can_open_browser, open_page
from dsops.stores.loopback import BrowserRequest, LoopbackPort, has_state, uid_of_client
from dsops.user_folders import state_folder

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
