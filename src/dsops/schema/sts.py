r"""The type `aws.sts`. Limits are those of the STS service model 2011-06-15, where no other source is named.

AWS counts lengths in code points. Its `\w` is ASCII. Python's `re` has no `\p{L}\p{Z}\p{N}` for tags: its
`\w` is letters, numbers and `_`, and the separators are spelled out.
"""

from __future__ import annotations

from dsops.schema.aws import AWS_KEYS, check_source
from dsops.schema.key import Conflict, Key, Settings, StoreType
from dsops.schema.local import COMMON_KEYS

_ASSUME_ROLE = "the AssumeRole API reference"
_WEB_IDENTITY = "the AssumeRoleWithWebIdentity API reference"
_SPACES = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_TAG_CHARACTERS = rf"[\w.:/=+\-@{_SPACES}]"
_NAME_CHARACTERS = r"[A-Za-z0-9_+=,.@-]"
_NAME_SHAPE = "letters, digits and _+=,.@-"
WEB_IDENTITY_SOURCES = ("web_identity_token", "web_identity_token_file", "web_identity_process", "web_identity")
"""The keys that say where a web identity token comes from; a store has one of them, or signs with credentials."""

DEFAULT_AUDIENCE = "sts.amazonaws.com"
"""Whom a web identity token is for, where the platform asks and the configuration does not say."""

OWN_POLICY = "auto"
"""A session policy that the plan writes: what the environment does with the session, and no more."""

_NOT_WITH_A_TOKEN = {
    "credentials_from": "the call is not signed: the token alone says who it is",
    "profile": "the call is not signed: the token alone says who it is",
    "external_id": "AssumeRoleWithWebIdentity takes none",
    "serial_number": "AssumeRoleWithWebIdentity takes none",
    "tags": "they come from the token",
    "transitive_tag_keys": "they come from the token",
    "source_identity": "it comes from the token",
}
_WITH_AUDIENCE = ("github", "buildkite")


def _check_web_identity(settings: Settings) -> list[Conflict]:
    sources = [name for name in WEB_IDENTITY_SOURCES if name in settings]
    operation = settings.get("operation")
    conflicts: list[Conflict] = []
    if operation == "AssumeRole" and sources:
        hint = "remove one of the two"
        conflicts.append(Conflict("operation", f"AssumeRole takes no token, and `{sources[0]}` is one", hint))
    if operation == "AssumeRoleWithWebIdentity" and not sources:
        hint = f"set one of {', '.join(f'`{name}`' for name in WEB_IDENTITY_SOURCES)}"
        conflicts.append(Conflict("operation", "AssumeRoleWithWebIdentity needs a token", hint))
    conflicts += [
        Conflict(name, f"`{sources[0]}` and `{name}` name two tokens", "remove one") for name in sources[1:]
    ]
    if "web_identity_audience" in settings and settings.get("web_identity") not in _WITH_AUDIENCE:
        message = "`web_identity_audience` goes with `web_identity: github` or `buildkite`"
        conflicts.append(Conflict("web_identity_audience", message, "whoever makes another token sets its audience"))
    for name, why in _NOT_WITH_A_TOKEN.items() if sources else ():
        if name in settings:
            message = f"`{name}` does not go with `{sources[0]}`: {why}"
            conflicts.append(Conflict(name, message, f"remove it (an inherited one with `{name}: null`)"))
    return conflicts


def _check_sts(settings: Settings) -> list[Conflict]:
    conflicts = [*check_source(settings), *_check_web_identity(settings)]
    if "serial_number" not in settings:
        conflicts += [
            Conflict(key, f"`{key}` without `serial_number`", "name the MFA device that the code is of")
            for key in ("token_code", "mfa_process")
            if key in settings
        ]
    if settings.get("session_policy") == OWN_POLICY and "policy_arns" in settings:
        # Session policies add up: what one of them allows is allowed (IAM User Guide, Session policies).
        message = "with `policy_arns` the session could do more than `session_policy: auto` says"
        conflicts.append(Conflict("policy_arns", message, "remove one of the two"))
    # STS: "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    names: dict[str, str] = {}
    for name in _tag_names(settings):
        if name.lower() in names:
            message = f"the tags `{names[name.lower()]}` and `{name}` are one to AWS, which ignores case"
            conflicts.append(Conflict("tags", message, "remove one of them"))
        names[name.lower()] = name
    transitive = settings.get("transitive_tag_keys", ())
    for key in transitive if isinstance(transitive, tuple) else ():
        if isinstance(key, str) and key.lower() not in names:
            message = f"`{key}` is to be passed on, but is none of the `tags`"
            conflicts.append(Conflict("transitive_tag_keys", message, "add it to `tags`, or remove it here"))
    return conflicts


def _tag_names(settings: Settings) -> list[str]:
    tags = settings.get("tags", ())
    return [pair[0] for pair in tags if isinstance(pair, tuple)] if isinstance(tags, tuple) else []


