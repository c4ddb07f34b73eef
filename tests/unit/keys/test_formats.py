"""The input formats of a key, and errors that do not repeat the input."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsops.cli.login.keys import _key_input
from dsops.errors import KeysRefused
from tests.fakes import make_runtime

KEY_ID, SECRET = "AKIAEXAMPLEEXAMPLE01", "secret+of+an+access+key+of+forty+letters"


@pytest.mark.parametrize(
    "text",
    [
        f"{KEY_ID}\n{SECRET}\n",
        f'{{"AccessKey": {{"AccessKeyId": "{KEY_ID}", "SecretAccessKey": "{SECRET}"}}}}',
        f"\ufeffAccess key ID,Secret access key\r\n{KEY_ID},{SECRET}\r\n",
    ],
)
def test_every_form_is_read(tmp_path: Path, text: str) -> None:
    """A key is read from two lines, the AWS CLI's JSON, or the console's CSV file."""
    key_input = _key_input(_file(tmp_path, text), make_runtime(), "dsops keys add ada")
    assert (key_input.key_id, key_input.secret.reveal()) == (KEY_ID, SECRET)


@pytest.mark.parametrize(
    "text",
    ["", "\n", "\ufeff\n", f"{SECRET}", "[" * 9000, '{"AccessKey":' * 1000, f"Access key ID,x\r{KEY_ID},{SECRET}", ","],
)
def test_an_invalid_key_is_refused(tmp_path: Path, text: str) -> None:
    """Input in another format is refused; the error does not repeat the input, which may hold a secret."""
    with pytest.raises(KeysRefused) as caught:
        _key_input(_file(tmp_path, text), make_runtime(), "dsops keys add ada")
    assert SECRET not in f"{caught.value} {caught.value.why} {caught.value.hint}"


def _file(folder: Path, text: str) -> str:
    path = folder / "key"
    path.write_text(text, encoding="utf-8", newline="")
    path.chmod(0o600)
    return str(path)
