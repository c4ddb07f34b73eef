"""Finds the remedy for a cause: an edit of the configuration with its line, or a statement to add to a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from dsops.explain.finding import Remedy
from dsops.explain.findings.causes import Cause, sentence
from dsops.explain.questions.refused_call import RefusedCall, policy_text
from dsops.explain.questions.sentence import ENDPOINT_POLICY
from dsops.policy import lower_case
from dsops.schema import POLICY_RECORDING

_SENT: Final = {
    "session-tags": "tags",
    "source-identity": "source_identity",
    "session-name": "role_session_name",
    "token-audience": "web_identity_audience",
    "region": "region",
}
"""The configuration key to set, for causes that can be fixed by sending a value."""


def remedy_for(cause: Cause, policy_type: str, *, is_deny: bool, about: RefusedCall) -> Remedy:
    """Return the remedy for the cause. It never contains a hidden value."""
    by_cause = _BY_CAUSE.get(cause.code)
    if by_cause is not None:
        return by_cause(cause, about)
    if cause.code in _SENT and (store := _sender(cause, about)) is not None:
        return _send(cause, about, policy_type, store)
    if cause.code in _BESIDE and not is_deny:
        return _change_context(cause, about, policy_type)
    if is_deny:
        return _against_deny(policy_type, about)
    if cause.mismatches and cause.key:
        alternative = f"or change the condition on {cause.key} in {policy_text(policy_type, about)}"
        return Remedy(f"call as the condition wants it, {alternative}")
    return allow(policy_type, about)


def _sender(cause: Cause, about: RefusedCall) -> str | None:
    """Return the store whose configuration can send the value.

    Returns "" for another program's call, and None if no configuration can send the value. A read can send only a
    region; all other values were sent when its session was issued.
    """
    if cause.code == "region" or not about.step.name:
        return about.step.name
    if lower_case(cause.key) == "aws:sourceidentity":
        return about.step.credentials_from or None
    return about.step.name if about.step.operation else None


def _external_id(cause: Cause, about: RefusedCall) -> Remedy:
    where = about.edit("external_id")
    if cause.code == "external-id-missing":
        return Remedy(f"set `external_id` on {about.where_to_set}: the owner of the role knows it", where)
    if cause.code == "external-id-unwanted":
        return Remedy(f"leave `external_id` out of {about.where_to_set}, or change that condition", where)
    text = "make `external_id` the one that the role's owner gave, in case, and without white space around it"
    return Remedy(text, where)


def _mfa(cause: Cause, about: RefusedCall) -> Remedy:
    if lower_case(cause.key).endswith("age"):
        text = f"give a fresh code: `mfa_session: false` on {about.where_to_set} asks for one of its own"
        return Remedy(text, about.edit("mfa_session"))
    where = about.edit("serial_number")
    principal = about.request.principal
    if principal.kind != "user":
        text = "a session can't show a code: set `serial_number` on the hop that a user's own key signs, or name the "
        return Remedy(f"{text}role's session in the trust policy without asking for MFA", where)
    user = principal.arn.replace(":user/", ":mfa/")
    return Remedy(f"set `serial_number` on {about.where_to_set}, such as {user}", where)


def _send(cause: Cause, about: RefusedCall, policy_type: str, store: str) -> Remedy:
    if about.request.principal.kind == "saml" and cause.code in _ATTRIBUTES:
        return _change_claim(cause, about, policy_type)
    key = "transitive_tag_keys" if lower_case(cause.key) == "sts:transitivetagkeys" else _SENT[cause.code]
    mismatch = next(
        (mismatch_of_key for mismatch_of_key in cause.mismatches if cause.key and cause.key in mismatch_of_key.element),
        None,
    )
    values = " or ".join(mismatch.wanted[:3]) if mismatch is not None else ""
    policy, where = policy_text(policy_type, about), f"store `{store}`" if store else "the call"
    is_null = mismatch is not None and mismatch.element.startswith("Null ")
    if is_null and mismatch is not None and (values == "true") is not mismatch.is_unwanted:
        text = f"leave what {cause.key} is about out of `{key}` on {where}: {sentence(policy, 'wants')} none"
    elif mismatch is not None and mismatch.is_unwanted and not is_null:
        text = f"set `{key}` on {where} to anything but {values}: {sentence(policy, 'refuses')} that"
    else:
        values_text = f" ({values})" if values and not is_null else ""
        text = f"set `{key}` on {where} to what {sentence(policy, 'wants')}{values_text}"
    if cause.code == "source-identity" and mismatch is not None and not mismatch.is_known:
        text += "; one that the session before already has stays, so that session must be issued again"
    return Remedy(text, about.edit(key, store))


_ATTRIBUTES: Final = {
    "session-tags": "PrincipalTag:KEY",
    "source-identity": "SourceIdentity",
    "session-name": "RoleSessionName",
    "tag-session": "PrincipalTag:KEY",
    "set-source-identity": "SourceIdentity",
}
"""The SAML attribute that the identity provider must send, by cause.