_STS_KEYS = (
    Key(
        "role_arn",
        "text",
        "The role to assume.",
        is_required=True,
        aliases=("assume_role",),
        pattern=r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/(?:[!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}",
        shape="a role's ARN, arn:aws:iam::ACCOUNT:role/NAME",
        minimum=20,
        maximum=2048,
        source=_ASSUME_ROLE,
    ),
    Key(
        "role_session_name",
        "text",
        "The session's name, as CloudTrail shows it; one made of `dsops` and your user name if it isn't set.",
        characters=_NAME_CHARACTERS,
        shape=_NAME_SHAPE,
        minimum=2,
        maximum=64,
        source=_ASSUME_ROLE,
    ),
    Key(
        "duration_seconds",
        "integer",
        "How long the session lives; 3600, one hour, if it isn't set, and at most that for a chained role.",
        aliases=("duration",),
        minimum=900,
        maximum=43200,
        source=_ASSUME_ROLE,
    ),
    Key(
        "external_id",
        "text",
        "The external ID that the role's trust policy asks for; never shown.",
        is_secret=True,
        characters=r"[A-Za-z0-9_+=,.@:/-]",
        shape="letters, digits and _+=,.@:/-",
        minimum=2,
        maximum=1224,
        source=_ASSUME_ROLE,
    ),
    Key(
        "serial_number",
        "text",
        "The MFA device: the ARN of a virtual one or the number of a hardware one.",
        aliases=("mfa_serial_number",),
        characters=r"[A-Za-z0-9_+=/:,.@-]",
        shape="letters, digits and _+=/:,.@-",
        minimum=9,
        maximum=256,
        source=_ASSUME_ROLE,
    ),
    Key(
        "token_code",
        "text",
        "The MFA device's current code; asked for on the terminal where it isn't set.",
        is_secret=True,
        is_identity=False,
        is_askable=True,
        aliases=("mfa_token_code",),
        pattern=r"[0-9]{6}",
        shape="six digits",
        source=_ASSUME_ROLE,
    ),
    Key(
        "mfa_process",
        "command",
        "A command that prints the MFA device's current code; it starts in the folder of this file.",
        is_identity=False,
    ),
    Key(
        "session_policy",
        "policy",
        "What the session may do at most, as JSON text or as YAML, or `auto`: what the environment reads with it.",
        choices=(OWN_POLICY,),
        characters=r"[\t\n\r -ÿ]",
        shape="characters up to U+00FF (others as \\uXXXX)",
        minimum=1,
        maximum=2048,
        source=_ASSUME_ROLE,
    ),
    Key(
        "policy_arns",
        "texts",
        "Managed policies of the role's account that limit the session like `session_policy`.",
        pattern=r"arn:[a-z0-9-]+:iam::(?:[0-9]{12}|aws):policy/[!-~]+",
        shape="a policy's ARN, arn:aws:iam::ACCOUNT:policy/NAME",
        minimum=20,
        maximum=2048,
        maximum_items=10,
        source=_ASSUME_ROLE,
    ),
    Key(
        "tags",
        "map",
        "Session tags, key to value; the trust policy has to allow sts:TagSession.",
        characters=_TAG_CHARACTERS,
        shape="letters, digits, spaces and _.:/=+-@",
        minimum=1,
        maximum=128,
        maximum_value=256,
        maximum_items=50,
        source=_ASSUME_ROLE,
    ),
    Key(
        "transitive_tag_keys",
        "texts",
        "The keys of `tags` that go on to the roles that this session assumes.",
        characters=_TAG_CHARACTERS,
        shape="letters, digits, spaces and _.:/=+-@",
        minimum=1,
        maximum=128,
        maximum_items=50,
        source=_ASSUME_ROLE,
    ),
    Key(
        "source_identity",
        "text",
        "Who is behind the session, through every hop; the trust policy has to allow sts:SetSourceIdentity.",
        characters=_NAME_CHARACTERS,
        shape=_NAME_SHAPE,
        minimum=2,
        # 64 until July 2026, when STS and its model went to 256.
        maximum=256,
        source=_ASSUME_ROLE,
    ),
    Key(
        "operation",
        "text",
        "The API action, which follows from the other keys; written out, it is checked against them.",
        is_identity=False,
        choices=("AssumeRole", "AssumeRoleWithWebIdentity"),
    ),
    Key(
        "web_identity_token",
        "text",
        "A token of an OpenID Connect provider, by which the role is assumed without credentials; never shown.",
        is_secret=True,
        is_identity=False,
        minimum=4,
        maximum=20000,
        source=_WEB_IDENTITY,
    ),
    Key(
        "web_identity_token_file",
        "text",
        "The file with the token, read anew for each session; relative to the folder of this file.",
        is_identity=False,
        minimum=1,
    ),
    Key(
        "web_identity_process",
        "command",
        "A command that prints the token; it starts in the folder of this file.",
        is_identity=False,
    ),
    Key(
        "web_identity",
        "text",
        "The platform whose own variables lead to the token: GitHub Actions, GitLab CI, EKS (IRSA), and so on.",
        choices=("github", "gitlab", "kubernetes", "circleci", "buildkite"),
    ),
    Key(
        "web_identity_audience",
        "text",
        "Whom the token is for, where the platform asks: `github`, `buildkite`; sts.amazonaws.com if it isn't set.",
        characters=r"[!-~]",
        shape="printable ASCII without spaces",
        minimum=1,
        maximum=255,
        source="the IAM API reference (CreateOpenIDConnectProvider)",
    ),
)

STS_TYPE = StoreType(
    "aws.sts",
    "A role that is assumed through AWS STS. Other stores use it by `credentials_from`, "
    "and variables can read its credentials.",
    (*COMMON_KEYS, *AWS_KEYS, *_STS_KEYS),
    gives_credentials=True,
    takes_credentials=True,
    proof_keys=WEB_IDENTITY_SOURCES,
    check_together=_check_sts,
)
