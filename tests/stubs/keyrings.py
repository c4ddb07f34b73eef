"""A test's own keyring: a folder, which the package `keyring` finds by its configuration file."""

from __future__ import annotations

import json
from pathlib import Path

SECRETS_FILE, MOOD_FILE = "secrets.json", "mood"
ROOT = Path(__file__).parents[2]


class StubKeyring:
    """The keyring of a home folder, as `keyringrc.cfg` there names it."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "the-keyring"
        self.folder.mkdir()
        config = home / ".config" / "python_keyring"
        config.mkdir(parents=True)
        (config / "keyringrc.cfg").write_text(
            f"[backend]\ndefault-keyring=tests.stubs.file_keyring.FileKeyring\nkeyring-path={ROOT}\n"
        )
        self.environ = {"HOME": str(home), "KEYRING_PROPERTY_FOLDER": str(self.folder)}
        """What a process needs to find it."""
        self.list = home / ".local" / "share" / "dsops" / "keyring.json"
        """dsops' list of what is in there."""

    def set_mood(self, mood: str) -> None:
        """How it behaves from now on: `locked`, `absent`, `hangs`, `breaks`, `dies`, `refuses`, `forgets`, ``.

        `hangs at new ones` gives what it has, and leaves a file `waiting` where it takes none.
        """
        (self.folder / MOOD_FILE).write_text(mood)

    @property
    def secrets(self) -> dict[str, str]:
        """All that it holds, by service and account."""
        path = self.folder / SECRETS_FILE
        secrets: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return secrets
