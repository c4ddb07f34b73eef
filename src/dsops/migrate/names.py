"""Names of the original dsops, their names here, and keys that are no longer used.

The original is systmms/dsops 0.2.5. Its documentation and its code use different names for the same key; both are
listed.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.config.sections import UNUSED_KEYS

UNUSED_SECTIONS = (*UNUSED_KEYS, "rotation_groups")
"""Sections that are not used here, and are commented out."""

TYPES: Mapping[str, str] = {
    "aws-secretsmanager": "aws.secretsmanager",
    "aws-ssm": "aws.ssm",
    "aws-sts": "aws.sts",
    "aws-sso": "aws.sso",
}

STORE_KEYS: Mapping[str, Mapping[str, str]] = {
    "": {"timeoutMs": "timeout_ms"},
    "aws.sso": {"sso_start_url": "start_url"},
}
"""Store type ("" for all) -> its key -> our key, besides the aliases in the schema."""

UNUSED_STORE_KEYS: Mapping[str, Mapping[str, str]] = {
    "": {"optional": "a variable is optional, a store is not", "kms_key_id": "the service knows which key it is"},
    "aws.sso": {
        "cache_path": "the login is found where the AWS CLI keeps it",
        "refresh_token": "a login is renewed as long as it can be",
        "profile": "the login is `start_url`'s",
    },
}
"""Store type ("" for all) -> an unused key, and why. The original ignored these keys too."""

ENVIRONMENT_KEYS: Mapping[str, str] = {"inherit": "extends"}
VARIABLE_KEYS: Mapping[str, str] = {"fallback": "default", "transforms": "transform"}
UNUSED_VARIABLE_KEYS: Mapping[str, str] = {"rotation": "secrets are not rotated here"}
REFERENCE_KEYS: Mapping[str, str] = {"provider": "store", "name": "key"}
