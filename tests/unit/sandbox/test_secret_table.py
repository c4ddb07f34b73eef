"""The table of secrets finds the same secrets as moto's own dictionary, which scans all of them."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from moto.secretsmanager import models

from dsops.sandbox.state import fence
from dsops.sandbox.state.secret_table import SecretTable, secret_named

ARN = "arn:aws:secretsmanager:us-east-1:111111111111:secret:"
NAMES = ["a", "b", "c-AbCdEf"]


@pytest.fixture(scope="module")
def scanning() -> Any:
    """moto's own class, from a second copy of its module, since sandboxes replace the class in the first."""
    assert models.__file__
    spec = spec_from_file_location("moto.secretsmanager.untouched", models.__file__)
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SecretsStore


def stored(random: Random) -> Any:  # a stand-in for moto's class
    """Return an object like moto's secret or replica. The same name may occur with two ARNs."""
    name = random.choice(NAMES)
    return SimpleNamespace(name=name, arn=f"{ARN}{name}-{random.choice(['AAAAAA', 'BBBBBB'])}")


def result_of(store: Any, operation: str, *arguments: Any) -> object:
    """Return the result of an operation, or the type of its error."""
    try:
        return getattr(store, operation)(*arguments)
    except KeyError:
        return KeyError


@pytest.mark.parametrize("seed", range(30))
def test_the_table_finds_what_moto_finds(scanning: Any, seed: int) -> None:
    """After any changes, each name, ARN and partial ARN leads to the same secret as in moto's dictionary."""
    random = Random(seed)  # noqa: S311 - not for cryptography
    table: Any = SecretTable()
    plain: Any = scanning()
    texts = [*NAMES, *(f"{ARN}{name}{end}" for name in NAMES for end in ("", "-AAAAAA", "-BBBBBB")), "x", ""]

    for _ in range(200):
        step, secret = random.random(), stored(random)
        if step < 0.5:
            key = random.choice([secret.name, secret.name, secret.arn])
            table[key] = plain[key] = secret
        elif step < 0.8:
            text = random.choice(texts)
            assert result_of(plain, "pop", text) is result_of(table, "pop", text)
        else:  # as moto removes a replica
            assert dict.pop(plain, secret.arn, None) is dict.pop(table, secret.arn, None)
        assert list(plain.items()) == list(table.items())
        for text in texts:
            for operation in ("get", "__getitem__", "__contains__"):
                assert result_of(plain, operation, text) == result_of(table, operation, text), (operation, text)
            named = secret_named(cast("Any", SimpleNamespace(secrets=table)), text)
            assert (named is None) == all(value.name != text for value in plain.values())


def test_moto_uses_the_table() -> None:
    """moto's backends keep their secrets in the table."""
    fence.prepare()
    backend = models.SecretsManagerBackend("us-east-1", "111111111111")

    assert type(backend.secrets).__name__ == SecretTable.__name__
    assert secret_named(backend, "a") is None
