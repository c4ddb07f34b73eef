"""Store types as data: keys, limits, identity fields, service and actions; and the check that applies them.

The input is the keys of a store; the output is its settings, or the problems with the keys. Callers pass the types of
plugins beside `BUILTIN_TYPES`. Imports only pure modules. Imported by `aws_config`, `cli`, `config`, `explain`,
`grants`, `graph`, `keys`, `migrate`, `plan`, `resolve`, `seed`, `stores` and `testing`.
"""

from __future__ import annotations

from dsops.schema.aws import AWS_KEYS, AWS_TYPES
from dsops.schema.check import CheckedSetting, check_setting, check_shape, check_store, missing_keys, unknown_key
from dsops.schema.existing_credentials import KEYS_TYPE, PROFILE_TYPE
from dsops.schema.local import COMMON_KEYS, LOCAL_TYPES
from dsops.schema.operation import (
    CHAINED_SECONDS,
    OF_A_USER,
    chained_seconds,
    fitted,
    keys_taken,
    of_operation,
    operation_for,
    user_session_of_session,
)
from dsops.schema.rolesanywhere import ROLES_ANYWHERE_TYPE
from dsops.schema.sso import SSO_TYPE
from dsops.schema.store_type import (
    REASON_TO,
    SESSION_PARTS,
    Conflict,
    KeyKind,
    KeyRule,
    Operation,
    Setting,
    Settings,
    StoreKey,
    StoreType,
)
from dsops.schema.sts import STS_TYPE
from dsops.schema.sts_keys import DEFAULT_AUDIENCE, OWN_POLICY, POLICY_RECORDING
from dsops.schema.sts_operations import SAML_SOURCES, WEB_IDENTITY_SOURCES

__all__ = [
    "AWS_KEYS",
    "BUILTIN_TYPES",
    "CHAINED_SECONDS",
    "COMMON_KEYS",
    "DEFAULT_AUDIENCE",
    "OF_A_USER",
    "OWN_POLICY",
    "POLICY_RECORDING",
    "PROFILE_TYPE",
    "REASON_TO",
    "ROLES_ANYWHERE_TYPE",
    "SAML_SOURCES",
    "SESSION_PARTS",
    "SSO_TYPE",
    "STS_TYPE",
    "WEB_IDENTITY_SOURCES",
    "CheckedSetting",
    "Conflict",
    "KeyKind",
    "KeyRule",
    "Operation",
    "Setting",
    "Settings",
    "StoreKey",
    "StoreType",
    "chained_seconds",
    "check_setting",
    "check_shape",
    "check_store",
    "fitted",
    "keys_taken",
    "missing_keys",
    "of_operation",
    "operation_for",
    "unknown_key",
    "user_session_of_session",
]

BUILTIN_TYPES = {
    store_type.name: store_type
    for store_type in (STS_TYPE, SSO_TYPE, ROLES_ANYWHERE_TYPE, KEYS_TYPE, PROFILE_TYPE, *AWS_TYPES, *LOCAL_TYPES)
}
"""The store types that come with dsops, by name."""
