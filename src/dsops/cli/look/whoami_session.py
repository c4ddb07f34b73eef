"""What is known of a session: the hops behind it, and what it carries and inherits; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.cli.framework.output import Json
from dsops.plan import Plan, Step
from dsops.schema import Setting
from dsops.startup import NamedTuple

_OF_A_TOKEN = {
    "AssumeRoleWithWebIdentity": "the token",
    "AssumeRoleWithSAML": "the SAML response",
    "GetRoleCredentials": "IAM Identity Center",
}
"""Operations by which somebody else puts tags and a source identity on the session: the token's claims, for one."""


class Tag(NamedTuple):
    """One session tag."""

    key: str
    value: str
    store: str
    """Whose call sent it."""
    is_inherited: bool
    """Whether it comes from an earlier hop, which made it transitive."""


class Carried(NamedTuple):
    """What a session carries besides its role's rights, as far as this configuration decides it."""

    tags: tuple[Tag, ...] = ()
    source_identity: str = ""
    source_identity_store: str = ""
    """The hop that set it; it stays for all later ones."""
    not_known: tuple[str, ...] = ()
    """One clause for each thing that AWS tells nobody."""


def hops_of(plan: Plan, name: str) -> tuple[Step, ...]:
    """The steps that issue a session on the way to that store's, the first one first."""
    found: list[Step] = []
    while name:
        step = plan.steps[name]
        if step.type.gives_credentials:
            found.append(step)
        name = step.credentials_from
    return tuple(reversed(found))


def base_is_session(plan: Plan, name: str) -> bool | None:
    """Whether the chain begins with a session that somebody else issued; None where the plan can't tell."""
    while plan.steps[name].credentials_from:
        name = plan.steps[name].credentials_from
    step = plan.steps[name]
    if step.proof is not None or not step.type.takes_credentials:
        return False
    return plan.ambient[step.profile].is_temporary


def carried(hops: tuple[Step, ...], *, is_from_session: bool | None) -> Carried:
    """What the last hop's session carries, where base credentials are a session, are none, or that is not known.

    IAM User Guide, "Pass session tags in AWS STS" (chaining) and "Monitor and control actions taken with assumed
    roles": transitive tags and a source identity go on to the next role, other tags do not.
    """
    tags: tuple[Tag, ...] = ()
    goes_on: tuple[str, ...] = ()
    identity, setter = "", ""
    not_known = [] if is_from_session is False else [_of_base(is_from_session)]
    for step in hops:
        kept = [tag._replace(is_inherited=True) for tag in tags if tag.key in goes_on]
        tags = (*kept, *[Tag(key, value, step.name, is_inherited=False) for key, value in _pairs(step, "tags")])
        goes_on = (*[tag.key for tag in kept], *_texts(step, "transitive_tag_keys"))
        if not identity and "source_identity" in step.settings:
            identity, setter = str(step.settings["source_identity"]), step.name
        if step.operation in _OF_A_TOKEN or step.type.session_action:
            who = _OF_A_TOKEN.get(step.session_source, "whoever issued it")
            not_known.append(f"the tags and the source identity that {who} gives `{step.name}`")
        elif not step.operation and not step.type.gives_long_term:
            not_known.append(f"what the plugin of the type {step.type.name} put on the session of `{step.name}`")
    return Carried(tags, identity, setter, tuple(not_known))


def of_base(*, is_temporary: bool) -> Carried:
    """What base credentials carry: a long-term key nothing, a session what AWS tells nobody."""
    return Carried(not_known=(_of_base(is_session=True),)) if is_temporary else Carried()


def _of_base(is_session: bool | None) -> str:  # noqa: FBT001 (three answers)
    what = "the tags, the source identity and the session policy of the base credentials"
    return f"{what}: AWS tells nobody" if is_session else f"{what}, if they are a session: AWS tells nobody"


def hop_words(step: Step) -> str:
    """One hop on one line: what is called, for whom, and what is sent; no secret."""
    parts = [f"{step.name}: {step.session_source} {_whose(step)}".rstrip()]
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


def _whose(step: Step) -> str:
    names = ("target_principal", "federated_user_name")
    return step.role or next((str(step.settings[name]) for name in names if name in step.settings), "")


def limits(step: Step) -> Iterator[str]:
    """What holds a session below the rights of its role."""
    settings = step.settings
    if "session_policy_covers" in settings:
        yield f"session policy auto: {settings['session_policy_covers']}"
    elif "session_policy" in settings:
        yield f"a session policy of {len(str(settings['session_policy']))} characters"
    if "task_policy_arn" in settings:
        yield f"the task policy {settings['task_policy_arn']}"
    policies = _texts(step, "policy_arns")
    if policies:
        yield f"the policies {' and '.join(policies)}"


def hop_value(step: Step, expiration: str, seconds_left: int | None) -> Json:
    """A hop for programs; `expiration` is "" where it is not known."""
    settings: Mapping[str, Setting] = step.settings
    return {
        "store": step.name,
        "operation": step.session_source,
        "role": _whose(step) or None,
        "session_name": str(settings["role_session_name"]) if "role_session_name" in settings else None,
        "region": step.region or None,
        "is_chained": step.is_chained,
        "has_external_id": "external_id" in settings,
        "mfa_device": str(settings["serial_number"]) if "serial_number" in settings else None,
        "has_session_policy": "session_policy" in settings,
        "policy_arns": list(_texts(step, "policy_arns")),
        "expiration": expiration or None,
        "seconds_left": seconds_left,
    }


def carried_value(known: Carried) -> Mapping[str, Json]:
    """What a session carries, for programs."""
    identity = {"value": known.source_identity, "store": known.source_identity_store}
    return {
        "tags": [dict(tag._asdict()) for tag in known.tags],
        "source_identity": identity if known.source_identity else None,
        "not_known": list(known.not_known),
    }


def _texts(step: Step, name: str) -> tuple[str, ...]:
    setting = step.settings.get(name, ())
    return tuple(each for each in setting if isinstance(each, str)) if isinstance(setting, tuple) else ()


def _pairs(step: Step, name: str) -> list[tuple[str, str]]:
    setting = step.settings.get(name, ())
    pairs = [each for each in setting if isinstance(each, tuple)] if isinstance(setting, tuple) else []
    return [(key, value) for key, value in pairs if isinstance(value, str)]