These values come from the assertion, so the configuration can't set them.
"""


def _change_claim(cause: Cause, about: RefusedCall, policy_type: str) -> Remedy:
    mismatch = next(
        (mismatch_of_key for mismatch_of_key in cause.mismatches if cause.key and cause.key in mismatch_of_key.element),
        None,
    )
    values_text = f" ({' or '.join(mismatch.wanted[:3])})" if mismatch is not None and not mismatch.is_unwanted else ""
    attribute, policy = _ATTRIBUTES[cause.code], policy_text(policy_type, about)
    return Remedy(f"have the identity provider send `{attribute}` as {sentence(policy, 'wants')} it{values_text}")


_BESIDE: Final = {"tag-session": "tags", "set-source-identity": "source_identity", "set-context": "provided_contexts"}
"""Maps an action that a hop may need besides sts:AssumeRole to the configuration key that requires it."""


def _change_context(cause: Cause, about: RefusedCall, policy_type: str) -> Remedy:
    if about.request.principal.kind == "saml":
        text = f"allow {about.request.action} besides sts:AssumeRoleWithSAML, or have the identity provider send no "
        return allow(policy_type, about)._replace(text=f"{text}`{_ATTRIBUTES.get(cause.code, 'more')}`")
    key = _BESIDE[cause.code]
    text = f"allow {about.request.action} besides sts:AssumeRole, or send no `{key}`"
    if about.step.name and key not in about.step.settings:
        text = f"allow {about.request.action} besides sts:AssumeRole: the session that calls brings `{key}` along"
    return allow(policy_type, about)._replace(text=text, where=about.edit(key))


def _actions(about: RefusedCall) -> object:
    """Return the refused action, or for a hop all actions that it needs.

    If only the refused action were allowed, the hop would fail at the next action.
    """
    if len(about.actions) < 2 or about.request.action not in about.actions:
        return about.request.action
    return list(about.actions)


def _principal(_cause: Cause, about: RefusedCall) -> Remedy:
    request = about.request
    statement: dict[str, object] = {"Effect": "Allow", "Principal": {"AWS": about.caller}, "Action": _actions(about)}
    if request.principal.kind in ("web-identity", "saml"):
        statement["Principal"] = {"Federated": about.caller}
    text = "name the caller"
    if request.principal.account:
        root = about.caller.split(":")
        partition = root[1] if len(root) > 1 else "aws"
        text += f"; or arn:{partition}:iam::{request.principal.account}:root, and let that account's policies decide"
    return Remedy(text, None, statement, f"the trust policy of {request.resource}")


def _deleted(_cause: Cause, about: RefusedCall) -> Remedy:
    principal = _principal(_cause, about)
    return principal._replace(text=f"write the ARN once more in place of the id: {about.caller}")


def _revoked(_cause: Cause, about: RefusedCall) -> Remedy:
    del about
    return Remedy("get a new session: older sessions were revoked (`dsops agent clear` forgets those that are held)")


def allow(policy_type: str, about: RefusedCall) -> Remedy:
    """Return the remedy that adds the missing Allow statement, with the policy to add it to."""
    request = about.request
    statement: dict[str, object] = {"Effect": "Allow", "Action": _actions(about), "Resource": request.resource}
    if policy_type == "session policy" and about.step.credentials_from:
        store = about.step.credentials_from
        if about.recording:
            return _record_again(store, about)
        where = about.edit("session_policy", store)
        text = f"allow {request.action} in `session_policy` of store `{store}`, or write `session_policy: auto`"
        return Remedy(text, where, statement, f"`session_policy` of store `{store}`")
    if policy_type in ("role trust policy", "resource-based policy"):
        principal = {"Federated" if request.principal.kind in ("web-identity", "saml") else "AWS": about.caller}
        statement = {"Effect": "Allow", "Principal": principal, "Action": _actions(about)}
        if policy_type == "resource-based policy":
            statement["Resource"] = "*"
    if policy_type == ENDPOINT_POLICY:
        # An endpoint's policy has principals, but a gateway endpoint's policy accepts only `*` (VPC User Guide).
        condition = {"ArnEquals": {"aws:PrincipalArn": about.caller}}
        statement |= {"Principal": "*", "Condition": condition}
    if policy_type == "no policy":
        return Remedy("call as another kind of caller")
    return Remedy(f"allow {request.action}", None, statement, policy_text(policy_type, about))


def _record_again(store: str, about: RefusedCall) -> Remedy:
    """Return the remedy for a session that may do only what a recorded run did."""
    return Remedy(
        f"the recording {about.recording} lacks {about.request.action}: remove `{POLICY_RECORDING}` from store"
        f" `{store}`, record a run that needs it (`dsops exec --record {about.recording} --credentials {store} --"
        " COMMAND`), and set it again",
        about.edit(POLICY_RECORDING, store),
    )


def _against_deny(policy_type: str, about: RefusedCall) -> Remedy:
    policy = policy_text(policy_type, about)
    return Remedy(f"a Deny overrides every Allow: change it in {policy}, or change the call")


_BY_CAUSE: Final[Mapping[str, Callable[[Cause, RefusedCall], Remedy]]] = {
    "external-id-missing": _external_id,
    "external-id-different": _external_id,
    "external-id-unwanted": _external_id,
    "mfa-missing": _mfa,
    "trust-principal": _principal,
    "trust-user": _principal,
    "trust-path": _principal,
    "trust-provider": _principal,
    "trust-deleted": _deleted,
    "session-revoked": _revoked,
}
