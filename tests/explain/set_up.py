"""Set-ups as data: working ones, and small changes that break them, each with the broken place.

A file of `broken/` has a working set-up and its faults; a file of `held_back/` has more faults of one of those.
README.md describes the format.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import yaml

from dsops.policy.simulation import Place as PolicyPlace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE = Path(__file__).parent
POLICIES = frozenset(get_args(PolicyPlace)) - {"context"}
LOOKS = frozenset({"Look", "Policies"})
"""The Sids of statements that only allow reading policies."""
_SECRETS = ("secretsmanager:GetResourcePolicy", "secretsmanager:DescribeSecret")
_KEYS = ("kms:DescribeKey", "kms:GetKeyPolicy")
TOOLBOX = ("iam:GetRequestAuthorizationDetails", "iam:GetRequestAuthorizationPolicy")
READERS = {
    # They may look up refusals by id; refusals have an id only if a set-up requests it.
    "nobody": TOOLBOX,
    "no role and no user": (
        "iam:List*",
        "iam:GetUserPolicy",
        "iam:GetRolePolicy",
        "iam:GetGroupPolicy",
        "iam:GetPolicy*",
        "organizations:*",
        *_SECRETS,
        *_KEYS,
    ),
    "no inline policy": (
        "iam:List*",
        "iam:GetUser",
        "iam:GetRole",
        "iam:GetPolicy*",
        "organizations:*",
        *_SECRETS,
        *_KEYS,
    ),
    "no managed policy": ("iam:List*", "iam:GetUser*", "iam:GetRole*", "iam:GetGroup*", "organizations:*", *_SECRETS),
    "nothing of the organization": ("iam:List*", "iam:Get*", *_SECRETS, *_KEYS),
    "IAM alone": ("iam:List*", "iam:Get*", "organizations:*"),
}
"""What callers with restricted read access may still read."""
CAUSES = frozenset(
    {
        "base-expired",
        "duration-chain",
        "duration-role",
        "key-deleted",
        "key-disabled",
        "key-invalid",
        "mfa-code",
        "mfa-device",
        "no-credentials",
        "partition",
        "region-disabled",
        "role-missing",
        "saml-role",
        "secret-deleted",
        "secret-key",
        "secret-missing",
        "source-identity-set",
        "token-audience",
        "token-expired",
        "token-from-the-future",
        "token-provider",
    }
)
"""The causes of faults that are not in a policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenPlace:
    """The first broken place of a set-up, as a person with full access would name it."""

    store: str
    """The store whose call, or whose session policy, is at fault; "" for the base credentials."""
    policy: str = ""
    """The kind of policy; "" if the cause is not a policy."""
    cause: str = ""
    """The cause if it is not a policy, one of CAUSES."""
    statement: str = ""
    """The Sid of the statement that denies, or that nearly allows the call; "" if no statement nearly matches."""
    key: str = ""
    """The condition key or statement element that does not match; without a policy, the key of dsops.yaml."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetUp:
    """One sandbox, one dsops.yaml, one environment."""

    name: str
    caller: str
    """The owner of the keys in the environment, as NAME@ACCOUNT; "" for no keys."""
    environment: str
    config: str
    seed: Mapping[str, Any]
    environ: Mapping[str, str] = field(default_factory=dict)
    codes: Mapping[str, str] = field(default_factory=dict)
    """Variable -> the MFA device whose current code is the variable's value."""
    github: Mapping[str, str] = field(default_factory=dict)
    """The GitHub Actions job in which the set-up runs."""
    saml: Mapping[str, Any] = field(default_factory=dict)
    """Contents of the SAML response in `response.b64`."""
    session: Mapping[str, Any] = field(default_factory=dict)
    """Parameters of the caller's session; if set, the environment has the session's keys instead."""
    later_seconds: int = 0
    """The age of the session and of the SAML response."""
    then: tuple[Mapping[str, Any], ...] = ()
    """Calls that administrators make afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A change that breaks a working set-up."""

    kind: str
    change: Mapping[str, Any]
    broken: SetUp
    code: str
    """The code of the error that dsops reports."""
    aws: str
    """AWS's own code; "" if dsops reports the error before a call."""
    place: BrokenPlace
    can_be_proven: bool
    """Whether the caller may read enough for certainty, or AWS's answer proves the cause."""
    is_held_back: bool
    missed: str
    """The known wrong answer of `dsops explain`; "" if its answer is right."""


def working() -> dict[str, SetUp]:
    """The working set-ups by the name of their file."""
    return {path.stem: _set_up(path.stem, _read(path)["working"]) for path in sorted((HERE / "broken").glob("*.yaml"))}


