r"""The store type `aws.sts`. Limits come from the STS service model 2011-06-15, unless a key names another source.

AWS counts lengths in code points, and its `\\w` is ASCII only. Python's `re` has no `\\p{L}\\p{Z}\\p{N}`, which AWS
uses for tags: Python's `\\w` covers letters, numbers and `_`, and the separators are spelled out.
"""

from __future__ import annotations

from dsops.arn import parse_arn
from dsops.schema.aws import AWS_KEYS, ONE_SOURCE
from dsops.schema.key import MOST_TAGS, REASON_TO, SESSION_PARTS, Conflict, KeyRule, Settings, StoreKey, StoreType
from dsops.schema.local import COMMON_KEYS
from dsops.schema.operation import conflicts_of, reference_of
from dsops.schema.sts_operations import OPERATIONS, ROOT_TASKS, SAML_SOURCES, SOURCE_RULES, WEB_IDENTITY_SOURCES

_ASSUME_ROLE = reference_of("AssumeRole")
_WEB_IDENTITY = reference_of("AssumeRoleWithWebIdentity")
_SPACES = r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_TAG_CHARACTERS = rf"[\w.:/=+\-@{_SPACES}]"
_NAME_CHARACTERS = r"[A-Za-z0-9_+=,.@-]"
_NAME_SHAPE = "letters, digits and _+=,.@-"
DEFAULT_AUDIENCE = "sts.amazonaws.com"
"""The audience of a web identity token, where the platform asks for one and the configuration does not name one."""

OWN_POLICY = "auto"
"""The value of `session_policy` for a policy that dsops derives from the plan."""

_NOT_TOLD_TWICE = frozenset({*WEB_IDENTITY_SOURCES, *SAML_SOURCES, "web_identity_audience", "saml_login_port"})


def _check_operation(settings: Settings) -> list[Conflict]:
    return [conflict for conflict in conflicts_of(STS_TYPE, settings) if conflict.key not in _NOT_TOLD_TWICE]


def _check_device(settings: Settings) -> list[Conflict]:
    return [
        Conflict(key, f"`{key}` without `serial_number`", "name the MFA device of the code")
        for key in _CODES
        if key in settings and "serial_number" not in settings
    ]


def _check_own_policy(settings: Settings) -> list[Conflict]:
    if settings.get("session_policy") != OWN_POLICY or "policy_arns" not in settings:
        return []
    # Session policies add up: what one of them allows is allowed (IAM User Guide, "Session policies").
    message = "with `policy_arns` the session could do more than `session_policy: auto` says"
    return [Conflict("policy_arns", message, "remove one of the two")]


def _check_tag_names(settings: Settings) -> list[Conflict]:
    # STS: "Duplicate tag keys found. Please note that Tag keys are case insensitive."
    conflicts: list[Conflict] = []
    names: dict[str, str] = {}
    for name in _tag_names(settings):
        if name.lower() in names:
            message = f"the tags `{names[name.lower()]}` and `{name}` are the same tag to AWS, which ignores case"
            conflicts.append(Conflict("tags", message, "remove one of them"))
        names[name.lower()] = name
        if name.lower().startswith("aws:"):
            conflicts.append(Conflict("tags", f"the tag `{name}` begins with `aws:`, which AWS keeps for itself"))
    return conflicts


def _check_policy_size(settings: Settings) -> list[Conflict]:
    inline, arns = str(settings.get("session_policy", "")), _texts(settings, "policy_arns")
    size = len(inline) + sum(map(len, arns))
    if not inline or not arns or size <= _SESSION_POLICY_CHARACTERS:
        return []
    message = (
        f"`session_policy` and `policy_arns` have {size} characters together, "
        f"and the most is {_SESSION_POLICY_CHARACTERS} ({_ASSUME_ROLE})"
    )
    return [Conflict("session_policy", message)]


def _check_policy_accounts(settings: Settings) -> list[Conflict]:
    """Conflicts for managed policies that belong to another account than the role."""
    named = (parse_arn(str(settings.get(name, ""))) for name in _NAMING_ACCOUNTS)
    account = next((arn.account for arn in named if arn is not None and arn.account), "")
    return [
        Conflict("policy_arns", f"`{text}` is of another account than the role, {account} ({_ASSUME_ROLE})")
        for text in _texts(settings, "policy_arns")
        if account and (arn := parse_arn(text)) is not None and arn.account not in ("aws", account)
    ]


