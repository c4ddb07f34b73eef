"""Firefox without a window, driven by Marionette, its own remote protocol: JSON over a connection on loopback.

It has the methods of `tests.browser.Browser` that a walk through a page needs.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from tests.children import Child

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
SECONDS = 120
_KEYS = {"Tab": "\ue004", "Enter": "\ue007"}
_PREFERENCES = {
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "browser.tabs.warnOnClose": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "marionette.port": 0,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "remote.active-protocols": 0,
    # Only 127.0.0.1 is reached: every other address goes to a proxy that does not exist.
    "network.proxy.type": 1,
    "network.proxy.http": "127.0.0.1",
    "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1",
    "network.proxy.ssl_port": 9,
    "network.proxy.no_proxies_on": "127.0.0.1",
}


class Firefox:
    """One page in Firefox."""

    def __init__(self, port: int) -> None:
        self._connection = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
        self._stream = self._connection.makefile("rb")
        self._number = 0
        self._message()
        self._call("WebDriver:NewSession", capabilities={"alwaysMatch": {"pageLoadStrategy": "normal"}})

    def open(self, url: str) -> None:
        """Open the URL, and wait until the page is loaded."""
        self._call("WebDriver:Navigate", url=url)

    def resize(self, width: int, height: int) -> None:
        """Set the size of the window's content, in CSS pixels."""
        for _ in range(2):  # The window has a border of unknown width at first.
            inner = self.value("[outerWidth - innerWidth, outerHeight - innerHeight]")
            assert isinstance(inner, list)
            self._call("WebDriver:SetWindowRect", width=width + inner[0], height=height + inner[1])

    def press(self, key: str) -> None:
        """Press and release a key."""
        text = _KEYS.get(key, key)
        actions = [{"type": "keyDown", "value": text}, {"type": "keyUp", "value": text}]
        self._call("WebDriver:PerformActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])

    def value(self, expression: str) -> object:
        """The value of a JavaScript expression."""
        return self._call("WebDriver:ExecuteScript", script=f"return ({expression});", args=[], sandbox=None)

    def wait_for(self, expression: str) -> object:
        """Wait until the expression is true, and return its value."""
        end = monotonic() + SECONDS
        while True:
            value = self.value(expression)
            if value:
                return value
            assert monotonic() < end, f"never true: {expression}\n{self.text()}"
            sleep(0.05)

    def text(self, selector: str = "body") -> str:
        """The visible text of an element."""
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        root = "document.documentElement"
        return int(str(self.value(f"Math.max({root}.scrollWidth, document.body.scrollWidth) - innerWidth")))

    def picture(self, file: Path) -> None:
        """Write a screenshot of the window as PNG."""
        file.write_bytes(b64decode(str(self._call("WebDriver:TakeScreenshot", full=False))))

    def quit(self) -> None:
        """End the program."""
        self._call("Marionette:Quit", flags=["eForceQuit"])

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()
        self._connection.close()

    def _call(self, command: str, **parameters: object) -> object:
        self._number += 1
        text = json.dumps([0, self._number, command, parameters]).encode()
        self._connection.sendall(b"%d:%s" % (len(text), text))
        message = self._message()
        assert isinstance(message, list)
        _, number, error, result = message
        assert (number, error) == (self._number, None), error
        return result["value"] if isinstance(result, dict) and "value" in result else result

    def _message(self) -> object:
        length = b""
        while not length.endswith(b":"):
            part = self._stream.read(1)
            assert part, "Firefox closed the connection"
            length += part
        return json.loads(self._stream.read(int(length[:-1])))


@contextmanager
def firefox(folder: Path) -> Iterator[Firefox]:
    """Start Firefox with a new profile in the folder; at the end it has ended."""
    assert FIREFOX is not None
    profile = folder / "profile"
    profile.mkdir(parents=True)
    lines = (f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in _PREFERENCES.items())
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    words = [FIREFOX, "--headless", "--no-remote", "--marionette", "--profile", str(profile)]
    with (
        (folder / "output").open("wb") as output,
        Child(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        ) as program,
        closing(Firefox(_port(profile / "MarionetteActivePort", program))) as page,
    ):
        yield page
        page.quit()
        program.wait(SECONDS)


def _port(file: Path, program: subprocess.Popen[Any]) -> int:
    """Wait until Firefox has written the port on which it listens."""
    end = monotonic() + SECONDS
    while monotonic() < end and program.poll() is None:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if text.strip():
            return int(text)
        sleep(0.05)
    raise AssertionError("Firefox does not listen")
