"""Determine from a store's keys the API action that issues its session, and check the keys against the action."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dsops.document import Scalar
from dsops.errors import nearest
from dsops.model import Field
from dsops.schema.store_type import Conflict, Operation, Settings, StoreKey, StoreType

OF_A_USER = ("GetSessionToken", "GetFederationToken")
"""The operations that only a user's long-term key can call."""

CHAINED_SECONDS = 3600
"""The longest role session that temporary credentials can request (AssumeRole API reference, DurationSeconds)."""

_ALWAYS = frozenset({"operation", "duration_seconds", "region", "endpoint_url", "timeout_ms", "danger"})
_SIGNING = frozenset({"credentials_from", "profile"})


def operation_of(store_type: StoreType, names: Collection[str], operation_written: object = "") -> Operation | None:
    """Return the operation that these keys select; None for a type without operations.

    `operation_written` is the value of the key `operation`, which takes precedence.
    """
    if operation_written:
        for operation in store_type.operations:
            if operation.name == operation_written:
                return operation
    for operation in store_type.operations:
        if not operation.selected_by or any(name in names for name in operation.selected_by):
            return operation
    return None


def keys_taken(operation: Operation) -> frozenset[str]:
    """Return the keys that the operation accepts."""
    return _ALWAYS | operation.takes | (_SIGNING if operation.is_signed else frozenset())


def conflicts_of(store_type: StoreType, settings: Settings) -> list[Conflict]:
    """Return one conflict for each present key that the operation does not accept."""
    operation = operation_of(store_type, settings)
    if operation is not None and operation.is_signed:
        # A token or SAML response determines the operation, even if the key `operation` names another one.
        operation = operation_of(store_type, settings, settings.get("operation"))
    if operation is None:
        return []
    accepted_keys = keys_taken(operation)
    by = next((name for name in operation.selected_by if name in settings), "")
    with_what = f"`{by}`" if by and not operation.is_signed else operation.name
    return [
        Conflict(
            name,
            f"`{name}` does not go with {with_what}: {_reason(name, operation)}",
            f"remove it (an inherited one with `{name}: null`)",
        )
        for name in settings
        if name not in accepted_keys
    ]


def operation_for(store_type: StoreType, fields: Mapping[str, Field]) -> Operation | None:
    """Return the operation that a store with these fields uses."""
    field = fields.get("operation")
    operation_text = field.node.text if field is not None and isinstance(field.node, Scalar) else ""
    return operation_of(store_type, given_names(store_type, fields), operation_text)


def given_names(store_type: StoreType, names: Collection[str]) -> dict[str, str]:
    """Return canonical key -> name as written in the configuration, for the keys that are present.

    A misspelled name is assigned to the most similar key.
    """
    key_names = [key.name for key in store_type.keys]
    names_as_written = {name: name for name in names if name in key_names}
    for name in names:
        if name not in names_as_written and name not in store_type.refused_keys and (meant := nearest(name, key_names)):
            names_as_written.setdefault(meant, name)
    return names_as_written


def fitted(store_type: StoreType, fields: Mapping[str, Field]) -> StoreType:
    """Return the store type with the requirements and limits of the operation that these fields select."""
    operation = operation_for(store_type, fields)
    if operation is None:
        return store_type
    changed = {*operation.needs, "duration_seconds"}
    keys = [of_operation(key, operation) if key.name in changed else key for key in store_type.keys]
    return store_type._replace(keys=tuple(keys))


def of_operation(key: StoreKey, operation: Operation) -> StoreKey:
    """Return the key with the operation's requirements and limits."""
    if key.name in operation.needs:
        return key._replace(is_required=True)
    if key.name == "duration_seconds":
        return key._replace(
            minimum=operation.least_seconds, maximum=operation.most_seconds, source=reference_of(operation.name)
        )
    return key


def chained_seconds(seconds: object, why: str) -> tuple[str, str] | None:
    """Return the message and hint if a chained role requests more than an hour, else None.

    `why` says why the role is chained.
    """
    if not isinstance(seconds, int) or seconds <= CHAINED_SECONDS:
        return None
    message = (
        f"{seconds} is over {CHAINED_SECONDS} seconds (1 hour), the most that a chained role gets, "
        f"whatever maximum the role has ({reference_of('AssumeRole')}); {why}"
    )
    return message, f"set `duration_seconds: {CHAINED_SECONDS}` or less, or start from long-term credentials"


def user_session_of_session(operation: str, why: str) -> tuple[str, str]:
    """Return the message and hint if temporary credentials sign an operation that needs a long-term key."""
    message = f"{operation} takes a user's long-term key and no session ({reference_of(operation)}); {why}"
    return message, "use the user's own key, or assume a role: `role_arn`"


def _reason(name: str, operation: Operation) -> str:
    if name in _SIGNING:
        return "the call is not signed"
    return operation.reasons.get(name, f"{operation.name} takes none")


def reference_of(operation: str) -> str:
    """Return the name of the operation's page in the AWS documentation, as errors show it."""
    return f"the {operation} API reference"
