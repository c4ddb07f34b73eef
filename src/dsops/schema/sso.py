"""The store type `aws.sso`: a permission set of IAM Identity Center in an account, accessed after a login."""

from __future__ import annotations

from dsops.schema.aws import AWS_KEYS
from dsops.schema.local import COMMON_KEYS, DANGER_KEY
from dsops.schema.store_type import SESSION_PARTS, Conflict, KeyRule, Settings, StoreKey, StoreType

_REGION, _ENDPOINT = AWS_KEYS[0], AWS_KEYS[3]
_PERMISSION_SETS = "the CreatePermissionSet API reference"
_WHERE = ("sso_session", "start_url")
_OF_A_LOGIN = ("sso_region", "account_id", "role_name")


def _check_named_twice(settings: Settings) -> list[Conflict]:
    why = "the section of the AWS config file that `sso_session` names has it"
    return [
        Conflict(name, f"`{name}` does not go with `sso_session`: {why}", "remove one of the two")
        for name in ("start_url", "sso_region")
        if name in settings and "sso_session" in settings
    ]


def _check_named(settings: Settings) -> list[Conflict]:
    """Return a conflict if the store does not state completely where to log in.

    It must have either `sso_session`, or both `start_url` and `sso_region`.
    """
    if "sso_session" in settings:
        return []
    if "start_url" not in settings:
        hint = "set `sso_session`, or `start_url` and `sso_region`"
        named = next((name for name in _OF_A_LOGIN if name in settings), "")
        return [Conflict(named, "nothing says where to log in", hint)] if named else []
    if "sso_region" not in settings:
        hint = "set `sso_region`: the region of the Identity Center instance, as its settings page shows it"
        return [Conflict("start_url", "`start_url` without `sso_region`", hint)]
    return []


_RULES = (
    KeyRule(_check_named_twice, apart=(("sso_session", "start_url"), ("sso_session", "sso_region"))),
    KeyRule(
        _check_named, needs=(*[(name, _WHERE) for name in _OF_A_LOGIN], ("start_url", ("sso_region", "sso_session")))
    ),
)


SSO_TYPE = StoreType(
    "aws.sso",
    (
        "A permission set of IAM Identity Center in an account, with the login of `dsops login` or `aws sso login`. "
        "Other stores use it with `credentials_from`, and variables can read its credentials. Of the keys for every "
        "`aws.*` type, the store accepts only `region` and `endpoint_url`."
    ),
    (
        *COMMON_KEYS,
        DANGER_KEY,
        _ENDPOINT,
        _REGION._replace(
            help="The region of stores that use this one. Default: AWS_REGION, AWS_DEFAULT_REGION or `sso_region`."
        ),
        StoreKey(
            "sso_session",
            "text",
            "The `[sso-session NAME]` section of the AWS config file with address and region of the login.",
            minimum=1,
        ),
        StoreKey(
            "start_url",
            "text",
            ("The address of the access portal, exactly as in the AWS CLI's configuration; excludes `sso_session`."),
            pattern=r"https://[!-~]+",
            shape="an https address, such as https://d-1234567890.awsapps.com/start",
        ),
        StoreKey(
            "sso_region",
            "text",
            "The region of the Identity Center instance; required with `start_url`.",
            pattern=_REGION.pattern,
            shape=_REGION.shape,
        ),
        StoreKey(
            "account_id",
            "text",
            "The account.",
            is_required=True,
            pattern=r"[0-9]{12}",
            shape="twelve digits, leading zeros included",
        ),
        StoreKey(
            "role_name",
            "text",
            "The name of the permission set, as the access portal shows it.",
            is_required=True,
            pattern=r"(?!AWSReservedSSO_)[A-Za-z0-9_+=,.@-]{1,32}",
            shape="a permission set's name: up to 32 letters, digits and _+=,.@-",
            source=_PERMISSION_SETS,
        ),
    ),
    gives_credentials=True,
    takes_credentials=True,
    service="sso",
    session_action="GetRoleCredentials",
    role_keys=("account_id", "role_name"),
    # The ARN of the assumed role is unknown, because GetRoleCredentials does not return it.
    session_parts=tuple([part for part in SESSION_PARTS if part != "assumed_role_arn"]),
    proof_keys=(*_WHERE, "account_id", "role_name"),
    refused_keys={
        "profile": "its credentials come from a login: remove it",
        "credentials_from": "its credentials come from a login: remove it",
        "role_arn": "a role that this one may assume is a store of type aws.sts with `credentials_from`",
        "duration_seconds": "the permission set's session duration counts, and can't be asked for: remove it",
        "sso_account_id": "here it is called `account_id`",
        "sso_role_name": "here it is called `role_name`",
        "sso_start_url": "here it is called `start_url`",
    },
    rules=_RULES,
)
