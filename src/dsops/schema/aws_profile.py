"""The store type `aws.profile`: the temporary credentials that an AWS profile provides."""

from __future__ import annotations

from dsops.schema.aws import AWS_KEYS
from dsops.schema.local import COMMON_KEYS, DANGER_KEY
from dsops.schema.store_type import SESSION_PARTS, StoreType

_REGION, _PROFILE = AWS_KEYS[0], AWS_KEYS[1]

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
