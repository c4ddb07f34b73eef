"""The six STS operations that can issue the session of an `aws.sts` store (STS API Reference)."""

from __future__ import annotations

from dsops.schema.store_type import Conflict, KeyRule, Operation, Settings

WEB_IDENTITY_SOURCES = ("web_identity_token", "web_identity_token_file", "web_identity_process", "web_identity")
"""The keys that name the source of a web identity token. A store has at most one of them."""

SAML_SOURCES = ("saml_assertion_file", "saml_process", "saml_login_url")
"""The keys that name the source of a SAML response."""

ROOT_TASKS = (
    "IAMAuditRootUserCredentials",
    "IAMCreateRootUserPassword",
    "IAMDeleteRootUserCredentials",
    "S3UnlockBucketPolicy",
    "SQSUnlockQueuePolicy",
)
"""The names of the task policies that AssumeRoot accepts (AssumeRoot API reference, TaskPolicyArn)."""

_POLICIES = frozenset({"session_policy", "session_policy_recording", "policy_arns"})
_MFA = frozenset({"serial_number", "token_code", "mfa_process"})
_FROM_TOKEN = {
    "tags": "they come from the token",
    "transitive_tag_keys": "they come from the token",
    "source_identity": "it comes from the token",
    "reason_to": "tags and source identity come from the token",
}
_FROM_ASSERTION = {
    "tags": "they come from the assertion",
    "transitive_tag_keys": "they come from the assertion",
    "source_identity": "it comes from the assertion",
    "role_session_name": "it comes from the assertion",
    "reason_to": "tags and source identity come from the assertion",
}
_USERS_OWN = dict.fromkeys(
    """
    role_session_name external_id source_identity tags session_policy session_policy_recording policy_arns reason_to
    """.split(),
    "without `role_arn` it is the user's own session",
)

_OF_A_ROLE = tuple(
    """
    role_arn role_session_name external_id tags transitive_tag_keys source_identity session_policy
    session_policy_recording policy_arns provided_contexts mfa_session reason_to
    """.split()
)

OPERATIONS = (
    Operation(
        "AssumeRoleWithWebIdentity",
        WEB_IDENTITY_SOURCES,
        _POLICIES | {*WEB_IDENTITY_SOURCES, "web_identity_audience", "spiffe_id", "role_arn", "role_session_name"},
        ("role_arn",),
        is_signed=False,
        reasons=_FROM_TOKEN,
    ),
    Operation(
        "AssumeRoleWithSAML",
        SAML_SOURCES,
        _POLICIES | {*SAML_SOURCES, "saml_login_port", "role_arn", "principal_arn"},
        is_signed=False,
        reasons=_FROM_ASSERTION,
    ),
    Operation(
        "AssumeRoot",
        ("target_principal", "task_policy_arn"),
        frozenset({"target_principal", "task_policy_arn"}),
        ("target_principal", "task_policy_arn"),
        default_seconds=900,
        least_seconds=0,
        most_seconds=900,
    ),
    Operation(
        "GetFederationToken",
        ("federated_user_name",),
        _POLICIES | {"federated_user_name", "tags", "reason_to"},
        ("federated_user_name",),
        default_seconds=43200,
        most_seconds=129600,
    ),
    Operation("AssumeRole", _OF_A_ROLE, _POLICIES | _MFA | {*_OF_A_ROLE}, ("role_arn",)),
    Operation("GetSessionToken", (), _MFA, default_seconds=43200, most_seconds=129600, reasons=_USERS_OWN),
)
"""The STS operations, in order of precedence: the first one that a store's keys select is used."""

_WITH_AUDIENCE = ("github", "buildkite", "spiffe")


