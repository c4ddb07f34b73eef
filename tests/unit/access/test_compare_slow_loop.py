"""What `access diff` opens is what a plain loop over the engine finds: organizations that change at random."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.access.changes.compare import compare
from tests.groups import examples
from tests.unit.access.random_seeds import ACCOUNTS, seeds
from tests.unit.access.test_slow_loop import slow_who_can
from tests.unit.access.worlds import ACCOUNT, NOW, READ, SECRET, policy, world_of

_REACHES_ALL = policy({"Action": "*"})


@st.composite
def changed_seeds(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    """A seed, and the same seed after one to three small changes."""
    before, other = draw(seeds()), draw(seeds())
    after = copy.deepcopy(before)
    for seed in (before, after):
        for account in ACCOUNTS:
            seed["accounts"][account]["groups"] = {"team": {"policies": [_REACHES_ALL]}}
    for _ in range(draw(st.integers(1, 3))):
        _change(draw, after, other)
    return (after, before) if draw(st.booleans()) else (before, after)


def _change(draw: st.DrawFn, seed: dict[str, Any], other: dict[str, Any]) -> None:
    """Remove or replace one thing of the seed."""
    account = draw(st.sampled_from(ACCOUNTS))
    kind = draw(st.sampled_from(["users", "roles", "secret_policies", "organization", "limit"]))
    node, others = seed["accounts"][account], other["accounts"][account]
    if kind == "secret_policies":
        seed["accounts"][ACCOUNT].pop(kind, None)
        if kind in other["accounts"][ACCOUNT] and draw(st.booleans()):
            seed["accounts"][ACCOUNT][kind] = other["accounts"][ACCOUNT][kind]
    elif kind == "limit":
        node["policies"] = others["policies"]
    elif kind == "organization":
        _change_organization(draw, seed, other)
    else:
        name = draw(st.sampled_from(sorted(others[kind])))
        if draw(st.integers(0, 3)) == 0:
            node[kind].pop(name, None)
        else:
            _change_entity(draw, node[kind].setdefault(name, {}), others[kind][name], is_user=kind == "users")


def _change_entity(draw: st.DrawFn, entity: dict[str, Any], other: dict[str, Any], *, is_user: bool) -> None:
    if not is_user:
        entity.setdefault("trust", other["trust"])
    key = draw(st.sampled_from(["policies", "boundary", "groups" if is_user else "trust"]))
    entity.pop(key, None)
    if key == "groups" and draw(st.booleans()):
        entity["groups"] = ["team"]
    elif key in other:
        entity[key] = other[key]


def _change_organization(draw: st.DrawFn, seed: dict[str, Any], other: dict[str, Any]) -> None:
    if "organization" not in seed or "organization" not in other:
        return
    units = seed["organization"]["organizational_units"]
    choice = draw(st.integers(0, 2))
    if choice == 0:
        units["unit"].pop("service_control_policies", None)
    elif choice == 1:
        units["unit"] = {**other["organization"]["organizational_units"]["unit"], "accounts": units["unit"]["accounts"]}
    elif ACCOUNT in units["unit"]["accounts"]:
        units["unit"] = {**units["unit"], "accounts": [each for each in ACCOUNTS if each != ACCOUNT]}
        units["second"] = {"accounts": [ACCOUNT]}


@settings(max_examples=examples(300), deadline=None)
@given(changed_seeds())
def test_what_is_opened_and_closed_is_the_difference_of_two_plain_loops(
    changed: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """A principal that reads the secret on one side only is told, and no other principal is."""
    before, after = (world_of(**seed) for seed in changed)
    comparison = compare(before, after, NOW)
    opened, closed = (
        {change.caller.name for change in changes if change.resource == SECRET and change.action == READ}
        for changes in (comparison.opened, comparison.closed)
    )
    able_before, able_after = slow_who_can(before), slow_who_can(after)

    assert SECRET in before.resources
    assert able_after - able_before == {name for name in opened if name.startswith("arn:")}
    assert able_before - able_after == {name for name in closed if name.startswith("arn:")}
