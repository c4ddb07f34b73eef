"""Sign with a command: the key stays in a PKCS #11 token, a TPM, or another program.

The command is the interface of `openssl dgst -sha256 -sign KEY`: it reads data, and writes the signature's bytes. Text
with hexadecimal digits is accepted, too, with or without quotes.
"""

from __future__ import annotations

import re
from typing import Final

from dsops.errors import CertificateUnusable, DsopsError
from dsops.plan import Settings
from dsops.runtime import Runtime
from dsops.stores.command import output_of

_MOST_BYTES: Final = 8192
_HEX: Final = re.compile(rb'\s*"?([0-9a-fA-F]{16,})"?\s*')


def sign_with(settings: Settings, runtime: Runtime, data: bytes) -> bytes:
    """Run the command and return the signature. Raises CertificateUnusable."""
    setting = settings.get("sign_process", ())
    words = [word for word in setting if isinstance(word, str)] if isinstance(setting, tuple) else []

    def failed(why: str) -> DsopsError:
        hint = "run the program by hand: it signs its standard input, and prints only the signature"
        return CertificateUnusable("could not sign with `sign_process`", why=why, hint=hint)

    folder = str(settings.get("sign_process_folder", ""))
    too_much = "it prints more than a signature"
    output = output_of(words, folder, runtime, _MOST_BYTES, failed, too_much=too_much, sent=data)
    digits = _HEX.fullmatch(output)
    return bytes.fromhex(digits[1].decode()) if digits and len(digits[1]) % 2 == 0 else output
