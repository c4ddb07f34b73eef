"""The program `op` for one test: a folder with the stub program, its items, and a record of its calls."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from shlex import quote

PROGRAM = Path(__file__).with_name("op_program.py")


class StubOnePassword:
    """An account of 1Password with the vaults Private and Work."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "1password"
        self.folder.mkdir()
        self.bin = folder / "op-bin"
        self.bin.mkdir()
        program = self.bin / "op"
        program.write_text(f'#!/bin/sh\nexec {quote(sys.executable)} -I {PROGRAM} {self.folder} "$@"\n')
        program.chmod(0o755)

    def set_mood(self, mood: str) -> None:
        """Sets its behaviour: `locked`, `no account`, `repeats`, `strange`, `forgets`, ``."""
        (self.folder / "mood").write_text(mood)

    @property
    def calls(self) -> list[dict[str, object]]:
        """Arguments, names of variables, and whether stdin was a pipe, of each call."""
        path = self.folder / "calls.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def titles(self) -> list[str]:
        """The titles of its items."""
        path = self.folder / "items.json"
        return [item["title"] for item in json.loads(path.read_text())] if path.exists() else []
