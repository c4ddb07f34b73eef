"""iam-simulate's different readings of AWS's rules, as transformations of a world.

Each reading is a section of docs/explanation/differences-from-iam-simulate.md with the sentence of AWS that decides.
A transformation turns a request and its policies into ones that dsops.policy must judge as iam-simulate judges the
original: a difference is predicted, not ignored.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from tests.contract.iam_alphabet import ROOT, SET_KEYS, USER, Json
from tests.contract.iam_generated import World
from tests.unit.policy.policies import OTHER

Reading = Callable[[World], World]

ALLOW_ALL: Json = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


def _documents(world: World) -> Iterator[Json]:
    yield from world.identity
    yield from world.boundary
    yield from world.session
    yield from world.resource_policy
    for level in (*world.scp, *world.rcp):
        yield from level


def _statements(world: World) -> Iterator[Json]:
    for document in _documents(world):
        found = document["Statement"]
        yield from found if isinstance(found, list) else [found]


def _conditions(world: World) -> Iterator[tuple[dict[str, Json], str]]:
    """Yield each condition block with each of its operators."""
    for statement in _statements(world):
        for operator in list(statement.get("Condition", {})):
            yield statement["Condition"], operator


def _fresh(world: World) -> World:
    return copy.deepcopy(world)


def root_user(world: World) -> World:
    """iam-simulate applies identity policies to the root user as to any other user.

    The user gets an ARN of its own: to dsops.policy, the root user's ARN in a policy means the account.
    """
    if world.caller.kind != "root":
        return world
    arn = world.caller.arn.removesuffix(":root") + ":user/root"
    return world._replace(caller=world.caller._replace(kind="user", arn=arn))


def caller_of_a_provider(world: World) -> World:
    """iam-simulate takes a caller with a token or assertion for a principal of the provider's account."""
    if world.caller.kind not in ("web-identity", "saml"):
        return world
    changed = _fresh(world)
    for statement in _statements(changed):
        for element in ("Principal", "NotPrincipal"):
            if isinstance(statement.get(element), dict):
                statement[element] = _as_user(statement[element], world.caller.federated)
    return changed._replace(caller=USER)


def _as_user(principal: dict[str, Json], provider: str) -> Json:
    """Replace the provider's name by a user's name, and the user's by a different one."""
    renamed: dict[str, list[str]] = {}
    for kind, texts in principal.items():
        for text in texts if isinstance(texts, list) else [texts]:
            if (kind, text) == ("Federated", provider):
                renamed.setdefault("AWS", []).append(USER.arn)
            else:
                renamed.setdefault(kind, []).append(f"arn:aws:iam::{OTHER}:root" if text == USER.arn else text)
    return renamed


def federated_session_without_a_policy(world: World) -> World:
    """iam-simulate gives a federated session without a session policy all of its user's permissions."""
    if world.caller.kind == "federated-session" and not world.session:
        return world._replace(session=[ALLOW_ALL])
    return world


def role_without_a_trust_policy(world: World) -> World:
    """iam-simulate lets any caller with permission assume a role whose trust policy is not given."""
    if not world.is_trust or world.resource_policy or world.account != world.caller.account:
        return world
    trusted = {"Effect": "Allow", "Action": "sts:*", "Principal": {"AWS": ROOT.arn}}
    return world._replace(resource_policy=[ALLOW_ALL | {"Statement": [trusted]}])


def variables_in_version_2008(world: World) -> World:
    """iam-simulate replaces variables in every policy version."""
    changed = _fresh(world)
    for document in _documents(changed):
        document["Version"] = "2012-10-17"
    return changed


def if_exists_with_for_any_value(world: World) -> World:
    """iam-simulate ignores IfExists in combination with ForAnyValue."""
    changed = _fresh(world)
    for block, operator in _conditions(changed):
        if operator.startswith("ForAnyValue:") and operator.endswith("IfExists"):
            merged = block.setdefault(operator.removesuffix("IfExists"), {})
            merged |= block.pop(operator)
    return changed


