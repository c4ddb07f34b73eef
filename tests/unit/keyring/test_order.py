"""The order of the keyring's backends: which takes a new secret, and that the index says who has it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dsops.audit.settings import load_settings
from dsops.errors import DsopsError, KeyringLocked, KeyringUnavailable, UsageError, UserConfigInvalid
from dsops.keyring import index
from dsops.keyring.backend import DEFAULT_ORDER, NAMES, parse_order
from dsops.keyring.items import Keyring, order_of
from dsops.keyring.seeds import add_seed, get_seed, remove_seed
from dsops.secret import Secret
from tests.fakes import Person
from tests.stubs.keyrings import StubKeyring
from tests.stubs.one_password import StubOnePassword

DEVICE = "arn:aws:iam::111122223333:mfa/ada"
SEED, SECOND = Secret("JBSWY3DPEHPK3PXP"), Secret("PXP3KPHEPD3YWSBJ")
PASSPHRASE = "correct horse battery"


def keyring(environ: dict[str, str], *order: str) -> Keyring:
    """Return the keyring of a client whose user has one passphrase."""
    return Keyring({"PATH": os.environ["PATH"], **environ}, "/", Person(*[PASSPHRASE] * 9), {}, order or DEFAULT_ORDER)


def test_a_desktop_is_used_as_before(home: Path) -> None:
    """On a desktop, new secrets are stored in the desktop's keyring, and dsops prompts for no passphrase."""
    stub = StubKeyring(home)
    ring = keyring(stub.environ)
    kept = add_seed(ring, DEVICE, SEED, "now", replaces=False)
    assert (kept.backend, kept.label, kept.left_in) == ("desktop", "file keyring FileKeyring", "")
    assert stub.secrets == {f"dsops mfa/{DEVICE}": SEED.reveal()}
    assert isinstance(ring.ask, Person)
    assert ring.ask.asked == []


def test_without_a_desktop_the_next_one_is_used(home: Path) -> None:
    """Without desktop and password store, secrets are stored in the encrypted file, and the index says so."""
    ring = keyring({"HOME": str(home)})
    assert add_seed(ring, DEVICE, SEED, "now", replaces=False).backend == "file"
    entry = index.contents(ring.environ).seeds[DEVICE]
    assert entry.backend == "file"
    assert get_seed(ring._replace(order=("desktop",)), entry) == SEED
    remove_seed(ring, DEVICE)
    assert ring.get("dsops mfa", DEVICE, "file") is None


def test_a_list_of_an_older_dsops_means_the_desktop(home: Path) -> None:
    """An index entry without a backend was written by an older dsops and means the desktop's keyring."""
    stub = StubKeyring(home)
    add_seed(keyring(stub.environ), DEVICE, SEED, "now", replaces=False)
    value = json.loads(stub.list.read_text())
    del value["mfa"][0]["backend"]
    stub.list.write_text(json.dumps(value))
    entry = index.contents(stub.environ).seeds[DEVICE]
    assert entry.backend == "desktop"
    assert get_seed(keyring(stub.environ, "file"), entry) == SEED


def test_a_locked_backend_is_not_skipped(home: Path) -> None:
    """If the desktop keyring is locked, `put` fails: another backend would surprise a user who closed the prompt."""
    stub = StubKeyring(home)
    stub.set_mood("locked")
    with pytest.raises(KeyringLocked):
        add_seed(keyring(stub.environ), DEVICE, SEED, "now", replaces=False)
    assert index.contents(stub.environ) == index.EMPTY
    assert not (home / ".local/share/dsops/keyring.sealed").exists()


def test_if_none_works_every_reason_is_told(home: Path) -> None:
    """If no backend can be used, the error has the reason for each backend, and nothing is stored."""
    ring = keyring({"HOME": str(home)})._replace(ask=Person())
    with pytest.raises(KeyringUnavailable) as caught:
        add_seed(ring, DEVICE, SEED, "now", replaces=False)
    assert [part.split(":")[0] for part in caught.value.why.split("; ")] == ["desktop", "pass", "file"]
    assert "terminal" in caught.value.hint
    assert index.contents(ring.environ) == index.EMPTY


def test_a_replaced_secret_leaves_its_old_backend(home: Path, tmp_path: Path) -> None:
    """If a new seed goes to another backend, the previous seed is deleted from the backend that had it."""
    stub, op = StubKeyring(home), StubOnePassword(tmp_path)
    environ = {**stub.environ, "PATH": f"{op.bin}:{os.environ['PATH']}"}
    add_seed(keyring(environ, "desktop"), DEVICE, SEED, "now", replaces=False)
    assert add_seed(keyring(environ, "op:Work"), DEVICE, SECOND, "now", replaces=True).left_in == ""
    assert stub.secrets == {}
    entry = index.contents(environ).seeds[DEVICE]
    assert (entry.backend, get_seed(keyring(environ), entry)) == ("op:Work", SECOND)


