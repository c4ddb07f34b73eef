"""Doctor's checks of the keyring, based on dsops' own index of its contents."""

from __future__ import annotations

from pathlib import Path

import pytest

from dsops.doctor.keyring import check_keyring
from dsops.keyring import index
from dsops.keyring.index import Contents, SeedEntry
from dsops.plan import Step
from tests.plans import plan_of
from tests.stubs.keyrings import StubKeyring

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


def test_a_keyring_without_entries_of_dsops_is_skipped(home: Path) -> None:
    """If the keyring has no entries, the check is skipped.

    With DSOPS_KEYRING set, its detail shows the backend for new entries.
    """
    assert check_keyring(steps(), environ_with(home)).detail == "nothing of dsops is in it"
    check = check_keyring(steps(), {**environ_with(home), "DSOPS_KEYRING": "desktop,file"})
    assert check.status == "skipped"
    assert check.detail.startswith("nothing of dsops is in it; new entries go to file; not desktop: ")


def test_a_keyring_that_is_switched_off_is_not_looked_at(home: Path) -> None:
    """A keyring that is switched off, as in a sandbox, is not checked."""
    check = check_keyring(steps(), {**environ_with(home, SERIAL), "DSOPS_KEYRING": "off"})
    assert (check.status, check.detail) == ("skipped", "not used: DSOPS_KEYRING is off")


def test_a_seed_that_a_store_needs_wants_its_backend(home: Path) -> None:
    """If a store's MFA seed is in a keyring backend that this machine can't use, the check warns with the reason."""
    check = check_keyring(steps(), environ_with(home, SERIAL))
    assert (check.status, check.detail) == ("warning", f"the backend desktop can't be used, and {SERIAL} needs it")
    assert check.why == "there is no keyring on this machine that dsops can use"
    assert "--backend" in check.hint


def test_the_backend_in_use_is_shown(home: Path) -> None:
    """The check shows backends with entries, the backend for new ones, and why earlier ones can't be used."""
    environ = {**environ_with(home, SERIAL), **StubKeyring(home).environ, "DSOPS_KEYRING": "op,desktop,file"}
    check = check_keyring(steps(), {**environ, "PATH": str(home)})
    assert check.status == "ok"
    assert check.detail.split("; ") == [
        "seeds of MFA devices: 1, keys: 0, in desktop",
        "new entries go to desktop",
        "not op: the program `op` was not found in a trusted folder of PATH",
    ]


def test_a_seed_that_no_store_needs_wants_nothing(home: Path) -> None:
    """If no store needs the seed, its backend is not required, and the check only counts the seed."""
    check = check_keyring([], environ_with(home, SERIAL))
    assert check.status == "ok"
    assert check.detail.startswith(
        "seeds of MFA devices: 1, keys: 0, in desktop; new entries go to file; not desktop: "
    )


def test_a_backend_of_a_newer_dsops_is_a_warning(home: Path) -> None:
    """An entry whose backend is unknown to this version of dsops is a warning."""
    environ = environ_with(home)
    Path(index.path_of(environ)).parent.mkdir(parents=True)
    index.write(environ, Contents({SERIAL: SeedEntry(SERIAL, "", "tpm")}, {}))
    check = check_keyring(steps(), environ)
    assert (check.status, check.why) == ("warning", "this version of dsops has no keyring backend `tpm`")


@pytest.mark.parametrize("variable", ["des,file", "file,file", ","])
def test_an_order_that_can_not_be_used_is_a_warning(home: Path, variable: str) -> None:
    """An unknown or repeated backend in DSOPS_KEYRING is a warning."""
    check = check_keyring([], {**environ_with(home), "DSOPS_KEYRING": variable})
    assert (check.status, check.detail) == ("warning", "DSOPS_KEYRING is invalid")


def test_a_list_that_can_not_be_relied_on_is_a_warning(home: Path) -> None:
    """An index file that other users may write, or that is invalid, is a warning."""
    environ = environ_with(home, SERIAL)
    path = Path(index.path_of(environ))
    path.chmod(0o666)
    check = check_keyring(steps(), environ)
    assert (check.status, check.hint) == ("warning", f"make the file yours alone: `chmod 600 {path}`")
    path.chmod(0o600)
    path.write_text("{")
    assert check_keyring(steps(), environ).status == "warning"