def set_of_empty_text(world: World) -> World:
    """iam-simulate treats a set of empty strings as a set with values."""
    contexts = [
        {key: ["~~" for _ in values] if values and not any(values) else values for key, values in context.items()}
        for context in world.contexts
    ]
    return world._replace(contexts=contexts)


def key_without_values(world: World) -> World:
    """iam-simulate treats a key without values as present."""
    changed = _fresh(world)
    for block, operator in _conditions(changed):
        for key in block[operator] if operator == "Null" else ():
            if world.contexts[0].get(key) == []:
                block["Null"][key] = "false" if block["Null"][key] == "true" else "true"
    return changed


def epoch_seconds(world: World) -> World:
    """iam-simulate reads a time given as a number as milliseconds."""
    contexts = [
        {
            key: [
                _in_milliseconds(value) if key in ("aws:CurrentTime", "aws:TokenIssueTime") else value
                for value in values
            ]
            for key, values in context.items()
        }
        for context in world.contexts
    ]
    return world._replace(contexts=contexts)


def _in_milliseconds(value: str) -> str:
    if not value.isdigit():
        return value
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=int(value))
    return moment.isoformat().replace("+00:00", "Z")


def range_of_all_addresses(world: World) -> World:
    """iam-simulate matches no address with `0.0.0.0/0`."""
    changed = _fresh(world)
    for block, operator in _conditions(changed):
        for key, values in block[operator].items() if "IpAddress" in operator else ():
            listed = values if isinstance(values, list) else [values]
            block[operator][key] = ["203.0.113.113" if value == "0.0.0.0/0" else value for value in listed]
    return changed


def deny_that_spares_in_one_way(world: World) -> World:
    """iam-simulate exempts a caller from a Deny with NotPrincipal if any one form of the caller is listed."""
    changed = _fresh(world)
    caller = world.caller
    names = [name for name in (caller.arn, caller.issuer_arn) if name and caller.kind != "root"]
    names += [ROOT.arn] if caller.account else []
    for statement in _statements(changed):
        spared = statement.get("NotPrincipal")
        if isinstance(spared, dict) and statement["Effect"] == "Deny":
            listed = spared.get("AWS", [])
            listed = listed if isinstance(listed, list) else [listed]
            if set(names) & {ROOT.arn if text == caller.account else text for text in listed}:
                spared["AWS"] = sorted({*listed, *names})
    return changed


def bare_address_of_the_other_version(world: World) -> World:
    """iam-simulate's NotIpAddress without a range never matches an address of the other IP version."""
    has_colon = any(":" in value for value in world.contexts[0].get("aws:SourceIp", ()))
    changed = _fresh(world)
    for block, operator in _conditions(changed):
        for key, values in block[operator].items() if "NotIpAddress" in operator else ():
            listed = values if isinstance(values, list) else [values]
            if any("/" not in value and (":" in value) is not has_colon for value in listed):
                block[operator][key] = ["0.0.0.0/0", "::/0"]
    return changed


def empty_variable(world: World) -> World:
    """iam-simulate treats an empty variable as unset, and keeps it as literal text if it has no default."""
    text = json.dumps(world._replace(caller=None, contexts=[])._asdict())  # type: ignore[arg-type]
    for key, values in world.contexts[0].items():
        if values == [""]:
            text = re.sub(r"\$\{" + re.escape(key) + r", '(.*?)'\}", r"\1", text)
            text = text.replace(f"${{{key}}}", f"${{$}}{{{key}}}")
    return World(**json.loads(text))._replace(caller=world.caller, contexts=world.contexts)


