"""The store type `aws.sts`, and the rules between its keys."""

from dsops.arn import parse_arn
from dsops.schema.aws import AWS_KEYS, ONE_SOURCE
from dsops.schema.local import COMMON_KEYS, DANGER_KEY
from dsops.schema.operation import conflicts_of, reference_of
from dsops.schema.store_type import REASON_TO, SESSION_PARTS, Conflict, KeyRule, Settings, StoreType
from dsops.schema.sts_keys import OWN_POLICY, POLICY_RECORDING, STS_KEYS
from dsops.schema.sts_operations import OPERATIONS, SAML_SOURCES, SOURCE_RULES, WEB_IDENTITY_SOURCES

_ASSUME_ROLE = reference_of("AssumeRole")

_NOT_TOLD_TWICE = frozenset(
    {*WEB_IDENTITY_SOURCES, *SAML_SOURCES, "web_identity_audience", "spiffe_id", "saml_login_port"}
)


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
    # A session has the union of what its session policies allow (IAM User Guide, "Session policies").
    message = "with `policy_arns` the session could do more than `session_policy: auto` says"
    return [Conflict("policy_arns", message, "remove one of the two")]


def _check_recording(settings: Settings) -> list[Conflict]:
    if POLICY_RECORDING not in settings:
        return []
    reasons = {
        "session_policy": f"`session_policy` and `{POLICY_RECORDING}` are two policies for one session",
        "policy_arns": f"with `policy_arns` the session could do more than `{POLICY_RECORDING}` says",
    }
    return [Conflict(key, text, "remove one of the two") for key, text in reasons.items() if key in settings]


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
    """Return conflicts for managed policies of a different account from the role's.

    Policies of AWS are allowed.
    """
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
            f"`{key}` is a transitive tag, but is not one of the `tags`",
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
    KeyRule(_check_recording, apart=tuple((POLICY_RECORDING, key) for key in ("session_policy", "policy_arns"))),
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


STS_TYPE = StoreType(
    "aws.sts",
    "An AWS STS session: an assumed role, or the caller's own (GetSessionToken). Other stores use it with "
    "`credentials_from`, and variables can read its credentials.",
    (*COMMON_KEYS, DANGER_KEY, *AWS_KEYS, *STS_KEYS),
    gives_credentials=True,
    takes_credentials=True,
    service="sts",
    session_parts=SESSION_PARTS,
    proof_keys=(*WEB_IDENTITY_SOURCES, *SAML_SOURCES),
    operations=OPERATIONS,
    rules=_RULES,
)
