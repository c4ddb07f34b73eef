"""The real `pass` and `gpg` with a home folder, a key and a password store of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAMS = ("pass", "gpg", "gpgconf")
NEEDS_PASS = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason="needs `pass` and gpg (on Debian: pass, gnupg)"
)


class PasswordStore:
    """A password store, and the variables with which a client finds it."""

    def __init__(self, home: Path) -> None:
        self.folder = home / ".password-store"
        self.environ = {"PATH": os.environ["PATH"], "HOME": str(home), "GNUPGHOME": str(home / ".gnupg")}

    def run(self, *words: str, given: str = "") -> str:
        """Run a program with this store; return its stdout."""
        done = subprocess.run(
            words, env=self.environ, input=given, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout

    def initialise(self, passphrase: str = "") -> None:
        """Make a key and a store that is encrypted with it."""
        words = ["--batch", "--pinentry-mode", "loopback", "--passphrase", passphrase]
        self.run("gpg", *words, "--quick-generate-key", "ada@example.com", "default", "default", "never")
        self.run("pass", "init", "ada@example.com")


@contextmanager
def password_store(passphrase: str = "") -> Iterator[PasswordStore]:
    """Yield a store in a folder whose path is short enough for the sockets of gpg-agent; end that agent."""
    home = Path(tempfile.mkdtemp(prefix="dsops-"))
    (home / ".gnupg").mkdir(mode=0o700)
    store = PasswordStore(home)
    try:
        store.initialise(passphrase)
        yield store
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=store.environ, check=False, timeout=60)
        shutil.rmtree(home, ignore_errors=True)
