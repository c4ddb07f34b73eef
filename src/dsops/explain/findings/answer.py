"""Turns the answer to a policy question into findings: the policy that refused, certainty, remedy and missing facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from dsops.arn import parse_arn
from dsops.errors import DsopsError, nearest
from dsops.explain.evidence.facts import facts_of
from dsops.explain.evidence.keys import ON_BOTH_SIDES, UNKNOWN_KEY, describe_command
from dsops.explain.finding import Certainty, Fact, FaultLocation, RefusalFinding, Remedy
from dsops.explain.findings.broken import Broken, failures_of, verdict
from dsops.explain.findings.causes import Cause, cause_of
from dsops.explain.findings.remedies import allow, remedy_for
from dsops.explain.questions.refused_call import RefusedCall, policy_text
from dsops.explain.questions.sentence import RefusalMessage
from dsops.policy import POLICY_TYPES, UNKNOWN_SUFFIX, Outcome, Unread, is_kms_key, lower_case, variable_keys

_OF_RESOURCES: Final = ("role trust policy", "resource-based policy", "resource control policy")
_SELDOM: Final = frozenset({"trust", "resource", "scp", "rcp", "context"})
"""Types of policies that often can't be read.

If all policies of other types allow the call, the refusal must come from a policy of one of these types.
"""


def findings_of(
    outcome: Outcome, refusal: RefusalMessage, about: RefusedCall, error: DsopsError
) -> list[RefusalFinding]:
    """Return the findings for an answer, beginning with the first policy that refused."""
    places = verdict(outcome, refusal)
    named = places.others if places.certainty == "missing" else filter(None, [places.broken])
    facts = tuple(facts_of(_asked_first(outcome.unread, named), about)) if places.certainty != "proven" else ()
    if places.broken is None:
        return [_nothing_found(about, facts, error)]
    unread = frozenset(POLICY_TYPES[part.place] for part in outcome.unread if part.place != "context")
    if places.certainty == "missing":
        first = _not_read(places.broken, outcome, about, facts, error, has_leads=bool(places.others))
        return [first, *(_finding(part, "missing", about, (), error, unread, refusal) for part in places.others)]
    # If a type of policy could not be read, a finding about it would only repeat that.
    others = [part for part in places.others if part.found is not None or part.policy_type not in unread]
    return [
        _finding(broken, places.certainty, about, facts if broken is places.broken else (), error, unread, refusal)
        for broken in (places.broken, *others)
    ]


def _asked_first(unread: Sequence[Unread], named: Iterable[Broken]) -> list[Unread]:
    """Sort the unread parts: first the condition keys that statements in `named` test, then all others."""
    tested_keys: list[str] = []
    for failure in (failure for broken in named for failure in failures_of(broken)):
        tested_keys += [lower_case(failure.key), *variable_keys(failure.wanted)]
    tested = [(part, tuple(key for key in part.keys if _is_among(key, tested_keys))) for part in unread]
    first = [part._replace(keys=keys) for part, keys in tested if keys]
    return first + [part for part, keys in tested if not keys]


def _is_among(key: str, tested_keys: Sequence[str]) -> bool:
    return key in tested_keys or (key.endswith("/") and any(tested_key.startswith(key) for tested_key in tested_keys))


def _not_read(
    broken: Broken, outcome: Outcome, about: RefusedCall, facts: tuple[Fact, ...], error: DsopsError, *, has_leads: bool
) -> RefusalFinding:
    """Return the finding for a policy that can't be read here.

    `has_leads`: the caller's own policies allow the call, but only under a condition that can't be tested here.
    """
    unread = {part.place for part in outcome.unread}
    is_of_a_resource = broken.policy_type in (POLICY_TYPES["trust"], POLICY_TYPES["resource"])
    is_left = is_of_a_resource and not has_leads and unread <= _SELDOM
    policy = policy_text(broken.policy_type, about)
    message = f"AWS gives no reason, and {policy} can't be read here"
    if is_left and about.request.principal.kind in ("web-identity", "saml"):
        message = f"{policy} does not let {about.caller} in so, and it can't be read here"
    elif is_left:
        message = f"the caller's own policies allow it, so {policy} does not, which can't be read here"
    cause = _CODES.get(broken.policy_type, "not-read")
    remedy = Remedy(error.hint, error.where)
    if broken.policy_type == POLICY_TYPES["resource"]:
        remedy = allow(broken.policy_type, about)
        if is_kms_key(about.request.resource) and not is_left:
            cause, remedy = "not-read", Remedy(ON_BOTH_SIDES)
        elif is_kms_key(about.request.resource):
            cause = "key-policy"
    certainty: Certainty = "likely" if is_left else "missing"
    return RefusalFinding(cause, certainty, message, _place(broken, about), (), remedy, facts, error.aws)


_CODES: Final = {
    "role trust policy": "trust-policy",
    "identity-based policy": "identity-policy",
    "permissions boundary": "boundary",
    "session policy": "session-policy",
    "resource-based policy": "resource-policy",
}


def _is_guess(broken: Broken, about: RefusedCall, unread: frozenset[str]) -> bool:
    """Return whether a statement may match the real ARN of a secret or key whose exact ARN is unknown."""
    if not about.request.resource.endswith((UNKNOWN_SUFFIX, UNKNOWN_KEY)) or broken.effect == "ExplicitDeny":
        return False
    if broken.found is None:
        return broken.policy_type in unread
    return any(failure.element == "Resource" for failure in broken.found.failures)


def _whole_arn(about: RefusedCall) -> Fact:
    owner = f"an administrator of account {about.request.resource_account}"
    if about.request.resource.endswith(UNKNOWN_KEY):
        secret = next(iter(about.request.context.get("kms:EncryptionContext:SecretARN", ())), "")
        looked_up = f"the KMS key of {secret}, and its policy"
        return Fact(looked_up, "no keys here may look it up", owner, describe_command(secret))
    looked_up = f"the whole ARN of {about.request.resource}, and whether it exists"
    command = f"aws secretsmanager describe-secret --secret-id {_secret_name(about.request.resource)}"
    return Fact(looked_up, "the caller may not look it up", owner, command)


def _secret_name(resource: str) -> str:
    return resource.rpartition(":secret:")[2].removesuffix(UNKNOWN_SUFFIX)


def _finding(
    broken: Broken,
    certainty: Certainty,
    about: RefusedCall,
    facts: tuple[Fact, ...],
    error: DsopsError,
    unread: frozenset[str],
    refusal: RefusalMessage,
) -> RefusalFinding:
    cause = cause_of(broken, about)
    remedy = remedy_for(cause, broken.policy_type, is_deny=broken.effect == "ExplicitDeny", about=about)
    code = cause.code
    if _is_guess(broken, about, unread):
        # AWS returns the same error for a misspelled name as for a secret that the caller may not read.
        meant = _meant_secret(cause, about)
        if meant:
            code, text = "secret-missing", f"did you mean `{meant}`, which the policy names? else {remedy.text}"
            remedy = remedy._replace(text=text, where=error.where)
        certainty = "likely" if certainty == "proven" else certainty
        facts = tuple({fact.what: fact for fact in (*facts, _whole_arn(about))}.values())
    if certainty == "proven" and _is_doubtful(code, about):
        certainty = "likely"
    place = _with_policy_name(_place(broken, about), refusal)
    return RefusalFinding(code, certainty, cause.message, place, cause.mismatches, remedy, facts, error.aws)


def _is_doubtful(code: str, about: RefusedCall) -> bool:
    """Return whether the finding depends on a value of which dsops can't be sure. It is then reported as likely.

    Such values are a role's path, a provider, a session tag, and a token's audience: AWS uses the token's `azp` as its
    audience (IAM User Guide, OIDC federation keys).
    """
    if code == "principal-tag":  # A session tag overrides a tag of the role that has the same name.
        return "aws:principaltag/" in about.unknown_keys
    return (code == "trust-path" and not about.is_role_exact) or not about.is_provider_known or code == "token-audience"


def _meant_secret(cause: Cause, about: RefusedCall) -> str:
    """Return the secret with a similar name that the policy allows the caller to read; "" when there is none."""
    allowed = [
        _name_in(text) for mismatch in cause.mismatches if (mismatch.element == "Resource") for text in mismatch.wanted
    ]
    return nearest(_secret_name(about.request.resource), filter(None, allowed))


def _name_in(pattern: str) -> str:
    """Return the secret's name from an ARN in a policy, without the wildcard for the ARN's random suffix."""
    arn = parse_arn(pattern)
    if arn is None or not arn.resource.startswith("secret:"):
        return ""
    return arn.resource.removeprefix("secret:").removesuffix("*").removesuffix("-").removesuffix(UNKNOWN_SUFFIX)


def _place(broken: Broken, about: RefusedCall) -> FaultLocation:
    whose = about.request.resource if broken.policy_type in _OF_RESOURCES else about.caller
    statement = broken.found.statement if broken.found is not None else None
    policy = broken.found.policy if broken.found is not None else None
    number = policy.statements.index(statement) + 1 if policy is not None and statement is not None else 0
    is_session = broken.policy_type == "session policy"
    return FaultLocation(
        about.step.credentials_from if is_session else about.step.name,
        about.hop,
        broken.policy_type,
        whose,
        policy.name if policy is not None else "",
        number,
        statement.sid if statement is not None else "",
        statement.line if statement is not None else 0,
    )


def _with_policy_name(place: FaultLocation, refusal: RefusalMessage) -> FaultLocation:
    """If the policy could not be read, add its name and the statement's Sid from AWS's message."""
    if place.policy or not refusal.policy_arn or place.policy_type != refusal.policy_type:
        return place
    return place._replace(policy=refusal.policy_arn, sid=refusal.sid)


def _nothing_found(about: RefusedCall, facts: tuple[Fact, ...], error: DsopsError) -> RefusalFinding:
    """Return the finding for a refused call that all readable policies allow.

    Either an unread policy refuses, or a policy has changed since the call.
    """
    request = about.request
    message = f"all that can be read allows {about.caller} to {request.action} on {request.resource}"
    text = "look up what is missing" if facts else "try once more: a change of a policy takes some seconds to arrive"
    if about.is_by_files:
        text = f"compare the files with what is there, which may differ; else {text}"
    place = FaultLocation(about.step.name, about.hop, "", request.resource, "", 0, "", 0)
    return RefusalFinding("not-read", "missing", message, place, remedy=Remedy(text), facts=facts, aws=error.aws)


def distinct(findings: Iterable[RefusalFinding]) -> list[RefusalFinding]:
    """Merge equal findings. If one policy refuses many secrets, a single statement is shown for all of them."""
    seen: dict[object, list[RefusalFinding]] = {}
    for finding in findings:
        statement = finding.remedy.statement
        is_one_of_many = statement is not None and "Resource" in statement
        group_key = (finding.remedy.add_to, finding.remedy.text) if is_one_of_many else finding.message
        group = seen.setdefault((finding.cause, finding.certainty, finding.place, group_key), [])
        if finding.message not in [other.message for other in group]:
            group.append(finding)
    return [_merged(group) for group in seen.values()]


def _merged(group: Sequence[RefusalFinding]) -> RefusalFinding:
    first, statement = group[0], group[0].remedy.statement
    if len(group) == 1 or statement is None:
        return first
    resources = [str(finding.remedy.statement["Resource"]) for finding in group if finding.remedy.statement is not None]
    remedy = first.remedy._replace(statement={**statement, "Resource": resources})
    facts = dict.fromkeys(fact for finding in group for fact in finding.facts)
    return first._replace(message=f"{first.message}, nor on {len(group) - 1} more", remedy=remedy, facts=tuple(facts))
