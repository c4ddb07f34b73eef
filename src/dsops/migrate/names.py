"""What the original calls things, what they are called here, and what it had that means nothing here.

The original is systmms/dsops 0.2.5. Its documentation and its code have different names for the same; both are here.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.config.sections import UNUSED_KEYS

UNUSED_SECTIONS = (*UNUSED_KEYS, "rotation_groups")
"""Sections that mean nothing here: they are commented out."""

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
"""Type ("" for all) -> its key -> ours, besides the aliases that the schema has."""

UNUSED_STORE_KEYS: Mapping[str, Mapping[str, str]] = {
    "": {"optional": "a variable is optional, a store is not", "kms_key_id": "the service knows which key it is"},
    "aws.sso": {
        "cache_path": "the login is found where the AWS CLI keeps it",
        "refresh_token": "a login is renewed as long as it can be",
        "profile": "the login is `start_url`'s",
    },
}
"""Type ("" for all) -> a key without a meaning here, and why; nor did the original do anything with one."""

ENVIRONMENT_KEYS: Mapping[str, str] = {"inherit": "extends"}
VARIABLE_KEYS: Mapping[str, str] = {"fallback": "default", "transforms": "transform"}
UNUSED_VARIABLE_KEYS: Mapping[str, str] = {"rotation": "secrets are not rotated here"}
REFERENCE_KEYS: Mapping[str, str] = {"provider": "store", "name": "key"}
