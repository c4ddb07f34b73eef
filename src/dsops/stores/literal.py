"""The store type `literal`: values in the configuration itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.credentials import Credentials
from dsops.errors import DsopsError, SecretNotFound, nearest
from dsops.plan import SecretReference, Step
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.stores.fields import pick
from dsops.stores.interface import Context


class Literal:
    """The store type `literal`, whose values are under `values`."""

    store_type = BUILTIN_TYPES["literal"]

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return the value of each key."""
        del credentials, context
        values = _values(step)
        return {reference: _value(step, values, reference) for reference in references}


def _values(step: Step) -> dict[str, Secret]:
    setting = step.settings.get("values", ())
    pairs = setting if isinstance(setting, tuple) else ()
    return {pair[0]: pair[1] for pair in pairs if isinstance(pair, tuple) and isinstance(pair[1], Secret)}


def _value(step: Step, values: dict[str, Secret], reference: SecretReference) -> Secret | DsopsError:
    value = values.get(reference.key)
    if value is None:
        near = nearest(reference.key, values)
        hint = f"did you mean `{near}`?" if near else f"add it under `values` of the store ({step.where})"
        return SecretNotFound(f"store `{step.name}` has no value `{reference.key}`", hint=hint)
    return pick(value, reference.field, f"value `{reference.key}` of store `{step.name}`")


STORE = Literal()
