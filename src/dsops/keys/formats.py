"""Read a key from text: two lines, the JSON of the AWS CLI, or the CSV file of the AWS console."""

from __future__ import annotations

import csv
import io
import json
import re

from dsops.errors import KeysRefused
from dsops.secret import Secret

_KEY_ID = r"A[KS]IA[A-Z0-9]{12,124}"

_FORMS = "give key id and secret on two lines, the JSON of `aws iam create-access-key`, or the console's CSV file"


class KeyInput:
    """A key id and secret as entered.

    The user may have swapped the two. So no error shows the id before `check` has accepted it.
    """

    def __init__(self, key_id: str, secret: Secret) -> None:
        self.key_id = key_id
        self.secret = secret

    def check(self) -> KeyInput:
        """Return this pair if it is a long-term key. Raises KeysRefused otherwise."""
        secret = self.secret.reveal()
        if re.fullmatch(_KEY_ID, secret):
            raise KeysRefused(
                "the secret access key looks like an access key id", why="the two may be swapped", hint=_FORMS
            )
        check_key_id(self.key_id)
        if len(secret) < 16 or not secret.isascii() or not secret.isprintable() or " " in secret:
            raise KeysRefused(
                "the secret access key is not valid", why="a secret access key has 40 characters", hint=_FORMS
            )
        return self


def check_key_id(key_id: str) -> None:
    """Raise KeysRefused unless the text is the id of a long-term key."""
    if not re.fullmatch(_KEY_ID, key_id):
        raise KeysRefused(
            "the access key id is not valid", why="an access key id begins with AKIA and has 20 characters", hint=_FORMS
        )
    if key_id.startswith("ASIA"):
        raise KeysRefused(
            "the access key belongs to a session",
            why="sessions expire; the keyring stores only a user's long-term key, which begins with AKIA",
            hint="create one: `aws iam create-access-key --user-name NAME`",
        )


def read_key(text: Secret) -> KeyInput:
    """Parse a key in any of the formats. Raises KeysRefused."""
    return _parse(text.reveal().strip().removeprefix("\ufeff")).check()


def _parse(text: str) -> KeyInput:
    if text.startswith("{"):
        return _of_json(text)
    lines = text.splitlines()
    if lines and "," in lines[0]:
        return _of_csv(text)
    if len(lines) == 2:
        return KeyInput(lines[0].strip(), Secret(lines[1].strip()))
    why = f"it has {len(lines)} {'line' if len(lines) == 1 else 'lines'}" if lines else "it is empty"
    raise KeysRefused("no access key can be read from the input", why=why, hint=_FORMS)


def _of_json(text: str) -> KeyInput:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        # The error below is raised without a cause, because the cause contains the whole text.
        content = None
    key = content.get("AccessKey", content) if isinstance(content, dict) else None
    parts = [key.get(name) for name in ("AccessKeyId", "SecretAccessKey")] if isinstance(key, dict) else []
    if len(parts) != 2 or not all(isinstance(part, str) for part in parts):
        raise KeysRefused("no access key can be read from the JSON", why="it has no `AccessKey`", hint=_FORMS)
    return KeyInput(str(parts[0]), Secret(str(parts[1])))


def _of_csv(text: str) -> KeyInput:
    """Parse the header `Access key ID,Secret access key` and the values below it.

    The file of a new user has more columns.
    """
    try:
        rows = list(csv.reader(io.StringIO(text)))
        heads = [head.strip().lower() for head in rows[0]]
        places = heads.index("access key id"), heads.index("secret access key")
        key_id, secret = (rows[1][place].strip() for place in places)
    except (ValueError, IndexError, csv.Error):
        raise KeysRefused(
            "no access key can be read from the CSV file",
            why="it has no columns `Access key ID` and `Secret access key`",
            hint=_FORMS,
        ) from None
    return KeyInput(key_id, Secret(secret))
