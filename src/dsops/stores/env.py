"""The store type `env`: environment variables with which dsops was started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.credentials import Credentials
from dsops.errors import DsopsError, SecretNotFound
from dsops.plan import SecretReference, Step
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.stores.fields import pick
from dsops.stores.interface import Context


class Env:
    """The store type `env`. `prefix` is put before each key."""

    store_type = BUILTIN_TYPES["env"]

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return the value of each variable. An empty value is returned as ""."""
        del credentials
        return {reference: _value(step, context.runtime.environ, reference) for reference in references}


def _value(step: Step, environ: Mapping[str, str], reference: SecretReference) -> Secret | DsopsError:
    name = f"{step.settings.get('prefix', '')}{reference.key}"
    value = environ.get(name)
    if value is None:
        return SecretNotFound(
            f"the environment variable {name} is not set (store `{step.name}`)", hint=f"set it: export {name}=..."
        )
    return pick(Secret(value), reference.field, f"the environment variable {name}")


STORE = Env()
