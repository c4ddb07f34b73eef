"""Return the parts of a session as secrets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from dsops.credentials import Credentials
from dsops.errors import DsopsError, FieldMissing, NoCredentials
from dsops.plan import SecretReference, Step
from dsops.secret import Secret
from dsops.stores.fields import pick


def parts_of(
    step: Step, references: Sequence[SecretReference], credentials: Credentials | None
) -> Mapping[SecretReference, Secret | DsopsError]:
    """Return the requested parts of a session. Raises NoCredentials if `credentials` is None."""
    if credentials is None:
        raise NoCredentials(f"store `{step.name}` has no session", where=step.where)
    return {reference: _part(step, reference, credentials) for reference in references}


def _part(step: Step, reference: SecretReference, credentials: Credentials) -> Secret | DsopsError:
    token = credentials.session_token or Secret("")
    expiration = credentials.expiration_text
    parts = {
        "access_key_id": Secret(credentials.access_key_id),
        "secret_access_key": credentials.secret_access_key,
        "session_token": token,
        "expiration": Secret(expiration),
    }
    if credentials.arn:
        parts["assumed_role_arn"] = Secret(credentials.arn)
    if reference.key == "credentials":
        snapshot = {
            "AccessKeyId": credentials.access_key_id,
            "SecretAccessKey": credentials.secret_access_key.reveal(),
            "SessionToken": token.reveal(),
            "Expiration": expiration,
        }
        parts["credentials"] = Secret(json.dumps(snapshot, separators=(",", ":")))
    part = parts.get(reference.key)
    if part is None:
        return FieldMissing(
            f"the session of store `{step.name}` has no field `{reference.key}`",
            hint=f"its fields are {', '.join(parts)}",
        )
    return pick(part, reference.field, f"`{reference.key}` of store `{step.name}`")