def test_a_previous_secret_that_can_not_be_deleted_is_told(home: Path) -> None:
    """If the previous seed can't be deleted, the new one is still used, and the result names the old backend."""
    stub = StubKeyring(home)
    add_seed(keyring(stub.environ), DEVICE, SEED, "now", replaces=False)
    stub.set_mood("locked")
    assert add_seed(keyring(stub.environ, "file"), DEVICE, SECOND, "now", replaces=True).left_in == "desktop"
    assert index.contents(stub.environ).seeds[DEVICE].backend == "file"


def test_kernel_and_1password_must_be_named() -> None:
    """By default, no new secret is stored in `kernel`, which a reboot empties, or in 1Password, a remote service."""
    assert set(NAMES) - set(DEFAULT_ORDER) == {"kernel", "op"}


def test_a_backend_of_a_newer_dsops_is_an_error(home: Path) -> None:
    """For an entry whose backend is unknown to this version, the error says to update dsops."""
    with pytest.raises(KeyringUnavailable) as caught:
        keyring({"HOME": str(home)}).get("dsops mfa", DEVICE, "tpm")
    assert caught.value.hint == "update dsops"


def config(home: Path, text: str) -> dict[str, str]:
    """Write the user's configuration; return the environment."""
    path = home / ".config" / "dsops" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return {"HOME": str(home)}


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("keyring: [pass, file]", ("pass", "file")),
        ("keyring: kernel", ("kernel",)),
        ("keyring: [kernel, 'op:My vault']\naudit: off", ("kernel", "op:My vault")),
        ("audit: off", DEFAULT_ORDER),
        ("", DEFAULT_ORDER),
    ],
)
def test_the_users_configuration_sets_the_order(home: Path, text: str, order: tuple[str, ...]) -> None:
    """`keyring` in the user's own configuration is a name or a list of names."""
    environ = config(home, text)
    assert order_of(environ, load_settings(environ).keyring) == order


def test_the_variable_comes_first(home: Path) -> None:
    """DSOPS_KEYRING takes precedence over the configuration; `off` and an empty value do not change the order."""
    environ = config(home, "keyring: [pass]")
    configured = load_settings(environ).keyring
    assert order_of({**environ, "DSOPS_KEYRING": "file, kernel"}, configured) == ("file", "kernel")
    assert order_of({**environ, "DSOPS_KEYRING": "off"}, configured) == ("pass",)
    assert order_of({**environ, "DSOPS_KEYRING": ""}, configured) == ("pass",)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("keyring: [desk]", "did you mean `desktop`?"),
        ("keyring: []", "no keyring backend is named"),
        ("keyring: [file, file]", "named twice"),
        ("keyring: {file: 1}", "there is no keyring backend"),
        ("keyring: [[file]]", "there is no keyring backend"),
        ("keyring: 'op:'", "there is no keyring backend"),
        ("keyring:", "there is no keyring backend"),
        ("keyrin: file", "did you mean `keyring`?"),
    ],
)
def test_a_wrong_order_is_an_error_with_its_line(home: Path, text: str, told: str) -> None:
    """A wrong value in the configuration is an error that names the line and suggests a value."""
    with pytest.raises(UserConfigInvalid) as caught:
        load_settings(config(home, f"# mine\n{text}\n"))
    (problem,) = caught.value.problems
    assert problem.where.line == 2
    assert told in f"{problem.message} {problem.hint}"


@pytest.mark.parametrize("word", ["op:a,b", "op:a\nb", "op:" + "x" * 200, "OP", "", "file:x", "op: x"])
def test_a_vault_is_one_plain_name(word: str) -> None:
    """A vault's name must not contain a comma or line end, since it becomes an argument and a field of the index."""
    with pytest.raises(ValueError, match="there is no keyring backend"):
        parse_order([word])


def test_a_wrong_variable_is_an_error() -> None:
    """A wrong DSOPS_KEYRING is an error, so that the default order is not used by mistake."""
    with pytest.raises(UsageError) as caught:
        order_of({"DSOPS_KEYRING": "files"}, ())
    assert isinstance(caught.value, DsopsError)
    assert "did you mean `file`?" in caught.value.why
