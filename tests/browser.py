"""Chromium without a window, driven by keys: pages are used as a person without a mouse uses them.

Commands go through a pipe (`--remote-debugging-pipe`), so that no port is opened.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select
from time import monotonic, sleep
from typing import Any

from tests.children import Child

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 60
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    # Name look-ups fail, so the browser cannot reach the network.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)

_KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}


class Browser:
    """One page in Chromium."""

    def __init__(self, write: int, read: int, *, has_scripts: bool) -> None:
        self._write, self._read = write, read
        self._number = 0
        self._buffer = b""
        self._loads = 0
        """The number of pages that have been loaded."""
        self._session = ""
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")
        if not has_scripts:
            self._call("Emulation.setScriptExecutionDisabled", value=True)

    def open(self, url: str) -> None:
        """Open the URL, and wait until the page is loaded."""
        loads = self._loads
        self._call("Page.navigate", url=url)
        if self._loads == loads:
            self._wait(lambda _: self._loads > loads)

    def resize(self, width: int, height: int) -> None:
        """Set the size of the window's content, in CSS pixels."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window, so that a reader has to scroll to the side."""
        root = "document.documentElement"
        return int(str(self.value(f"Math.max({root}.scrollWidth, document.body.scrollWidth) - innerWidth")))

    def type(self, text: str) -> None:
        """Type the text into the field that gets the focus by itself, which may be some time after the page's load."""
        end = monotonic() + SECONDS
        while self.focused() == "undefined=undefined":
            assert monotonic() < end, "no field has the focus"
            sleep(0.02)
        self._call("Input.insertText", text=text)

    def press(self, key: str, *, loads: bool = False) -> None:
        """Press Tab, Enter, Escape or an arrow key; with `loads`, wait until another page is loaded."""
        loads_before = self._loads
        code = {"key": key, "code": key, "windowsVirtualKeyCode": _KEYS[key]}
        self._call("Input.dispatchKeyEvent", type="keyDown", text="\r" if key == "Enter" else "", **code)
        self._call("Input.dispatchKeyEvent", type="keyUp", **code)
        # The page may have been loaded while the answer for the key was awaited.
        if loads and self._loads == loads_before:
            self._wait(lambda _: self._loads > loads_before)

    def text(self, selector: str = "body") -> str:
        """The visible text of the first matching element."""
        return str(self.value(f"document.querySelector({json.dumps(selector)}).innerText"))

    def wait_for(self, expression: str) -> object:
        """Wait until the JavaScript expression has a value that is not empty; return the value."""
        end = monotonic() + SECONDS
        while not (value := self.value(expression)):
            assert monotonic() < end, f"`{expression}` stayed {value!r}; the page: {self.text()}"
            sleep(0.05)
        return value

    def picture(self, file: Path) -> None:
        """Write a screenshot of the window as PNG."""
        file.write_bytes(b64decode(self._call("Page.captureScreenshot")["data"]))

    def prefer(self, scheme: str) -> None:
        """Prefer the `light` or `dark` colour scheme."""
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def focused(self) -> str:
        """The name and value of the element that has the focus: `answer=deny`."""
        return str(self.value("`${document.activeElement.name}=${document.activeElement.value}`"))

    def value(self, expression: str) -> object:
        """The value of a JavaScript expression; None for an element."""
        return self._call("Runtime.evaluate", expression=expression)["result"].get("value")

    def _call(self, method: str, **parameters: object) -> dict[str, Any]:
        self._number += 1
        request: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            request["sessionId"] = self._session
        os.write(self._write, json.dumps(request).encode() + b"\0")
        answer = self._wait(lambda message: message.get("id") == self._number)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def _wait(self, is_meant: Any) -> dict[str, Any]:
        end = monotonic() + SECONDS
        while True:
            message = self._message(end)
            self._loads += message.get("method") == "Page.loadEventFired"
            if is_meant(message):
                return message

    def _message(self, end: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select([self._read], [], [], max(0, end - monotonic()))[0], "Chromium does not answer"
            received = os.read(self._read, 1 << 16)
            assert received, "Chromium has ended"
            self._buffer += received
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@contextmanager
def browser(folder: Path, *, has_scripts: bool = False) -> Iterator[Browser]:
    """A browser with a profile of its own in the folder; it ends with the block. Scripts run with `has_scripts`."""
    their_read, our_write = os.pipe()
    our_read, their_write = os.pipe()
    # Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
    start = (
        "import fcntl, os, sys; "
        f"a, b = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in ({their_read}, {their_write})]; "
        "os.dup2(a, 3); os.dup2(b, 4); os.execv(sys.argv[1], sys.argv[1:])"
    )
    with Child(
        [
            sys.executable,
            "-c",
            start,
            str(CHROMIUM),
            *FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            "--remote-debugging-pipe",
        ],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(their_read, their_write),
    ) as process:
        os.close(their_read)
        os.close(their_write)
        try:
            yield Browser(our_write, our_read, has_scripts=has_scripts)
        finally:
            process.kill()
            os.close(our_write)
            os.close(our_read)
