"""Determines the policy questions that AWS evaluates for a hop, with everything known about the call and its caller.

The caller's address, the network, and the tags of a base session are unknown; they are listed as unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from dsops.arn import parse_arn
from dsops.aws.apis.sts import CallerIdentity
from dsops.plan import Step
from dsops.policy import CaseQuestion, Principal, Unread, is_unique_id, lower_case, read_caller
from dsops.secret import Secret

Context = dict[str, tuple[str, ...]]

OF_THE_NETWORK: Final = tuple(
    """
    aws:sourceip aws:vpcsourceip aws:sourcevpc aws:sourcevpce aws:sourcevpcarn aws:vpceaccount aws:vpceorgid
    aws:vpceorgpaths aws:useragent
    """.split()
)
OF_AN_ISSUER: Final = ("aws:principaltag/", "aws:sourceidentity", "aws:federatedprovider")
"""The condition keys that the issuer of a session sets."""
_OF_A_BASE_SESSION: Final = ("aws:tokenissuetime", *OF_AN_ISSUER)
_OF_MFA: Final = ("aws:multifactorauthpresent", "aws:multifactorauthage")
NETWORK: Final = "only AWS sees from which address and network the call comes"
BASE_SESSION: Final = "it is not known how the base session was made"


class ChainCaller(NamedTuple):
    """The caller of a call, and the facts known about its session."""

    principal: Principal
    step: str = ""
    """The store that issued the session; "" for base credentials."""
    is_temporary: bool = False
    context: Mapping[str, tuple[str, ...]] = {}
    """The condition keys that every call of this session has."""
    unread: tuple[Unread, ...] = ()
    is_role_exact: bool = True
    """Whether the role's full ARN is known. A session's ARN lacks the role's path."""


def base_caller(identity: CallerIdentity, *, is_temporary: bool) -> ChainCaller | None:
    """Return the caller of the first hop; None for an identity that policies can't name."""
    principal = _principal(identity, "")
    if principal is None:
        return None
    unread = [Unread("context", NETWORK, OF_THE_NETWORK)]
    context: Context = {}
    if is_temporary and principal.kind == "user":
        unread.append(Unread("context", BASE_SESSION, _OF_MFA))
    if principal.kind == "role-session":
        unread += [Unread("context", BASE_SESSION, _OF_A_BASE_SESSION), Unread("session", BASE_SESSION)]
        context = {"aws:TokenIssueTime": ()}
    return ChainCaller(principal, "", is_temporary, context, tuple(unread), principal.kind != "role-session")


def session_caller(step: Step, identity: CallerIdentity, before: ChainCaller | None) -> ChainCaller | None:
    """Return the session that the step issues, as a caller. `before` is the caller that requests the session."""
    settings = step.settings
    principal = _principal(identity, str(settings.get("role_arn", "")))
    if principal is None:
        return None
    if step.operation == "GetSessionToken":
        has_mfa = "serial_number" in settings
        return ChainCaller(
            principal,
            step.name,
            is_temporary=True,
            context={"aws:MultiFactorAuthPresent": ("true" if has_mfa else "false",)},
            unread=(
                Unread("context", NETWORK, OF_THE_NETWORK),
                *([Unread("context", BASE_SESSION, ("aws:multifactorauthage",))] if has_mfa else []),
            ),
        )
    context: Context = {}
    inherited = before.context if before is not None else {}
    for key, value in (*_passed_on(inherited).items(), *_tags(step).items()):
        context[f"aws:PrincipalTag/{key}"] = (value,)
    for key, value in _transitive(step, inherited).items():
        context[f"{PASSED_ON}{key}"] = (value,)
    source_identity = _source_identity(step, inherited)
    if source_identity:
        context["aws:SourceIdentity"] = (source_identity,)
    unread = [Unread("context", NETWORK, OF_THE_NETWORK)]
    # If transitive tags and source identity of this session are unknown, they are unknown in the next session, too.
    unread += (
        [] if before is None else [unread_part for unread_part in map(_inherited, before.unread) if unread_part.keys]
    )
    is_exact = principal.kind != "role-session" or "role_arn" in settings
    return ChainCaller(principal, step.name, True, context, tuple(unread), is_exact)


_HANDED_ON: Final = ("aws:principaltag/", "aws:sourceidentity")


def _inherited(unread: Unread) -> Unread:
    """Return the unknown keys whose values the next session inherits: they are unknown in that session, too."""
    return unread._replace(keys=tuple(key for key in unread.keys if key in _HANDED_ON))


PASSED_ON: Final = "dsops:PassedOn/"
"""The prefix of keys that dsops uses internally for tags that the next hop inherits."""


