"""A user's long-term key out of the system's keyring, for other stores to start from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dsops.credentials import Credentials
from dsops.errors import DsopsError, KeyringFailed
from dsops.keyring import index
from dsops.keyring.items import Keyring
from dsops.keyring.keys import get_credentials
from dsops.plan import Proof, SecretReference, Settings, Step
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.stores.interface import Context
from dsops.stores.session_parts import parts_of
from dsops.tasks import blocking


class Keys:
    """`type: aws.keys`."""

    store_type = BUILTIN_TYPES["aws.keys"]

    def identify(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        digest_of: Callable[[Iterable[str]], str],
        folder: str = "",
    ) -> Proof:
        """Whose key it is, by dsops' list: the keyring itself is asked by `issue`. A rotated key is another one."""
        del folder
        name = str(settings["key_name"])
        try:
            entry = index.contents(environ).keys.get(name)
        except KeyringFailed:
            entry = None  # `issue` says why
        if entry is None:
            return Proof(f"key `{name}`, which the keyring does not have", digest_of(("none", name)))
        key_id = f"{entry.key_id[:4]}...{entry.key_id[-4:]}"
        return Proof(f"key `{name}` of the keyring, {key_id} of {entry.arn}", digest_of((entry.key_id, entry.arn)))

    async def issue(self, step: Step, source: Credentials | None, context: Context) -> Credentials:
        """The key itself."""
        del source
        keyring = Keyring(context.runtime.environ, context.runtime.folder)
        try:
            return await blocking(lambda: get_credentials(keyring, str(step.settings["key_name"])))
        except DsopsError as error:
            error.retell(f"store `{step.name}`: {error.message}", where=step.where)
            raise

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Parts of the key, all of the one snapshot."""
        del context
        return parts_of(step, references, credentials)


STORE = Keys()
