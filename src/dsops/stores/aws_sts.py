"""The store type `aws.sts`: a session of a role or user. Other stores use the session, or variables read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from dsops.aws.apis.sts import assume_role, assume_root, get_federation_token, get_session_token
from dsops.aws.http.client import preconnect
from dsops.credentials import Credentials
from dsops.errors import AccessDenied, AssumeRoleDenied, DsopsError, MfaRefused, NoCredentials
from dsops.plan import SERVES, Proof, SecretReference, Settings, Step
from dsops.schema import BUILTIN_TYPES, SAML_SOURCES
from dsops.secret import Secret
from dsops.stores.endpoints import endpoint_of
from dsops.stores.fields import seconds_of, texts_of
from dsops.stores.interface import Context

# Matches `User: arn:aws:iam::111111111111:user/ada is not authorized to perform: sts:AssumeRole on resource: ...`.
_DENIAL = r"User: (\S+) is not authorized to perform: (\S+)"

_WITHOUT_SESSION = (
    "with `mfa_session: false` on its store, a role sends a code of its own "
    "(`dsops import aws-config --profile NAME` makes a store of a profile)"
)


class StsStore:
    """The store type `aws.sts`. The plan step says which operation issues the session."""

    store_type = BUILTIN_TYPES["aws.sts"]

    def identify(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        digest_of: Callable[[Iterable[str]], str],
        folder: str = "",
    ) -> Proof:
        """Identify the caller by the token or SAML response that the settings name."""
        del folder  # paths in the settings are already absolute
        if any(name in settings for name in SAML_SOURCES):
            from dsops.stores import saml

            return saml.identify(settings, environ, digest_of)
        from dsops.stores import web_identity

        return web_identity.identify(settings, environ, digest_of)

    async def issue(self, step: Step, source: Credentials | None, context: Context) -> Credentials:
        """Issue a new session of the role, or of the user whose credentials sign the call."""
        if step.operation == "AssumeRoleWithSAML":
            from dsops.stores.saml import assume_with_assertion

            return await assume_with_assertion(step, context)
        if step.proof is not None:
            from dsops.stores.web_identity import assume_with_token

            return await assume_with_token(step, context)
        if source is None:
            raise NoCredentials(f"store `{step.name}` needs AWS credentials to call STS", where=step.where)
        get = _WAYS[step.operation]

        async def call(code: Secret | None) -> Credentials:
            try:
                return await get(step, source, context, code)
            except DsopsError as error:
                _explained(error, step, source)
                raise

        if "serial_number" not in step.settings:
            return await call(None)
        if step.operation == "GetSessionToken" and source.is_temporary:
            raise _no_device(step, source)
        from dsops.stores.mfa import with_code

        return await with_code(step, context, call)

    async def prepare(self, step: Step, references: Sequence[SecretReference], context: Context) -> None:
        """Open a connection while the signing credentials are being obtained.

        No connection is prepared for a call with an MFA code.
        """
        del references
        if "serial_number" not in step.settings:
            await preconnect(context.client, endpoint_of(step, "sts", context.runtime), 1)

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return the requested parts of the session that this store issued."""
        del context
        from dsops.stores.session_parts import parts_of

        return parts_of(step, references, credentials)


async def _assume(step: Step, source: Credentials, context: Context, code: Secret | None) -> Credentials:
    settings = step.settings
    external_id = settings.get("external_id")
    session = await assume_role(
        context.client,
        source,
        endpoint_of(step, "sts", context.runtime),
        role_arn=str(settings["role_arn"]),
        role_session_name=str(settings["role_session_name"]),
        duration_seconds=seconds_of(step),
        external_id=external_id if isinstance(external_id, Secret) else None,
        serial_number=str(settings.get("serial_number", "")),
        token_code=code,
        policy=str(settings.get("session_policy", "")),
        policy_arns=texts_of(step, "policy_arns"),
        tags=_pairs(step, "tags"),
        transitive_tag_keys=texts_of(step, "transitive_tag_keys"),
        source_identity=str(settings.get("source_identity", "")),
        provided_contexts=_secret_pairs(step, "provided_contexts"),
    )
    return session.credentials


async def _session(step: Step, source: Credentials, context: Context, code: Secret | None) -> Credentials:
    return await get_session_token(
        context.client,
        source,
        endpoint_of(step, "sts", context.runtime),
        duration_seconds=seconds_of(step),
        serial_number=str(step.settings.get("serial_number", "")),
        token_code=code,
    )