def _check_sources(settings: Settings) -> list[Conflict]:
    """Return conflicts if a store names several tokens, several SAML responses, or both."""
    tokens, assertions = _present_keys(WEB_IDENTITY_SOURCES, settings), _present_keys(SAML_SOURCES, settings)
    conflicts = [
        Conflict(name, f"`{present[0]}` and `{name}` name two {noun}s", "remove one")
        for present, noun in ((tokens, "token"), (assertions, "assertion"))
        for name in present[1:]
    ]
    if tokens and assertions:
        message = f"`{tokens[0]}` is a token and `{assertions[0]}` an assertion, and a role is assumed with one"
        conflicts.append(Conflict(assertions[0], message, "remove one"))
    return conflicts


def _check_written_operation(settings: Settings) -> list[Conflict]:
    """Return conflicts between the key `operation` and the keys that name a token or SAML response.

    A token or response can be missing for the operation, or not be accepted by it.
    """
    operation_written, conflicts = settings.get("operation"), list[Conflict]()
    for operation, sources, noun in (
        ("AssumeRoleWithWebIdentity", WEB_IDENTITY_SOURCES, "a token"),
        ("AssumeRoleWithSAML", SAML_SOURCES, "an assertion"),
    ):
        present = _present_keys(sources, settings)
        if operation_written == operation and not present:
            hint = f"set one of {', '.join(f'`{name}`' for name in sources)}"
            conflicts.append(Conflict("operation", f"{operation} needs {noun}", hint))
        elif present and operation_written not in (None, operation):
            message = f"{operation_written} takes no {noun.partition(' ')[2]}, and `{present[0]}` is one"
            conflicts.append(Conflict("operation", message, "remove one of the two"))
    return conflicts


def _check_audience(settings: Settings) -> list[Conflict]:
    if "web_identity_audience" not in settings or settings.get("web_identity") in _WITH_AUDIENCE:
        return []
    message = "`web_identity_audience` goes with `web_identity: github`, `buildkite` or `spiffe`"
    return [Conflict("web_identity_audience", message, "on other platforms the issuer sets the audience")]


def _check_spiffe_id(settings: Settings) -> list[Conflict]:
    if "spiffe_id" not in settings or settings.get("web_identity") == "spiffe":
        return []
    return [Conflict("spiffe_id", "`spiffe_id` goes with `web_identity: spiffe`", "remove one of the two")]


def _check_login(settings: Settings) -> list[Conflict]:
    conflicts: list[Conflict] = []
    if "saml_login_url" in settings and not set(_OF_A_LOGIN) & set(settings):
        # Any web page can post to a local port. So a response from an attacker must not choose the account.
        message = "`saml_login_url` needs `role_arn`, or `principal_arn` where the response says which role"
        conflicts.append(Conflict("saml_login_url", message, "name the account's SAML provider: `principal_arn: ...`"))
    if "saml_login_port" in settings and "saml_login_url" not in settings:
        message = "`saml_login_port` goes with `saml_login_url`"
        conflicts.append(Conflict("saml_login_port", message, "it is the port that receives the SAML response"))
    return conflicts


def _present_keys(names: tuple[str, ...], settings: Settings) -> list[str]:
    return [name for name in names if name in settings]


_OF_A_LOGIN = ("role_arn", "principal_arn")

SOURCE_RULES = (
    KeyRule(_check_sources, apart=((*WEB_IDENTITY_SOURCES, *SAML_SOURCES),)),
    KeyRule(_check_written_operation, frozenset({"operation"})),
    KeyRule(
        _check_audience,
        frozenset({"web_identity"}),
        needs=(("web_identity_audience", tuple(f"web_identity={name}" for name in _WITH_AUDIENCE)),),
    ),
    KeyRule(_check_spiffe_id, frozenset({"web_identity"}), needs=(("spiffe_id", ("web_identity=spiffe",)),)),
    KeyRule(_check_login, needs=(("saml_login_url", _OF_A_LOGIN), ("saml_login_port", ("saml_login_url",)))),
)
"""The rules between tokens, SAML responses and the key `operation`."""
