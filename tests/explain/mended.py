"""Applies the remedy that `dsops explain` suggests to a broken set-up."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.explain.explained import Finding
    from tests.explain.set_up import Fault, SetUp

ELEMENTS = frozenset({"", "Action", "NotAction", "Resource", "Principal"})
POLICY: dict[str, Any] = {"Version": "2012-10-17"}


def can_be_mended(fault: Fault) -> bool:
    """Whether one additional statement fixes the fault, and the caller can know which statement.

    False for a statement that denies or has a condition. Session policies are texts in dsops.yaml, and policies of an
    organization affect many accounts: these are edited by hand.
    """
    place = fault.place
    is_denied = bool(place.statement) and not place.key
    return (
        fault.can_be_proven
        and place.policy in {"trust", "identity", "boundary", "resource"}
        and not is_denied
        and place.key in ELEMENTS
    )


def mended(broken: SetUp, finding: Finding) -> SetUp:
    """Return the set-up with the remedy's statement added to the policy that the finding names."""
    place = finding["place"]
    # The six random letters after a secret's name differ in the next sandbox.
    statement = {
        key: re.sub(r"(:secret:.*)-\w{6}$", r"\1-??????", value) if key == "Resource" else value
        for key, value in finding["remedy"]["statement"].items()
    }
    seed = deepcopy(dict(broken.seed))
    _ADD[place["policy_type"]](seed, str(place["of"]), statement)
    return replace(broken, seed=seed)


def _to_trust(seed: dict[str, Any], arn: str, statement: object) -> None:
    _append(_holder(seed, arn)["trust"], statement)


def _to_identity(seed: dict[str, Any], arn: str, statement: object) -> None:
    policy = {"name": "mended", "document": {**POLICY, "Statement": statement}}
    _holder(seed, arn).setdefault("policies", []).append(policy)


def _to_boundary(seed: dict[str, Any], arn: str, statement: object) -> None:
    account, name = arn.split(":")[4], _holder(seed, arn)["boundary"].rpartition("/")[2]
    _append(seed["accounts"][account]["policies"][name], statement)


def _to_resource(seed: dict[str, Any], arn: str, statement: object) -> None:
    account = seed["accounts"][arn.split(":")[4]]
    if ":kms:" in arn:
        key = next(each for each in account["keys"].values() if each["id"] in arn)
        _append(key["policy"], statement)
        return
    policies = account.setdefault("secret_policies", {})
    for name in account["secrets"]:
        if f":secret:{name}" in arn:
            _append(policies.setdefault(name, {**POLICY, "Statement": []}), statement)


def _holder(seed: dict[str, Any], arn: str) -> dict[str, Any]:
    """The user or role with this ARN."""
    account, kind, name = arn.split(":")[4], arn.split(":")[5].partition("/")[0], arn.rpartition("/")[2]
    found: dict[str, Any] = seed["accounts"][account][f"{kind}s"][name]
    return found


def _append(document: dict[str, Any], statement: object) -> None:
    statements = document["Statement"]
    document["Statement"] = [*(statements if isinstance(statements, list) else [statements]), statement]


_ADD = {
    "role trust policy": _to_trust,
    "identity-based policy": _to_identity,
    "permissions boundary": _to_boundary,
    "resource-based policy": _to_resource,
}
