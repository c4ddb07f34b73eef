"""Test support for other projects: a local AWS as pytest fixtures, and contract tests for plugin stores.

A test requests accounts, roles and clocks. It gets sessions in a sandbox, and environment variables for the tested
code. If dsops is installed, pytest loads `dsops.testing.plugin` automatically. Other modules are imported when a test
uses them. Imported by `access_proof`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsops.testing.contracts import (
        CredentialStoreContract,
        CredentialSubject,
        SecretStoreContract,
        SecretSubject,
        step_of,
    )
    from dsops.testing.fixtures import Assume
    from dsops.testing.local_aws import Identity, LocalAws, SandboxAccount, SandboxClock
    from dsops.testing.policies import allow, deny, trust

__all__ = [
    "Assume",
    "CredentialStoreContract",
    "CredentialSubject",
    "Identity",
    "LocalAws",
    "SandboxAccount",
    "SandboxClock",
    "SecretStoreContract",
    "SecretSubject",
    "allow",
    "deny",
    "step_of",
    "trust",
]

_HOMES = {
    "Assume": "fixtures",
    "CredentialStoreContract": "contracts",
    "CredentialSubject": "contracts",
    "Identity": "local_aws",
    "LocalAws": "local_aws",
    "SandboxAccount": "local_aws",
    "SandboxClock": "local_aws",
    "SecretStoreContract": "contracts",
    "SecretSubject": "contracts",
    "allow": "policies",
    "deny": "policies",
    "step_of": "contracts",
    "trust": "policies",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module `{__name__}` has no attribute `{name}`")


def __dir__() -> list[str]:
    return [*__all__]
