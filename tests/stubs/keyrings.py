"""A keyring for one test: a folder that the package `keyring` finds through its configuration file."""

from __future__ import annotations

import json
from pathlib import Path

SECRETS_FILE, MOOD_FILE = "secrets.json", "mood"
ROOT = Path(__file__).parents[2]


class StubKeyring:
    """The keyring of a home folder, according to `keyringrc.cfg` there."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "the-keyring"
        self.folder.mkdir()
        config = home / ".config" / "python_keyring"
        config.mkdir(parents=True)
        (config / "keyringrc.cfg").write_text(
            f"[backend]\ndefault-keyring=tests.stubs.file_keyring.FileKeyring\nkeyring-path={ROOT}\n"
        )
        self.environ = {"HOME": str(home), "KEYRING_PROPERTY_FOLDER": str(self.folder)}
        """Variables with which a process finds it."""
        self.list = home / ".local" / "share" / "dsops" / "keyring.json"
        """Dsops' list of the keyring's contents."""

    def set_mood(self, mood: str) -> None:
        """Sets its behaviour: `locked`, `absent`, `hangs`, `breaks`, `dies`, `refuses`, `forgets`, ``.

        `hangs at new ones` gives what it has, and leaves a file `waiting` when it should take a new one.
        """
        (self.folder / MOOD_FILE).write_text(mood)

    @property
    def secrets(self) -> dict[str, str]:
        """Everything in it, by service and account."""
        path = self.folder / SECRETS_FILE
        secrets: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return secrets
