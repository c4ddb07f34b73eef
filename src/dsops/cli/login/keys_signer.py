"""Who asks IAM about a key: the key itself, or its session with MFA, where IAM lets a user do nothing without."""

from __future__ import annotations

from dsops.aws.apis.sts import get_session_token
from dsops.aws.http.client import make_client
from dsops.cache import Memory
from dsops.cli.login.keys_place import sts_of
from dsops.credentials import Credentials
from dsops.errors import MfaRequired, Where
from dsops.keyring.index import KeysEntry
from dsops.pipeline.execution import carry_out
from dsops.plan import Fingerprint, Step
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.stores.interface import Context
from dsops.stores.mfa import with_code

_SECONDS = 900


def session_with_mfa(entry: KeysEntry, credentials: Credentials, serial_number: str, runtime: Runtime) -> Credentials:
    """A session of the key's user in which MFA was shown; the code is the keyring's, or a person's."""
    endpoint, client = sts_of(entry, runtime), make_client(runtime)

    async def use(code: Secret) -> Credentials:
        return await get_session_token(
            client, credentials, endpoint, duration_seconds=_SECONDS, serial_number=serial_number, token_code=code
        )

    step = Step(
        name=f"dsops keys rotate {entry.name}",
        type="aws.sts",
        settings={"serial_number": serial_number},
        region=endpoint.region,
        credentials_from="",
        profile="",
        fingerprint=Fingerprint(""),
        is_chained=False,
        where=Where("--serial-number"),
    )
    work = with_code(step, Context(runtime, client, Memory(runtime.now)), use)
    try:
        return carry_out(work, runtime)
    except MfaRequired as error:
        hint = f"run it at a terminal, or put the device's seed into the keyring: `dsops mfa add {serial_number}`"
        error.retell(f"the MFA code of {serial_number} is needed to rotate `{entry.name}`", hint=hint)
        raise