async def _federation(step: Step, source: Credentials, context: Context, _code: Secret | None) -> Credentials:
    return await get_federation_token(
        context.client,
        source,
        endpoint_of(step, "sts", context.runtime),
        name=str(step.settings["federated_user_name"]),
        duration_seconds=seconds_of(step),
        policy=str(step.settings.get("session_policy", "")),
        policy_arns=texts_of(step, "policy_arns"),
        tags=_pairs(step, "tags"),
    )


async def _root(step: Step, source: Credentials, context: Context, _code: Secret | None) -> Credentials:
    return await assume_root(
        context.client,
        source,
        endpoint_of(step, "sts", context.runtime),
        target_principal=str(step.settings["target_principal"]),
        task_policy_arn=str(step.settings["task_policy_arn"]),
        duration_seconds=seconds_of(step),
    )


_WAYS = {"AssumeRole": _assume, "GetSessionToken": _session, "GetFederationToken": _federation, "AssumeRoot": _root}
"""Operation -> the function that calls it with the signing credentials."""


def _pairs(step: Step, name: str) -> list[tuple[str, str]]:
    setting = step.settings.get(name, ())
    pairs = [pair for pair in setting if isinstance(pair, tuple)] if isinstance(setting, tuple) else []
    return [(key, value) for key, value in pairs if isinstance(value, str)]


def _secret_pairs(step: Step, name: str) -> list[tuple[str, Secret]]:
    setting = step.settings.get(name, ())
    pairs = [pair for pair in setting if isinstance(pair, tuple)] if isinstance(setting, tuple) else []
    return [(key, value) for key, value in pairs if isinstance(value, Secret)]


def _explained(error: DsopsError, step: Step, source: Credentials) -> None:
    """Add store, line and caller to an error.

    AWS does not say why it refuses an AssumeRole call, so the error lists what was sent.
    """
    if not isinstance(error, AssumeRoleDenied):
        served = step.settings.get(SERVES)
        hint = f"{error.hint}; {_WITHOUT_SESSION}" if served and isinstance(error, AccessDenied) else error.hint
        requester = f"the MFA session of {served}" if served else f"store `{step.name}`"
        error.retell(f"{requester}: {error.message}", hint=hint, where=step.where)
        return
    denial = re.search(_DENIAL, error.aws.message if error.aws else "")
    caller = denial[1] if denial else source.arn or f"the key {source.masked_key_id}"
    action = denial[2] if denial else "sts:AssumeRole"
    message = f"store `{step.name}` may not assume {step.settings['role_arn']}"
    if action != "sts:AssumeRole":
        why = f"{caller} is not allowed to {action} there, which this store needs"
        error.retell(message, why=why, where=step.where)
        return
    # AWS returns the same error for a missing role, a role that does not trust the caller, and a missing permission.
    why = f"AWS gives no reason to {caller}; a role that does not exist is refused in the same words"
    error.retell(message, why=why, hint=_what_to_check(step), where=step.where)


def _what_to_check(step: Step) -> str:
    """Return hints that compare what was sent with what a trust policy can require.

    AWS does not give the actual reason.
    """
    settings = step.settings
    checks = ["check that the role's trust policy names this caller, and that the caller may sts:AssumeRole on it"]
    if "external_id" in settings:
        checks.append("an external ID was sent: it has to be the trust policy's, in case and white space")
    else:
        checks.append(f"no external ID was sent: if the trust policy asks for one, set `external_id` ({step.where})")
    if "serial_number" not in settings and not step.credentials_from:
        checks.append("no MFA code was sent: if it asks for aws:MultiFactorAuthPresent, set `serial_number`")
    if settings.get("mfa_session") is True and step.credentials_from:
        checks.append(f"if it limits aws:MultiFactorAuthAge, the MFA session may be too old: {_WITHOUT_SESSION}")
    if "tags" in settings:
        checks.append("tags were sent: it has to allow sts:TagSession as well")
    if "source_identity" in settings:
        checks.append("a source identity was sent: it has to allow sts:SetSourceIdentity as well")
    return "; ".join(checks)


def _no_device(step: Step, source: Credentials) -> MfaRefused:
    return MfaRefused(
        f"the base credentials ({source.masked_key_id}) can't use the MFA device {step.settings['serial_number']}",
        why="AWS accepts an MFA code only with an IAM user's own key, and these credentials are a session",
        hint="use the user's own key; if the session was created with MFA already, remove `serial_number`",
        where=step.where,
    )


STORE = StsStore()