def _texts(settings: Settings, key: str) -> list[str]:
    texts = settings.get(key, ())
    return [text for text in texts if isinstance(text, str)] if isinstance(texts, tuple) else []


def _check_reason_tag(settings: Settings) -> list[Conflict]:
    if REASON_TO not in settings:
        return []
    from dsops.schema.reason import check_reason_tag

    return check_reason_tag(settings, list({name.lower(): name for name in _tag_names(settings)}.values()))


def _check_reason_identity(settings: Settings) -> list[Conflict]:
    if REASON_TO not in settings:
        return []
    from dsops.schema.reason import check_reason_identity

    return check_reason_identity(settings)


def _check_transitive(settings: Settings) -> list[Conflict]:
    transitive = settings.get("transitive_tag_keys", ())
    if not isinstance(transitive, tuple) or not transitive:
        return []
    names = {name.lower() for name in _tag_names(settings)}
    if REASON_TO in settings:
        from dsops.schema.reason import reason_tag

        names.add(reason_tag(settings).lower())
    return [
        Conflict(
            "transitive_tag_keys",
            f"`{key}` is to be passed on, but is none of the `tags`",
            "add it to `tags`, or remove it here",
        )
        for key in transitive
        if isinstance(key, str) and key.lower() not in names
    ]


def _tag_names(settings: Settings) -> list[str]:
    tags = settings.get("tags", ())
    return [pair[0] for pair in tags if isinstance(pair, tuple)] if isinstance(tags, tuple) else []


_CODES = ("token_code", "mfa_process")
_NAMING_ACCOUNTS = ("role_arn", "principal_arn", "target_principal", "task_policy_arn")
_SESSION_POLICY_CHARACTERS = 2048

_RULES = (
    ONE_SOURCE,
    *SOURCE_RULES,
    KeyRule(_check_operation, frozenset({"operation"})),
    KeyRule(_check_device, needs=tuple((key, ("serial_number",)) for key in _CODES)),
    KeyRule(_check_own_policy, frozenset({"session_policy"}), apart=((f"session_policy={OWN_POLICY}", "policy_arns"),)),
    KeyRule(_check_policy_size, frozenset({"session_policy", "policy_arns"})),
    KeyRule(_check_policy_accounts, frozenset({*_NAMING_ACCOUNTS, "policy_arns"})),
    KeyRule(_check_tag_names, frozenset({"tags"})),
    KeyRule(_check_reason_tag, frozenset({REASON_TO, "tags"})),
    KeyRule(
        _check_reason_identity,
        frozenset({REASON_TO}),
        apart=tuple((f"{REASON_TO}=source_identity", name) for name in ("source_identity", "federated_user_name")),
    ),
    KeyRule(
        _check_transitive,
        frozenset({"tags", "transitive_tag_keys", REASON_TO}),
        needs=(("transitive_tag_keys", ("tags", REASON_TO)),),
    ),
)


