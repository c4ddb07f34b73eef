"""A home folder with AWS's files, for tests of the base credentials."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dsops.aws.identity.ambient import load_ambient
from dsops.credentials import Credentials
from dsops.errors import DsopsError
from tests.fakes import NOON


class World:
    """A home folder with AWS's files, and the environment of a client there."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home = home
        self.folder = folder
        self.environ = {
            "HOME": str(home),
            "PATH": os.environ["PATH"],
            "DSOPS_AGENT": "off",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REGION": "eu-west-1",
        }
        (home / ".aws").mkdir()

    def config(self, text: str) -> None:
        """Write ~/.aws/config."""
        (self.home / ".aws" / "config").write_text(text)

    def credentials(self, text: str) -> None:
        """Write ~/.aws/credentials."""
        (self.home / ".aws" / "credentials").write_text(text)

    def script(self, text: str) -> str:
        """Write a Python program into the folder; return the command that runs it."""
        (self.folder / "process.py").write_text(text)
        return f'"{sys.executable}" process.py'

    def load(self, profile: str = "", **environ: str) -> Credentials:
        """Load the base credentials as a client with this environment does."""
        return load_ambient({**self.environ, **environ}, str(self.folder), profile, now=NOON, timeout_seconds=60)

    def failure(self, profile: str = "", **environ: str) -> DsopsError:
        """The error that a client with this environment gets."""
        with pytest.raises(DsopsError) as caught:
            self.load(profile, **environ)
        return caught.value