def _passed_on(context: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {key.removeprefix(PASSED_ON): values[0] for key, values in context.items() if key.startswith(PASSED_ON)}


def _source_identity(step: Step, inherited: Mapping[str, tuple[str, ...]]) -> str:
    """Return the source identity that the step sends. If it sends none, AWS keeps the previous session's."""
    return str(step.settings.get("source_identity", "")) or next(iter(inherited.get("aws:SourceIdentity", ())), "")


def _transitive(step: Step, inherited: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    keys = step.settings.get("transitive_tag_keys", ())
    names = {lower_case(key) for key in keys if isinstance(key, str)} if isinstance(keys, tuple) else set()
    return _passed_on(inherited) | {key: value for key, value in _tags(step).items() if lower_case(key) in names}


def _tags(step: Step) -> dict[str, str]:
    setting = step.settings.get("tags", ())
    pairs = [pair for pair in setting if isinstance(pair, tuple)] if isinstance(setting, tuple) else []
    return {key: value for key, value in pairs if isinstance(value, str)}


def _principal(identity: CallerIdentity, role_arn: str) -> Principal | None:
    unique_id = identity.user_id.partition(":")[0]
    try:
        return read_caller(identity.arn, role_arn=role_arn, unique_id=unique_id if is_unique_id(unique_id) else "")
    except ValueError:
        return None


def questions(
    step: Step, caller: ChainCaller, region: str, refused: str = ""
) -> list[tuple[CaseQuestion, tuple[Unread, ...]]]:
    """Return the policy questions that AWS evaluates for the hop, in AWS's order, each with its unread parts.

    `refused` is the action in AWS's message. Its question is included even if the plan does not show that the hop
    needs the action, because the base session may have tags or a source identity.
    """
    role = parse_arn(str(step.settings.get("role_arn", "")))
    if role is None:
        return []
    context = _context_of_hop(step, caller, region)
    actions = ["sts:AssumeRole"]
    if "sts:SourceIdentity" in context:
        actions.insert(0, "sts:SetSourceIdentity")
    if "tags" in step.settings or _passed_on(caller.context):
        actions.append("sts:TagSession")
    if "provided_contexts" in step.settings:
        actions.append("sts:SetContext")
    actions += [
        action_or_part
        for action_or_part in _BROUGHT_ALONG
        if lower_case(action_or_part) == lower_case(refused) and action_or_part not in actions
    ]
    known_keys = {lower_case(key) for key in context}
    unread = tuple(
        action_or_part._replace(
            keys=tuple(key for key in (*action_or_part.keys, *_of_hop(action_or_part)) if key not in known_keys)
        )
        for action_or_part in caller.unread
    )
    return [(CaseQuestion(caller.principal, action, str(role), role.account, context), unread) for action in actions]


_BROUGHT_ALONG: Final = ("sts:SetSourceIdentity", "sts:TagSession")
"""The actions that a hop also needs if its caller's session has a source identity or tags."""
_KEYS_OF_A_HOP: Final = {
    "aws:sourceidentity": ("sts:sourceidentity",),
    "aws:principaltag/": ("aws:resourcetag/", "iam:resourcetag/"),
}
"""Maps each condition key of a session to the condition keys of the next hop's request that have its value."""


def _of_hop(unread: Unread) -> list[str]:
    return [key for unread_key in unread.keys for key in _KEYS_OF_A_HOP.get(unread_key, ())]


def _context_of_hop(step: Step, caller: ChainCaller, region: str) -> Context:
    """Return the known condition keys of the hop's request. They are taken from the plan and the previous sessions."""
    settings = step.settings
    context = context_of_call(caller, region)
    context["sts:RoleSessionName"] = (str(settings["role_session_name"]),)
    external_id = settings.get("external_id")
    if isinstance(external_id, Secret):
        context["sts:ExternalId"] = (external_id.reveal(),)
    source_identity = _source_identity(step, caller.context)
    if source_identity:
        context["sts:SourceIdentity"] = (source_identity,)
    tags = _tags(step)
    if tags:
        context["aws:TagKeys"] = tuple(tags)
        context |= {f"aws:RequestTag/{key}": (value,) for key, value in tags.items()}
    keys = settings.get("transitive_tag_keys", ())
    if isinstance(keys, tuple) and keys:
        context["sts:TransitiveTagKeys"] = tuple(key for key in keys if isinstance(key, str))
    for key, value in _passed_on(caller.context).items():
        context[f"aws:ResourceTag/{key}"] = context[f"iam:ResourceTag/{key}"] = (value,)
    if "serial_number" in settings:
        # the request contains the MFA code
        context["aws:MultiFactorAuthPresent"], context["aws:MultiFactorAuthAge"] = ("true",), ("0",)
    return context


def context_of_call(caller: ChainCaller, region: str) -> Context:
    """Return the condition keys of any call that the caller makes."""
    context = {key: values for key, values in caller.context.items() if not key.startswith(PASSED_ON)}
    if region:
        context["aws:RequestedRegion"] = (region,)
    return context
