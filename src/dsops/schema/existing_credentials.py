"""The store types `aws.keys` and `aws.profile`: credentials that exist already, in the keyring or in an AWS profile."""

from __future__ import annotations

from dsops.schema.aws import AWS_KEYS
from dsops.schema.local import COMMON_KEYS, DANGER_KEY
from dsops.schema.store_type import SESSION_PARTS, StoreKey, StoreType

_REGION, _PROFILE = AWS_KEYS[0], AWS_KEYS[1]

KEYS_TYPE = StoreType(
    "aws.keys",
    (
        "An IAM user's long-term key in the keyring, added by `dsops keys add`. Other stores use it with "
        "`credentials_from`; a role assumed with it is not chained. Of the keys for every `aws.*` type, the store "
        "accepts only `region`."
    ),
    (
        *COMMON_KEYS,
        DANGER_KEY,
        _REGION._replace(help="The region of stores that use this one. Default: AWS_REGION or AWS_DEFAULT_REGION."),
        StoreKey(
            "key_name",
            "text",
            "The name of the key in the keyring; `dsops keys list` shows the names.",
            is_required=True,
            characters=r"[A-Za-z0-9_+=,.@-]",
            shape="letters, digits and _+=,.@-",
            minimum=1,
            maximum=64,
            source="dsops: a name to type",
        ),
    ),
    gives_credentials=True,
    gives_long_term=True,
    takes_credentials=True,
    shown_as="keyring",
    session_parts=("access_key_id", "secret_access_key", "credentials"),
    keyring_key="key_name",
    proof_keys=("key_name",),
    refused_keys={
        "profile": "its credentials are in the keyring: remove it",
        "credentials_from": "its credentials are in the keyring: remove it",
        "role_arn": "a role that this key may assume is a store of type aws.sts with `credentials_from`",
        "serial_number": "a role that asks for MFA is a store of type aws.sts: put it there",
        "access_key_id": "a key does not stand in a file: `dsops keys add NAME` puts it into the keyring",
        "secret_access_key": "a key does not stand in a file: `dsops keys add NAME` puts it into the keyring",
        "name": "here it is called `key_name`",
        "key": "here it is called `key_name`",
    },
)

PROFILE_TYPE = StoreType(
    "aws.profile",
    "The temporary credentials of an AWS profile, from its `credential_process`, its login or the file. Other stores "
    "use them with `credentials_from`. A profile with a long-term key needs a store of type `aws.sts` with `profile`.",
    (
        *COMMON_KEYS,
        DANGER_KEY,
        _REGION._replace(
            help="The region of stores that use this one. Default: the profile's, AWS_REGION or AWS_DEFAULT_REGION."
        ),
        _PROFILE._replace(help="The name of the profile in AWS's config or credentials file.", is_required=True),
    ),
    gives_credentials=True,
    takes_credentials=True,
    shown_as="profile",
    role_keys=(),
    # The ARN of the session is unknown: AWS's files do not contain it.
    session_parts=tuple([part for part in SESSION_PARTS if part != "assumed_role_arn"]),
    refused_keys={
        "credentials_from": "the credentials come from the profile: remove it",
        "role_arn": "a role that the profile may assume is a store of type aws.sts with `credentials_from`",
        "serial_number": "MFA belongs to a store of type aws.sts: put it there",
        "profile_name": "the key is called `profile`",
    },
)
