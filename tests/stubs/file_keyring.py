"""A keyring in a file, for tests: a backend that the package `keyring` loads and calls."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import InitError, KeyringLocked, PasswordDeleteError, PasswordSetError

from tests.stubs.keyrings import MOOD_FILE, SECRETS_FILE


class FileKeyring(KeyringBackend):
    """Keeps everything in the folder of KEYRING_PROPERTY_FOLDER, where a file sets its mood."""

    priority = 1
    folder = ""

    def _secrets(self) -> dict[str, str]:
        mood = Path(self.folder, MOOD_FILE)
        match mood.read_text() if mood.exists() else "":
            case "locked":
                raise KeyringLocked("Failed to unlock the collection!")
            case "absent":
                raise InitError("Failed to create the collection: Prompt dismissed..")
            case "hangs":
                time.sleep(600)
            case "breaks":
                raise RuntimeError("something of somebody else's")
            case "dies":
                os._exit(3)
            case "tells its limit":
                import resource

                return {"dsops test/core": str(resource.getrlimit(resource.RLIMIT_CORE))}
            case "prints":
                print("noise on stdout")
        path = Path(self.folder, SECRETS_FILE)
        secrets: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
        return secrets

    def get_password(self, service: str, username: str) -> str | None:
        """The secret, or None."""
        return self._secrets().get(f"{service}/{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keeps the secret, unless the mood prevents it."""
        secrets = self._secrets()
        mood = Path(self.folder, MOOD_FILE)
        if mood.exists() and mood.read_text() == "hangs at new ones":
            Path(self.folder, "waiting").touch()
            time.sleep(600)
        if mood.exists() and mood.read_text() == "refuses":
            raise PasswordSetError(f"no, {password} is not for me")
        if not (mood.exists() and mood.read_text() == "forgets"):
            secrets[f"{service}/{username}"] = password
        Path(self.folder, SECRETS_FILE).write_text(json.dumps(secrets))

    def delete_password(self, service: str, username: str) -> None:
        """Removes the secret."""
        secrets = self._secrets()
        if secrets.pop(f"{service}/{username}", None) is None:
            raise PasswordDeleteError("not there")
        Path(self.folder, SECRETS_FILE).write_text(json.dumps(secrets))
