"""The store type `aws.keys`: an IAM user's long-term key in the keyring, which signs the first hop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from dsops.aws.identity.ambient import ambient_from_environment
from dsops.credentials import Credentials
from dsops.errors import DsopsError, KeyringFailed, NoCredentials
from dsops.keyring import index
from dsops.keyring.items import Keyring
from dsops.keyring.keys import get_credentials
from dsops.plan import Proof, SecretReference, Settings, Step
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.stores.interface import Context
from dsops.stores.session_parts import parts_of
from dsops.tasks import blocking


class KeysStore:
    """The store type `aws.keys`: a user's access key in the keyring."""

    store_type = BUILTIN_TYPES["aws.keys"]

    def identify(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        digest_of: Callable[[Iterable[str]], str],
        folder: str = "",
    ) -> Proof:
        """Identify the key by dsops' list of the keyring's entries, without reading the keyring.

        After a rotation, the key counts as a different identity.
        """
        del folder
        name = str(settings["key_name"])
        if index.is_off(environ):
            return _of_environment(name, environ, digest_of)
        try:
            entry = index.contents(environ).keys.get(name)
        except KeyringFailed:
            entry = None  # `issue` raises this error later
        if entry is None:
            return Proof(f"key `{name}`, which the keyring does not have", digest_of(("none", name)))
        return Proof(_key_text(name, entry.key_id, entry.arn), digest_of((entry.key_id, entry.arn)))

    async def issue(self, step: Step, source: Credentials | None, context: Context) -> Credentials:
        """Read the key from the keyring."""
        del source
        environ = context.runtime.environ
        if index.is_off(environ):
            return _from_environment(step, environ, context.runtime.now())
        keyring = Keyring.of(context.runtime)
        name = str(step.settings["key_name"])
        try:
            key = await blocking(lambda: get_credentials(keyring, name))
        except DsopsError as error:
            error.retell(f"store `{step.name}`: {error.message}", where=step.where)
            raise
        if step.proof is not None and not step.proof.source.endswith(f" of {key.arn}"):
            # Sessions are cached under the planned key's identity, so another user's key must not sign. A rotated key
            # is accepted, because it belongs to the same user.
            raise NoCredentials(
                f"store `{step.name}`: the key `{name}` belongs to a different user than when this run was planned",
                hint="run the command again",
                where=step.where,
            )
        return key

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return the requested parts of the key."""
        del context
        return parts_of(step, references, credentials)


def _key_text(name: str, key_id: str, arn: str) -> str:
    """Describe the key in words: name, key id, ARN."""
    return f"key `{name}` of the keyring, {key_id[:4]}...{key_id[-4:]} of {arn}"


def _of_environment(name: str, environ: Mapping[str, str], digest_of: Callable[[Iterable[str]], str]) -> Proof:
    """Identify the key by environment variables. This is used if the keyring is disabled."""
    keys = ambient_from_environment(environ)
    if keys is None:
        source = f"key `{name}`, in whose place the environment has none: {index.VARIABLE} is off"
        return Proof(source, digest_of(("none", name)))
    token = keys.session_token.reveal() if keys.session_token else ""
    parts = ("environment", keys.access_key_id, keys.secret_access_key.reveal(), token)
    return Proof(f"the environment's key, in the place of `{name}`: {index.VARIABLE} is off", digest_of(parts))


def _from_environment(step: Step, environ: Mapping[str, str], now: datetime) -> Credentials:
    keys = ambient_from_environment(environ, now)
    if keys is None:
        raise NoCredentials(
            f"store `{step.name}`: the keyring is disabled, and the environment has no access key to use instead",
            why=f"{index.VARIABLE} is {environ[index.VARIABLE]}",
            hint=f"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or unset {index.VARIABLE}",
            where=step.where,
        )
    return keys


STORE = KeysStore()
