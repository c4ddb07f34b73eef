"""Doctor's checks of the keyring, based on dsops' own index of its contents."""

from __future__ import annotations

from pathlib import Path

from dsops.doctor.keyring import check_keyring
from dsops.extras import install_command
from dsops.keyring import index
from dsops.keyring.index import Contents, SeedEntry
from dsops.plan import Step
from tests.plans import plan_of

SERIAL = "arn:aws:iam::123456789012:mfa/ada"
STORE = f"""
secretStores:
  role:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/Reader
    serial_number: {SERIAL}
"""


def environ_with(home: Path, *serial_numbers: str) -> dict[str, str]:
    """Return an environment whose keyring has the seeds of these devices."""
    environ = {"HOME": str(home)}
    if serial_numbers:
        Path(index.path_of(environ)).parent.mkdir(parents=True)
        seeds = {serial_number: SeedEntry(serial_number, "2026-11-24T12:00:00Z") for serial_number in serial_numbers}
        index.write(environ, Contents(seeds, {}))
    return environ


def steps() -> list[Step]:
    """Return the steps of a store with an MFA device."""
    return list(plan_of(STORE, store="role").steps.values())


def test_a_keyring_without_entries_of_dsops_is_skipped(tmp_path: Path) -> None:
    """If the keyring has no entries of dsops, the check is skipped and the keyring extra is not required."""
    assert check_keyring(steps(), environ_with(tmp_path), is_installed=False).status == "skipped"


def test_a_keyring_that_is_switched_off_is_not_looked_at(tmp_path: Path) -> None:
    """A keyring that is switched off, as in a sandbox, is not checked."""
    check = check_keyring(steps(), {**environ_with(tmp_path, SERIAL), "DSOPS_KEYRING": "off"}, is_installed=False)
    assert (check.status, check.detail) == ("skipped", "not used: DSOPS_KEYRING is off")


def test_a_seed_that_is_needed_wants_the_extra(tmp_path: Path) -> None:
    """If a store needs a seed and the keyring extra is missing, the hint says how to install the extra."""
    environ = environ_with(tmp_path, SERIAL)
    check = check_keyring(steps(), environ, is_installed=False)
    assert (check.status, check.hint) == ("warning", install_command("keyring"))
    assert SERIAL in check.detail
    assert check_keyring(steps(), environ, is_installed=True).detail == "seeds of MFA devices: 1, keys: 0"


def test_a_seed_that_no_store_needs_wants_nothing(tmp_path: Path) -> None:
    """If no store needs the seed, the keyring extra is not required, and the check only counts the seed."""
    check = check_keyring([], environ_with(tmp_path, SERIAL), is_installed=False)
    assert (check.status, check.detail) == (
        "ok",
        "seeds of MFA devices: 1, keys: 0; the extra is not installed, and no store here needs it",
    )


def test_a_list_that_can_not_be_relied_on_is_a_warning(tmp_path: Path) -> None:
    """An index file that other users may write, or that is invalid, is a warning."""
    environ = environ_with(tmp_path, SERIAL)
    path = Path(index.path_of(environ))
    path.chmod(0o666)
    check = check_keyring(steps(), environ, is_installed=True)
    assert (check.status, check.hint) == ("warning", f"make the file yours alone: `chmod 600 {path}`")
    path.chmod(0o600)
    path.write_text("{")
    assert check_keyring(steps(), environ, is_installed=True).status == "warning"
