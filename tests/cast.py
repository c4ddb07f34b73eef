"""Records the first minute with dsops, for the site: what a person types on a real terminal, and what is printed.

    python -m tests.cast          (writes docs/images/first-minute.cast, in the format asciicast v2)

The commands run against a sandbox; nothing of the recording is edited.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from tests.pictures import IMAGES, local_aws
from tests.terminal import PATIENCE_SECONDS, Screen

COLUMNS, ROWS = 100, 20
TITLE = "The first minute with dsops"
KEY_SECONDS = 0.05
READING_SECONDS = 3.0


class RecordedScreen(Screen):
    """A terminal that notes when its program wrote what."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        super().__init__(["bash", "--norc", "--noprofile"], columns=COLUMNS, rows=ROWS, environ=environ, folder=folder)
        self._begun = time.monotonic()
        self._noted = 0
        self.events: list[tuple[float, str, str]] = []

    def _read(self) -> None:
        super()._read()
        text = self.written[self._noted :].decode(errors="ignore")
        self._noted = len(self.written)
        if text:
            self.events.append((round(time.monotonic() - self._begun, 3), "o", text))

    def keys(self, text: str) -> None:
        """Type at a person's speed."""
        for key in text:
            self.type(key)
            self.look(KEY_SECONDS)

    def enter(self, command: str) -> None:
        """Type a command, and wait until the prompt is back and a person has read the output."""
        self.keys(f"{command}\r")
        self.wait_for_prompt()

    def wait_for_prompt(self) -> None:
        """Wait until the last row is an empty prompt, and a person has read the output."""
        end = time.monotonic() + PATIENCE_SECONDS
        while self.rows()[-1:] != ["$"]:
            assert time.monotonic() < end, f"no prompt, the screen says\n{self.shown()}"
            self.look(0.1)
        self.look(READING_SECONDS)


def play(screen: RecordedScreen) -> None:
    """Type the commands of the first minute."""
    screen.wait_for_prompt()
    screen.enter("dsops stores")
    screen.enter("dsops exec shop-prod -- aws sts get-caller-identity --query Arn")
    screen.keys("dsops exec -- aws sts get-caller-identity --query Arn\r")
    screen.wait_for("Enter: use")
    screen.look(1.5)
    screen.keys("stag")
    screen.look(1.5)
    screen.keys("\r")
    screen.wait_for_prompt()
    screen.enter("clear")
    screen.enter("dsops whoami audit")
    screen.enter("clear")
    screen.enter("dsops explain audit")


def main() -> None:
    """Record the cast."""
    with local_aws() as (home, environ):
        environ |= {"PS1": "$ ", "USER": "ada", "BASH_SILENCE_DEPRECATION_WARNING": "1"}
        with RecordedScreen(environ, home) as screen:
            play(screen)
            head = {"version": 2, "width": COLUMNS, "height": ROWS, "title": TITLE}
            lines = [json.dumps(line, ensure_ascii=False) for line in (head, *screen.events)]
    (IMAGES / "first-minute.cast").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("docs/images/first-minute.cast")


if __name__ == "__main__":
    main()