_STS_KEYS = (
    StoreKey(
        "role_arn",
        "text",
        "The role to assume; without it the store is the user's own session (GetSessionToken).",
        aliases=("assume_role",),
        pattern=r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/(?:[!-~]+/)?[A-Za-z0-9_+=,.@-]{1,64}",
        shape="a role's ARN, arn:aws:iam::ACCOUNT:role/NAME",
        minimum=20,
        maximum=2048,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "role_session_name",
        "text",
        "The name of the session in CloudTrail. Default: `dsops`, your user name and the time.",
        characters=_NAME_CHARACTERS,
        shape=_NAME_SHAPE,
        minimum=2,
        maximum=64,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "duration_seconds",
        "integer",
        "The duration of the session in seconds. A role: 900 to 43200, default 3600; a chained role: at most 3600. "
        "GetSessionToken and GetFederationToken: 900 to 129600, default 43200. AssumeRoot: at most 900.",
        aliases=("duration",),
    ),
    StoreKey(
        "external_id",
        "text",
        "The external ID that the role's trust policy requires; never shown.",
        is_secret=True,
        characters=r"[A-Za-z0-9_+=,.@:/-]",
        shape="letters, digits and _+=,.@:/-",
        minimum=2,
        maximum=1224,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "serial_number",
        "text",
        "The MFA device: the ARN of a virtual device, or the serial number of a hardware device.",
        aliases=("mfa_serial_number",),
        characters=r"[A-Za-z0-9_+=/:,.@-]",
        shape="letters, digits and _+=/:,.@-",
        minimum=9,
        maximum=256,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "token_code",
        "text",
        "The MFA device's current code. Default: computed from the seed in the keyring, or asked for on the terminal.",
        is_secret=True,
        is_identity=False,
        is_askable=True,
        aliases=("mfa_token_code",),
        pattern=r"[0-9]{6}",
        shape="six digits",
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "mfa_process",
        "command",
        "A command that prints the MFA device's current code. It runs in the folder of this file.",
        is_identity=False,
    ),
    StoreKey(
        "mfa_session",
        "boolean",
        "Whether this role shares one MFA session (GetSessionToken) with other roles of the same device. Default: "
        "yes, if several roles name the device, but not for roles with over an hour.",
        is_identity=False,
    ),
    StoreKey(
        "session_policy",
        "policy",
        "A policy that limits the session, as JSON text or YAML; `auto`: only what the environment does with it.",
        choices=(OWN_POLICY,),
        characters=r"[\t\n\r -ÿ]",
        shape="characters up to U+00FF (others as \\uXXXX)",
        minimum=1,
        maximum=2048,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "policy_arns",
        "texts",
        "ARNs of managed policies of the role's account that limit the session, like `session_policy`.",
        pattern=r"arn:[a-z0-9-]+:iam::(?:[0-9]{12}|aws):policy/[!-~]+",
        shape="a policy's ARN, arn:aws:iam::ACCOUNT:policy/NAME",
        minimum=20,
        maximum=2048,
        maximum_items=10,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "tags",
        "map",
        "Session tags, key to value. The trust policy has to allow sts:TagSession.",
        characters=_TAG_CHARACTERS,
        shape="letters, digits, spaces and _.:/=+-@",
        minimum=1,
        maximum=128,
        maximum_value=256,
        maximum_items=MOST_TAGS,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "transitive_tag_keys",
        "texts",
        "The keys of `tags` that are passed on to roles assumed with this session.",
        characters=_TAG_CHARACTERS,
        shape="letters, digits, spaces and _.:/=+-@",
        minimum=1,
        maximum=128,
        maximum_items=MOST_TAGS,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        "source_identity",
        "text",
        "The source identity, the same through every hop. The trust policy has to allow sts:SetSourceIdentity.",
        characters=_NAME_CHARACTERS,
        shape=_NAME_SHAPE,
        minimum=2,
        # 64 until July 2026, when STS and its model went to 256.
        maximum=256,
        source=_ASSUME_ROLE,
    ),
    StoreKey(
        REASON_TO,
        "text",
        "Sends the reason of `--reason` to AWS, as `source_identity` or as a session tag, `tag:KEY`. Then the "
        "store can't be used without a reason.",
        pattern=rf"source_identity|tag:{_TAG_CHARACTERS}{{1,128}}",
        shape="source_identity, or tag: and the key of a tag",
        minimum=1,
    ),
    StoreKey(
        "operation",
        "text",
        "The API action. It follows from the other keys; if it is set, it has to agree with them.",
        is_identity=False,
        choices=tuple([operation.name for operation in OPERATIONS]),
    ),
    StoreKey(
        "web_identity_token",
        "text",
        "An OpenID Connect token with which the role is assumed, without credentials; never shown.",
        is_secret=True,
        is_identity=False,
        minimum=4,
        maximum=20000,
        source=_WEB_IDENTITY,
    ),
    StoreKey(
        "web_identity_token_file",
        "file",
        "The file with the token, read for each new session; relative to the folder of this file, or `~/...`.",
        is_identity=False,
        minimum=1,
    ),
    StoreKey(
        "web_identity_process",
        "command",
        "A command that prints the token. It runs in the folder of this file.",
        is_identity=False,
    ),
    StoreKey(
        "web_identity",
        "text",
        "The platform that provides the token: GitHub Actions, GitLab CI, EKS (IRSA), and so on.",
        choices=("github", "gitlab", "kubernetes", "circleci", "buildkite"),
    ),
    StoreKey(
        "web_identity_audience",
        "text",
        "The token's audience, for `github` and `buildkite` (default sts.amazonaws.com).",
        characters=r"[!-~]",
        shape="printable ASCII without spaces",
        minimum=1,
        maximum=255,
        source="the IAM API reference (CreateOpenIDConnectProvider)",
    ),
    StoreKey(
        "saml_assertion_file",
        "file",
        "The file with a SAML response of the identity provider, in base64 or XML; relative to the folder of this "
        "file, or `~/...`.",
        is_identity=False,
        minimum=1,
    ),
    StoreKey(
        "saml_process",
        "command",
        "A command that prints the SAML response. It runs in the folder of this file.",
        is_identity=False,
    ),
    StoreKey(
        "saml_login_url",
        "page",
        "The login page of the identity provider. It has to post the SAML response to a port of this machine.",
        pattern=r"https://[^\s@/]+(?:/\S*)?|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]+)?(?:/\S*)?",
        shape="an https address",
    ),
    StoreKey(
        "saml_login_port",
        "integer",
        "The port of 127.0.0.1 that receives the SAML response (default 35001).",
        is_identity=False,
        minimum=1024,
        maximum=65535,
        source="dsops: lower ports belong to the system",
    ),
    StoreKey(
        "principal_arn",
        "text",
        "The SAML provider in IAM. Default: the one that the response names with the role.",
        pattern=r"arn:[a-z0-9-]+:iam::[0-9]{12}:saml-provider/[A-Za-z0-9._-]{1,128}",
        shape="a SAML provider's ARN, arn:aws:iam::ACCOUNT:saml-provider/NAME",
        minimum=20,
        maximum=2048,
        source=reference_of("AssumeRoleWithSAML"),
    ),
    StoreKey(
        "federated_user_name",
        "text",
        "The name of a federated user (GetFederationToken), who may do what `session_policy` and the calling user "
        "both allow.",
        characters=_NAME_CHARACTERS,
        shape=_NAME_SHAPE,
        minimum=2,
        maximum=32,
        source=reference_of("GetFederationToken"),
    ),
    StoreKey(
        "target_principal",
        "text",
        "The member account for a privileged task (AssumeRoot): its id, or the ARN of its root user.",
        pattern=r"[0-9]{12}|arn:[a-z0-9-]+:iam::[0-9]{12}:root",
        shape="an account's id, or arn:aws:iam::ACCOUNT:root",
        source=reference_of("AssumeRoot"),
    ),
    StoreKey(
        "task_policy_arn",
        "text",
        "The task: the AWS managed policy with the permissions of the root user's session.",
        pattern=rf"arn:[a-z0-9-]+:iam::aws:policy/root-task/(?:{'|'.join(ROOT_TASKS)})",
        shape=f"arn:aws:iam::aws:policy/root-task/ and one of {', '.join(ROOT_TASKS)}",
        source=reference_of("AssumeRoot"),
    ),
    StoreKey(
        "provided_contexts",
        "map",
        "Context assertions: the ARN of the context provider to its assertion, which is never shown.",
        is_secret=True,
        characters=r"[!-~]",
        shape="an ARN and an assertion, in printable ASCII",
        minimum=20,
        maximum=2048,
        maximum_value=3072,
        maximum_items=5,
        source=reference_of("AssumeRole"),
    ),
)

STS_TYPE = StoreType(
    "aws.sts",
    "An AWS STS session: an assumed role, or the caller's own (GetSessionToken). Other stores use it with "
    "`credentials_from`, and variables can read its credentials.",
    (*COMMON_KEYS, *AWS_KEYS, *_STS_KEYS),
    gives_credentials=True,
    takes_credentials=True,
    service="sts",
    session_parts=SESSION_PARTS,
    proof_keys=(*WEB_IDENTITY_SOURCES, *SAML_SOURCES),
    operations=OPERATIONS,
    rules=_RULES,
)