def faults() -> Iterator[Fault]:
    """All faults."""
    whole = working()
    for folder, is_held_back in (("broken", False), ("held_back", True)):
        for path in sorted((HERE / folder).glob("*.yaml")):
            base = whole[path.stem]
            for name, value in _read(path)["broken"].items():
                yield _fault(base, f"{path.stem}: {name}", value, is_held_back=is_held_back)


def together(first: Fault, second: Fault) -> SetUp | None:
    """Combine both faults of one set-up; None if they share lines, places or a statement."""
    if first.place.statement and replace(first.place, key="") == replace(second.place, key=""):
        return None
    others = (set(first.change) & set(second.change)) - {"config", "seed"}
    touched = product(_touched(first), _touched(second))
    lines = second.change.get("config", {})
    if others or any(entry.startswith(other) or other.startswith(entry) for entry, other in touched):
        return None
    if any(line in first.change.get("config", {}) or first.broken.config.count(line) != 1 for line in lines):
        return None
    return _changed(first.broken, f"{first.broken.name}, and {second.broken.name.partition(': ')[2]}", second.change)


def _touched(fault: Fault) -> Iterator[str]:
    """The paths of the seed that the fault changes; removing an element of a list moves the elements after it."""
    for path, value in fault.change.get("seed", {}).items():
        yield path.rpartition(".")[0] if value is None or path.endswith("+") else path


def with_less(set_up: SetUp, actions: Sequence[str]) -> SetUp:
    """The set-up with the read access of users and roles limited to these actions."""
    seed = deepcopy(set_up.seed)
    for statement in _statements(seed):
        if statement.get("Sid") in LOOKS:
            statement["Action"] = list(actions)
    return replace(set_up, seed=seed)


def _statements(content: Any) -> Iterator[dict[str, Any]]:  # YAML of any structure
    """Yield all mappings in the content; statements are among them."""
    if isinstance(content, dict):
        yield content
        content = list(content.values())
    for inner in content if isinstance(content, list) else ():
        yield from _statements(inner)


@cache
def _read(path: Path) -> dict[str, Any]:
    """Contents of the file, cached because several modules read it at each collection."""
    content: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    return content


def _set_up(name: str, found: Mapping[str, Any]) -> SetUp:
    fields = dict(found)
    then = tuple(fields.pop("then", ()))
    return SetUp(name=name, caller=fields.pop("as", ""), then=then, **fields)


def _fault(base: SetUp, name: str, found: Mapping[str, Any], *, is_held_back: bool) -> Fault:
    place = BrokenPlace(**found["place"])
    policy_or_cause = place.policy in POLICIES, place.cause in CAUSES
    assert policy_or_cause in {(True, False), (False, True)}, f"{name}: the place has a policy or a cause"
    return Fault(
        kind=found["kind"],
        change=found["change"],
        broken=_changed(base, name, found["change"]),
        code=found["code"],
        aws=found.get("aws", ""),
        place=place,
        can_be_proven=found["can_be_proven"],
        is_held_back=is_held_back,
        missed=found.get("missed", ""),
    )


def _changed(base: SetUp, name: str, change: Mapping[str, Any]) -> SetUp:
    """The set-up after a change: replaces texts in dsops.yaml, and sets or removes everything else."""
    fields: dict[str, Any] = {
        dataclass_field: getattr(base, dataclass_field) for dataclass_field in SetUp.__dataclass_fields__
    }
    for key, what in change.items():
        where = "caller" if key == "as" else key
        if where == "config":
            for old, new in what.items():
                assert fields[where].count(old) == 1, f"{name}: `{old}` stands {fields[where].count(old)} times"
                fields[where] = fields[where].replace(old, new)
        elif where == "seed":
            fields[where] = deepcopy(fields[where])
            for path, value in what.items():
                _put(fields[where], path.split("."), value)
        elif isinstance(fields[where], dict):
            merged = {**fields[where], **what}
            fields[where] = {key: value for key, value in merged.items() if value is not None}
        else:
            fields[where] = tuple(what) if where == "then" else what
    return SetUp(**{**fields, "name": name})


def _put(content: Any, path: Sequence[str], value: object) -> None:  # YAML of any structure
    """Set the element at the path, remove it (None), or append to a list (`+`)."""
    first, *rest = path
    key = int(first) if isinstance(content, list) and first != "+" else first
    if rest:
        _put(content[key], rest, value)
    elif key == "+":
        content.append(value)
    elif value is None:
        del content[key]
    else:
        content[key] = value
