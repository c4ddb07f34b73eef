"""The table of store types: built-in types by name, plugins by entry point, each imported when it is used."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING

import pytest

from dsops.errors import StoreTypeUnknown
from dsops.schema import BUILTIN_TYPES, StoreKey, StoreType
from dsops.secret import Secret
from dsops.stores import ENTRY_POINT_GROUP, StoreTypes, credential_store, find_store, secret_store
from tests.pipeline import Pipeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dsops.credentials import Credentials
    from dsops.errors import DsopsError
    from dsops.plan import SecretReference, Step
    from dsops.stores.interface import Context


class Vault:
    """A plugin's store that returns its setting and the requested key."""

    store_type = StoreType("acme.vault", "A vault of Acme.", (StoreKey("address", "text", "Where.", is_required=True),))

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return the address and the key."""
        assert credentials is None
        assert context.runtime.folder
        return {reference: Secret(f"{step.settings['address']}/{reference.key}") for reference in references}


VAULT = Vault()
BROKEN = object()


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three installed plugins: a valid one, one that cannot be imported, one that is no store."""
    points = tuple(
        EntryPoint(name, value, ENTRY_POINT_GROUP)
        for name, value in (
            ("acme.vault", f"{__name__}:VAULT"),
            ("acme.gone", "no_such_module_of_acme:STORE"),
            ("acme.broken", f"{__name__}:BROKEN"),
        )
    )
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Vault.__module__])
    monkeypatch.setattr(
        "importlib.metadata.entry_points", lambda *, group: points if group == ENTRY_POINT_GROUP else ()
    )


@pytest.mark.parametrize("name", sorted(BUILTIN_TYPES))
def test_each_type_of_ours_has_a_store(name: str) -> None:
    """Each built-in type has a store whose schema is the one in the table."""
    store = find_store(name)
    assert store.store_type is BUILTIN_TYPES[name]
    assert hasattr(store, "issue") is store.store_type.gives_credentials
    assert hasattr(store, "fetch") is store.store_type.gives_secrets


@pytest.mark.usefixtures("plugins")
def test_an_unknown_type_offers_the_nearest() -> None:
    """The error for an unknown type suggests a built-in or plugin type."""
    for typo, meant in (("aws.secretmanager", "aws.secretsmanager"), ("acme.vaults", "acme.vault")):
        with pytest.raises(StoreTypeUnknown) as caught:
            find_store(typo)
        assert caught.value.hint == f"did you mean `{meant}`?"
    with pytest.raises(StoreTypeUnknown) as caught:
        find_store("zzz")
    assert caught.value.hint == "install the package that provides it"


@pytest.mark.usefixtures("plugins")
@pytest.mark.parametrize("name", ["acme.gone", "acme.broken"])
def test_a_plugin_that_is_broken_is_named(name: str) -> None:
    """A broken plugin is an error that names the plugin and its package."""
    with pytest.raises(StoreTypeUnknown, match=name) as caught:
        find_store(name)
    assert caught.value.hint == "update or remove that package"


@pytest.mark.usefixtures("plugins")
def test_types_of_plugins_are_known_to_the_configuration() -> None:
    """The mapping of types contains built-in and plugin types, but no unknown or broken ones."""
    types = StoreTypes()
    assert types["acme.vault"] is VAULT.store_type
    assert "acme.vault" in types
    assert "acme.gone" not in types
    assert "zzz" not in types
    assert set(types) == {*BUILTIN_TYPES, "acme.vault", "acme.gone", "acme.broken"}
    assert len(types) == len(BUILTIN_TYPES) + 3


@pytest.mark.usefixtures("plugins")
def test_a_plugin_is_planned_and_read_like_any_other() -> None:
    """A plugin's store is validated, interpolated and read like any other."""
    pipeline = Pipeline()
    pipeline.store_types = StoreTypes()
    pipeline.environ = {"A": "https://vault"}
    text = """
secretStores: {v: {type: acme.vault, address: "${A}"}}
envs: {e: {X: {from: {store: v, key: "a#b"}}}}
"""
    assert pipeline.resolve(text) == {"X": "https://vault/a#b"}


def test_a_store_that_gives_something_else_is_refused() -> None:
    """A store that is used as the wrong kind (secrets as credentials) is refused."""
    with pytest.raises(StoreTypeUnknown, match="provide no credentials"):
        credential_store("aws.ssm")
    assert secret_store("aws.sts").store_type.gives_credentials


def test_only_the_types_that_are_used_are_imported() -> None:
    """Only types in use are imported, and plugins are searched only for types that are not built in."""
    code = """
import sys
from dsops.stores import StoreTypes, find_store
assert "aws.sts" in StoreTypes()
find_store("literal")
unwanted = {"dsops.stores.aws_sts", "dsops.stores.aws_ssm", "dsops.stores.env", "importlib.metadata", "pycurl"}
print(sorted(unwanted & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
