"""The real GNOME Keyring on its own D-Bus session: storing TOTP seeds with the keyring open and locked."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest

PROGRAMS = ("dbus-run-session", "gnome-keyring-daemon")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, PROGRAMS)), reason=f"needs {' and '.join(PROGRAMS)} (on Debian: gnome-keyring, dbus)"
)
BIN = Path(sys.executable).parent
DEVICE = "arn:aws:iam::111122223333:mfa/ada"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
SECONDS = 60

LOCK = """
import secretstorage
bus = secretstorage.dbus_init()
secretstorage.get_default_collection(bus).lock()
"""


@pytest.fixture
def desktop() -> Iterator[Path]:
    """A home folder whose path is short enough for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="dsops-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def session(home: Path, *lines: str) -> str:
    """The output of shell lines in a desktop session whose keyring was unlocked at login."""
    script = "\n".join(
        (
            "printf login-password | gnome-keyring-daemon --unlock --components=secrets > /dev/null 2>&1",
            "seed() { printf '%s' \"$SEED\"; }",
            *lines,
        )
    )
    done = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", script],
        env={
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "HOME": str(home),
            "XDG_RUNTIME_DIR": str(home),
            "SEED": SEED,
            "DSOPS_AGENT": "off",
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        start_new_session=True,
    )
    return done.stdout + "".join(line for line in done.stderr.splitlines(keepends=True) if line.startswith("dsops"))


def test_a_seed_is_kept_and_gives_codes(desktop: Path) -> None:
    """`mfa add` stores a seed in GNOME Keyring's encrypted file, `mfa code` uses it, and `mfa remove` deletes it."""
    output = session(
        desktop,
        f"seed | dsops mfa add {DEVICE}",
        "dsops mfa code 2> /dev/null",
        'grep -rl "$SEED" "$HOME" && echo readable',
        "dsops mfa remove",
        "dsops mfa list",
    )
    lines = output.splitlines()
    assert lines[0].startswith(f"the keyring (SecretService Keyring) has the seed of {DEVICE}; ")
    assert pyotp.TOTP(SEED).verify(lines[1], valid_window=1)
    assert "readable" not in lines
    assert lines[-1].startswith("dsops: note: the keyring has no seeds of dsops")


def test_a_locked_keyring_is_an_error(desktop: Path) -> None:
    """A locked keyring raises keyring.locked, because its password window cannot open without a desktop."""
    output = session(
        desktop,
        f"seed | dsops mfa add {DEVICE} > /dev/null 2>&1",
        f"{sys.executable} -c '{LOCK}'",
        "dsops mfa code",
        f"seed | dsops mfa add {DEVICE} --replace",
    )
    assert output.count("error[keyring.locked]: the keyring (SecretService Keyring) is locked") == 2