def plain_operator_on_a_set(world: World) -> World:
    """iam-simulate never matches a multi-valued key with an operator without ForAnyValue or ForAllValues."""
    changed = _fresh(world)
    for block, operator in _conditions(changed):
        for key in list(block[operator]):
            if key in SET_KEYS and key in world.contexts[0] and operator != "Null" and ":" not in operator:
                del block[operator][key]
                block.setdefault("Bool", {})["dsops:Never"] = "true"
    return changed


def unset_variable_under_a_negation(world: World) -> World:
    """iam-simulate never matches a negated condition or NotResource that contains an unset variable."""
    changed = _fresh(world)
    for block, operator in _conditions(changed):
        for key, values in list(block[operator].items()) if "Not" in operator else ():
            if not _has_unset(values, world):
                continue
            if "Arn" in operator:
                block[operator][key] = "arn:*:*:*:*:*"
            else:
                del block[operator][key]
                like = re.sub(r"StringNot(EqualsIgnoreCase|Equals|Like)", "StringNotLike", operator)
                block.setdefault(like, {})[key] = "*"
    for statement in _statements(changed):
        if statement["Effect"] == "Deny" and _has_unset(statement.get("NotResource", ()), world):
            statement["Condition"] = statement.get("Condition", {}) | {"Bool": {"dsops:Never": "true"}}
    return changed


def variable_that_begins_a_resource(world: World) -> World:
    """iam-simulate never matches a resource whose last part begins with a variable before `/` or `:`."""
    changed = _fresh(world)
    for statement in _statements(changed):
        for element in ("Resource", "NotResource"):
            listed = statement.get(element, [])
            listed = [listed] if isinstance(listed, str) else listed
            if listed:
                statement[element] = ["arn:aws:nothing:::here" if _begins(text) else text for text in listed]
    return changed


def _begins(pattern: str) -> bool:
    before, dollar, _ = pattern.partition("${")
    last = before.split(":", 5)[-1]
    return bool(dollar) and ":s3:" not in before and not {"/", ":"} & set(last)


def _has_unset(values: Json, world: World) -> bool:
    listed = [values] if isinstance(values, str) else values
    keys = [key for value in listed for key in re.findall(r"\$\{([a-zA-Z:/]+)\}", value)]
    return any(len(world.contexts[0].get(key, ())) != 1 for key in keys)


def session_policy_limits_all(world: World) -> World:
    """iam-simulate applies the session policy also to what the resource policy grants the session or everyone."""
    if not world.session:
        return world
    # To limit all permissions of every caller, the session policy becomes an SCP.
    level = [document | {"Version": "2012-10-17"} for document in world.session]
    return world._replace(session=[ALLOW_ALL], scp=[*world.scp, level])


READINGS: dict[str, Reading] = {
    "the root user": root_user,
    "callers of an identity provider": caller_of_a_provider,
    "federated sessions without a session policy": federated_session_without_a_policy,
    "AssumeRole without a trust policy": role_without_a_trust_policy,
    "variables in version 2008-10-17": variables_in_version_2008,
    "IfExists with ForAnyValue": if_exists_with_for_any_value,
    "keys without values": key_without_values,
    "moments in epoch seconds": epoch_seconds,
    "the range 0.0.0.0/0": range_of_all_addresses,
    "NotIpAddress and the other version": bare_address_of_the_other_version,
    "operators without a set operator on several values": plain_operator_on_a_set,
    "variables that begin a resource": variable_that_begins_a_resource,
    "empty variables": empty_variable,
    "unset variables under a negation": unset_variable_under_a_negation,
    "sets of empty text": set_of_empty_text,
    "session policies and grants to a session": session_policy_limits_all,
    "Deny with NotPrincipal": deny_that_spares_in_one_way,
}
"""By headings of docs/explanation/differences-from-iam-simulate.md, in order of application."""


def as_they_read(world: World, *names: str) -> World:
    """The world, with its one context, transformed by the named readings; by all readings if none is named."""
    for name in names or READINGS:
        world = READINGS[name](world)
    return world
