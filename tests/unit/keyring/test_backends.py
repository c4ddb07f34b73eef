"""The contract of all backends of the keyring: what each must do with a secret, with the real places where possible."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.keyring.backend import NAMES, Backend
from dsops.keyring.items import Keyring
from dsops.keyring.kernel import KernelKeyring
from dsops.secret import Secret
from tests.fakes import Person
from tests.stubs.keyrings import StubKeyring
from tests.stubs.one_password import StubOnePassword
from tests.stubs.password_store import NEEDS_PASS, PasswordStore, password_store

SERVICE = "dsops test"
DEVICE = "arn:aws:iam::111122223333:mfa/path/ada+b=c,d.e@f-g"
PASSPHRASE = "correct horse battery"


@pytest.fixture(scope="module")
def store() -> Iterator[PasswordStore]:
    """Yield a password store whose key has no passphrase."""
    with password_store() as store:
        yield store


class BackendContract:
    """The tests that every backend must pass. A subclass has the fixture `backend`: an empty backend."""

    def test_it_works_here(self, backend: Backend) -> None:
        """`check` finds no reason against the backend."""
        assert backend.check() == ""

    def test_what_is_stored_is_returned(self, backend: Backend) -> None:
        """A secret is returned as it was stored, including quotes, line ends and letters outside of ASCII."""
        value = Secret('{"AKIA": "a+b/c="} ü\n\n')
        assert backend.get(SERVICE, "ada") is None
        assert backend.put(SERVICE, "ada", value)
        assert backend.get(SERVICE, "ada") == value

    def test_names_do_not_mix(self, backend: Backend) -> None:
        """Service and account together name a secret, and no character of an account is special."""
        names = [
            (SERVICE, "ada"),
            (SERVICE, "ad"),
            ("dsops other", "ada"),
            (SERVICE, DEVICE),
            (SERVICE, ".."),
            (SERVICE, "-x"),
        ]
        for number, name in enumerate(names):
            backend.put(*name, Secret(f"secret {number}"))
        try:
            assert [backend.get(*name) for name in names] == [
                Secret(f"secret {number}") for number in range(len(names))
            ]
        finally:
            for name in names:
                backend.delete(*name)
        assert [backend.get(*name) for name in names] == [None] * len(names)

    def test_a_secret_is_replaced(self, backend: Backend) -> None:
        """A new secret replaces the secret of the same name."""
        backend.put(SERVICE, "ada", Secret("first"))
        backend.put(SERVICE, "ada", Secret("the second one"))
        assert backend.get(SERVICE, "ada") == Secret("the second one")

    def test_a_deleted_secret_is_gone(self, backend: Backend) -> None:
        """A deleted secret is gone; deleting a missing secret is no error; the name can be used again."""
        backend.delete(SERVICE, "ada")
        backend.put(SERVICE, "ada", Secret("first"))
        backend.delete(SERVICE, "ada")
        backend.delete(SERVICE, "ada")
        assert backend.get(SERVICE, "ada") is None
        backend.put(SERVICE, "ada", Secret("again"))
        assert backend.get(SERVICE, "ada") == Secret("again")


class TestDesktop(BackendContract):
    """`desktop`, through the package `keyring` with a stub backend of that package."""

    @pytest.fixture
    def backend(self, home: Path) -> Backend:
        """An empty keyring."""
        environ = {"PATH": os.environ["PATH"], **StubKeyring(home).environ}
        return Keyring(environ, "/").backend("desktop")


class TestKernel(BackendContract):
    """`kernel`: the real user keyring of the machine's kernel."""

    @pytest.fixture
    def backend(self) -> Iterator[Backend]:
        """The kernel's keyring, without the entry that the tests use."""
        backend = KernelKeyring()
        why = backend.check()
        if why:
            pytest.skip(why)
        backend.delete(SERVICE, "ada")
        yield backend
        backend.delete(SERVICE, "ada")


@NEEDS_PASS
class TestPass(BackendContract):
    """`pass`: the real program with a real gpg key."""

    @pytest.fixture
    def backend(self, store: PasswordStore) -> Backend:
        """The password store, without the entry that the tests use."""
        backend = Keyring(store.environ, "/").backend("pass")
        backend.delete(SERVICE, "ada")
        return backend


class TestOnePassword(BackendContract):
    """`op`: a stub program that refuses what the real one refuses."""

    @pytest.fixture(params=["op", "op:Work"])
    def backend(self, request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
        """An account without items."""
        stub = StubOnePassword(tmp_path)
        return Keyring({"PATH": f"{stub.bin}:{os.environ['PATH']}", "HOME": "/"}, "/").backend(request.param)


class TestFile(BackendContract):
    """`file`: an encrypted file."""

    @pytest.fixture
    def backend(self, home: Path) -> Backend:
        """No file yet, and a user who knows the passphrase."""
        return Keyring({"HOME": str(home)}, "/", Person(PASSPHRASE, PASSPHRASE), {}).backend("file")


def test_every_backend_has_a_contract() -> None:
    """This file has one test class for each backend."""
    titles = " ".join(contract.__doc__ or "" for contract in BackendContract.__subclasses__())
    assert [name for name in NAMES if f"`{name}`" not in titles] == []
