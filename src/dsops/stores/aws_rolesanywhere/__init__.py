"""The store type `aws.rolesanywhere`: a role's session for the holder of an X.509 certificate.

The input is a plan step that names a certificate and its key; the output is a session. Planning reads the files, but
parses nothing and starts no process. `stores` imports it only for a store of this type, and `doctor` reads certificates
with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dsops.arn import parse_arn
from dsops.aws.apis.rolesanywhere import SessionParameters, create_session
from dsops.aws.identity.ambient_files import content
from dsops.config.files import digest
from dsops.credentials import Credentials
from dsops.errors import AssumeRoleDenied, DsopsError, NoCredentials
from dsops.plan import Proof, SecretReference, Settings, Step
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.stores.aws_rolesanywhere.certificate import MOST_BYTES, read_signer
from dsops.stores.endpoints import endpoint_of
from dsops.stores.fields import seconds_of
from dsops.stores.interface import Context
from dsops.stores.proof import naming_store
from dsops.stores.session_parts import parts_of
from dsops.tasks import blocking


class RolesAnywhereStore:
    """The store type `aws.rolesanywhere`."""

    store_type = BUILTIN_TYPES["aws.rolesanywhere"]

    def identify(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        digest_of: Callable[[Iterable[str]], str],
        folder: str = "",
    ) -> Proof:
        """Identify the machine by its certificate and its key.

        The certificate is public. So the digest also covers the key, or the command that signs: a cached session is
        not given to a configuration that only names the certificate.
        """
        del folder  # paths in the settings are already absolute
        source, region = f"the certificate in {settings['certificate']}", region_of(settings)
        certificate = content(str(settings["certificate"]), MOST_BYTES)
        if not certificate:
            # `issue` raises the error. A plan can be made without the certificate.
            return Proof(source, digest_of(("none", source)), region=region)
        mark = digest(certificate)
        return Proof(source, digest_of((mark, *_signer_parts(settings, environ))), region=region, certificate=mark)

    async def issue(self, step: Step, source: Credentials | None, context: Context) -> Credentials:
        """Create a session that is signed with the certificate's key."""
        del source
        return await naming_store(_issue(step, context), step)

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return the requested parts of the session that this store issued."""
        del context
        return parts_of(step, references, credentials)


def region_of(settings: Settings) -> str:
    """Return the region of the trust anchor, to which the request is sent."""
    arn = parse_arn(str(settings.get("trust_anchor_arn", "")))
    return "" if arn is None else arn.region


def _signer_parts(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    words = settings.get("sign_process")
    if isinstance(words, tuple):
        # The command may use any variable and any file in its folder, so both are part of the identity.
        command = [word for word in words if isinstance(word, str)]
        variables = [f"{name}={environ[name]}" for name in sorted(environ)]
        return ["command", *command, str(settings.get("sign_process_folder", "")), *variables]
    path = str(settings.get("private_key", ""))
    return ["key", path, digest(content(path, MOST_BYTES))]


async def _issue(step: Step, context: Context) -> Credentials:
    settings, runtime = step.settings, context.runtime
    mark = step.proof.certificate if step.proof is not None else ""
    if mark and digest(content(str(settings["certificate"]), MOST_BYTES)) != mark:
        raise NoCredentials(
            f"{settings['certificate']} has changed since this run was planned", hint="run the command again"
        )
    signer = await blocking(lambda: read_signer(settings, runtime))
    asked = SessionParameters(
        str(settings["trust_anchor_arn"]),
        str(settings["profile_arn"]),
        str(settings["role_arn"]),
        seconds_of(step),
        str(settings.get("role_session_name", "")),
    )
    endpoint = endpoint_of(step, "rolesanywhere", runtime, region_of(settings))
    try:
        return await create_session(context.client, signer.signer, endpoint, asked)
    except AssumeRoleDenied as error:
        hint = f"{error.hint}; the certificate has {signer.subject}"
        error.retell(f"store `{step.name}`: {error.message}", hint=hint, where=step.where)
        raise


STORE = RolesAnywhereStore()
