"""Which API action a store gets its session by: it follows from the keys that are written, and takes only some."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dsops.document import Scalar
from dsops.errors import nearest
from dsops.model import Field
from dsops.schema.key import Conflict, Operation, Settings, StoreKey, StoreType

OF_A_USER = ("GetSessionToken", "GetFederationToken")
"""What only a long-term key may ask for."""

CHAINED_SECONDS = 3600
"""The most that AssumeRole gives to a caller with temporary credentials (its reference, DurationSeconds)."""

_ALWAYS = frozenset({"operation", "duration_seconds", "region", "endpoint_url", "timeout_ms"})
_SIGNING = frozenset({"credentials_from", "profile"})


def operation_of(store_type: StoreType, names: Collection[str], written: object = "") -> Operation | None:
    """The operation that keys of these names mean: `written` is what `operation` says. None for a type without any."""
    operations = store_type.operations
    meant = [each for each in operations if each.name == written]
    meant += [each for each in operations if not each.told_by or any(name in names for name in each.told_by)]
    return meant[0] if meant else None


def keys_taken(operation: Operation) -> frozenset[str]:
    """The keys that go with the operation."""
    return _ALWAYS | operation.takes | (_SIGNING if operation.is_signed else frozenset())


def conflicts_of(store_type: StoreType, settings: Settings) -> list[Conflict]:
    """The keys that the operation does not take."""
    operation = operation_of(store_type, settings)
    if operation is not None and operation.is_signed:
        # A token or an assertion stays one, whatever `operation` says besides.
        operation = operation_of(store_type, settings, settings.get("operation"))
    if operation is None:
        return []
    taken = keys_taken(operation)
    by = next((name for name in operation.told_by if name in settings), "")
    with_what = f"`{by}`" if by and not operation.is_signed else operation.name
    return [
        Conflict(
            name,
            f"`{name}` does not go with {with_what}: {_reason(name, operation)}",
            f"remove it (an inherited one with `{name}: null`)",
        )
        for name in settings
        if name not in taken
    ]


def operation_for(store_type: StoreType, fields: Mapping[str, Field]) -> Operation | None:
    """The operation of a store with these fields."""
    field = fields.get("operation")
    written = field.node.text if field is not None and isinstance(field.node, Scalar) else ""
    return operation_of(store_type, given_names(store_type, fields), written)


def given_names(store_type: StoreType, names: Collection[str]) -> dict[str, str]:
    """The keys that are written, also those that a misspelled name stands for -> the name that was written."""
    known = [key.name for key in store_type.keys]
    given = {name: name for name in names if name in known}
    for name in names:
        if name not in given and name not in store_type.refused_keys and (meant := nearest(name, known)):
            given.setdefault(meant, name)
    return given


def fitted(store_type: StoreType, fields: Mapping[str, Field]) -> StoreType:
    """The type as it is for a store with these fields: its keys with what the operation says of them."""
    operation = operation_for(store_type, fields)
    return (
        store_type
        if operation is None
        else store_type._replace(keys=tuple([of_operation(key, operation) for key in store_type.keys]))
    )


def of_operation(key: StoreKey, operation: Operation) -> StoreKey:
    """The key with what the operation says of it."""
    if key.name in operation.needs:
        return key._replace(is_required=True)
    if key.name == "duration_seconds":
        return key._replace(
            minimum=operation.least_seconds, maximum=operation.most_seconds, source=reference_of(operation.name)
        )
    return key


def chained_seconds(seconds: object, why: str) -> tuple[str, str] | None:
    """Message and hint where a chained role is to last over an hour; `why` says what makes it a chained one."""
    if not isinstance(seconds, int) or seconds <= CHAINED_SECONDS:
        return None
    message = (
        f"{seconds} is over {CHAINED_SECONDS} seconds (1 hour), the most that a chained role gets, "
        f"whatever the role itself allows ({reference_of('AssumeRole')}); {why}"
    )
    return message, f"set `duration_seconds: {CHAINED_SECONDS}` or less, or start from long-term credentials"


def user_session_of_session(operation: str, why: str) -> tuple[str, str]:
    """Message and hint for a user's own session that temporary credentials would sign."""
    message = f"{operation} takes a user's long-term key and no session ({reference_of(operation)}); {why}"
    return message, "use the user's own key, or assume a role: `role_arn`"


def _reason(name: str, operation: Operation) -> str:
    if name in _SIGNING:
        return "the call is not signed"
    return operation.reasons.get(name, f"{operation.name} takes none")


def reference_of(operation: str) -> str:
    """Where AWS says what the operation takes."""
    return f"the {operation} API reference"
