"""Derive from a plan the hops that lead to a session, and the session's tags, source identity and policies."""

from __future__ import annotations

from collections.abc import Iterator

from dsops.plan import Plan, Step
from dsops.startup import NamedTuple

_OF_A_TOKEN = {
    "AssumeRoleWithWebIdentity": "the token",
    "AssumeRoleWithSAML": "the SAML response",
    "GetRoleCredentials": "IAM Identity Center",
}
"""Maps an operation to the source of further tags and a source identity, such as the claims of a token."""


class Tag(NamedTuple):
    """One session tag."""

    key: str
    value: str
    store: str
    """The store whose call sends the tag."""
    is_inherited: bool
    """Whether the tag comes from an earlier hop, which marked it as transitive."""


class SessionAttributes(NamedTuple):
    """The tags and source identity of a session, as far as the configuration determines them."""

    tags: tuple[Tag, ...] = ()
    source_identity: str = ""
    source_identity_store: str = ""
    """The store whose hop sets the source identity. All later hops have the same source identity."""
    not_known: tuple[str, ...] = ()
    """Descriptions of the attributes that are unknown, because no AWS API returns them. Each is a noun phrase."""


def hops_of(plan: Plan, name: str) -> tuple[Step, ...]:
    """Return the steps that issue sessions in the chain of the store, in the order of their calls."""
    hops: list[Step] = []
    while name:
        step = plan.steps[name]
        if step.type.gives_credentials:
            hops.append(step)
        name = step.credentials_from
    return tuple(reversed(hops))


def as_issued(hops: tuple[Step, ...], arn: str) -> tuple[Step, ...]:
    """Return the hops, with the last hop's session name replaced by the one in the caller's ARN.

    A cached session has the session name of an earlier run.
    """
    _, is_role, role_and_name = arn.partition(":assumed-role/")
    if not is_role or not hops or "role_session_name" not in hops[-1].settings:
        return hops
    settings = {**hops[-1].settings, "role_session_name": role_and_name.rpartition("/")[2]}
    return (*hops[:-1], hops[-1]._replace(settings=settings))


def base_is_session(plan: Plan, name: str) -> bool | None:
    """Whether the chain begins with temporary base credentials; None if this is unknown."""
    while plan.steps[name].credentials_from:
        name = plan.steps[name].credentials_from
    step = plan.steps[name]
    if step.proof is not None or not step.type.takes_credentials:
        return False
    return plan.ambient[step.profile].is_temporary


def carried(hops: tuple[Step, ...], *, is_from_session: bool | None) -> SessionAttributes:
    """Return the tags and source identity of the last hop's session.

    `is_from_session` is the result of `base_is_session`. A role inherits transitive tags and the source identity, but
    no other tags. Sources: IAM User Guide, "Pass session tags in AWS STS" (chaining) and "Monitor and control actions
    taken with assumed roles".
    """
    tags: tuple[Tag, ...] = ()
    goes_on: tuple[str, ...] = ()
    identity, setter = "", ""
    not_known = [] if is_from_session is False else [_of_base(is_from_session)]
    for step in hops:
        inherited_tags = [tag._replace(is_inherited=True) for tag in tags if tag.key in goes_on]
        tags = (
            *inherited_tags,
            *[Tag(key, value, step.name, is_inherited=False) for key, value in _pairs(step, "tags")],
        )
        goes_on = (*[tag.key for tag in inherited_tags], *text_values(step, "transitive_tag_keys"))
        if not identity and "source_identity" in step.settings:
            identity, setter = str(step.settings["source_identity"]), step.name
        if step.operation in _OF_A_TOKEN or step.type.session_action:
            who = _OF_A_TOKEN.get(step.session_source, "the issuer")
            not_known.append(f"the tags and the source identity that {who} gives `{step.name}`")
        elif not step.operation and not step.type.gives_long_term:
            not_known.append(f"what the plugin of the type {step.type.name} put on the session of `{step.name}`")
    return SessionAttributes(tags, identity, setter, tuple(not_known))


def of_base(*, is_temporary: bool) -> SessionAttributes:
    """Return the attributes of base credentials: none for a long-term key; unknown for a session."""
    return SessionAttributes(not_known=(_of_base(is_session=True),)) if is_temporary else SessionAttributes()


def _of_base(is_session: bool | None) -> str:  # noqa: FBT001 (three answers)
    carried_values = "the tags, the source identity and the session policy"
    return (
        f"{carried_values} of the base credentials: no AWS API returns them"
        if is_session
        else f"whether the base credentials are a session; no AWS API returns {carried_values} of a session"
    )


def hop_words(step: Step) -> str:
    """Describe a hop on one line: store, operation, role, and the parameters of the call, but no secret."""
    parts = [f"{step.name}: {step.session_source} {session_target(step)}".rstrip()]
    if "role_session_name" in step.settings:
        parts[0] += f" as {step.settings['role_session_name']}"
    parts += ["chained"] if step.is_chained else []
    parts += [words for name, words in _SENT if name in step.settings]
    return ", ".join(parts)


_SENT = (
    ("external_id", "external ID sent"),
    ("serial_number", "MFA code sent"),
    ("provided_contexts", "contexts sent"),
)


def session_target(step: Step) -> str:
    """Return the role, target principal or federated user that the step's call names; "" if it names none."""
    names = ("target_principal", "federated_user_name")
    return step.role or next((str(step.settings[name]) for name in names if name in step.settings), "")


def limits(step: Step) -> Iterator[str]:
    """Yield the policies that reduce a session's permissions below those of its role."""
    settings = step.settings
    if "session_policy_covers" in settings:
        yield f"session policy auto: {settings['session_policy_covers']}"
    elif "session_policy_recording" in settings:
        size = len(str(settings.get("session_policy", "")))
        yield f"a session policy of {size} characters from the recording {settings['session_policy_recording']}"
    elif "session_policy" in settings:
        yield f"a session policy of {len(str(settings['session_policy']))} characters"
    if "task_policy_arn" in settings:
        yield f"the task policy {settings['task_policy_arn']}"
    policies = text_values(step, "policy_arns")
    if policies:
        yield f"the policies {' and '.join(policies)}"


def text_values(step: Step, name: str) -> tuple[str, ...]:
    """Return the strings of a list setting; () if the step has no such setting."""
    setting = step.settings.get(name, ())
    return tuple(item for item in setting if isinstance(item, str)) if isinstance(setting, tuple) else ()


def _pairs(step: Step, name: str) -> list[tuple[str, str]]:
    setting = step.settings.get(name, ())
    pairs = [item for item in setting if isinstance(item, tuple)] if isinstance(setting, tuple) else []
    return [(key, value) for key, value in pairs if isinstance(value, str)]
