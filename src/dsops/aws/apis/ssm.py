"""Parameter Store: up to ten parameters at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.aws.http.answer import lacks, text_in
from dsops.aws.http.client import Call, Client, call_json
from dsops.aws.http.refusal import concerns_credentials, is_denied, permission_hint
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, SecretAccessDenied, SecretNotFound, SecretRefused
from dsops.secret import Secret
from dsops.startup import NamedTuple


class Parameter(NamedTuple):
    """One version of a parameter. A StringList's value has its items joined by commas."""

    value: Secret
    version: int
    type: str
    """`String`, `StringList` or `SecureString`."""
    arn: str = ""


class Parameters(NamedTuple):
    """What came of each name that was asked for: it stands in one of the two."""

    found: Mapping[str, Parameter]
    invalid: tuple[str, ...]
    """Not there, or not in that version or with that label."""
    request_id: str = ""


async def get_parameters(
    client: Client, credentials: Credentials, endpoint: Endpoint, names: Sequence[str], *, with_decryption: bool = True
) -> Parameters:
    """The parameters of up to ten names: `name`, `name:version`, `name:label`, or an ARN in place of the name.

    Raises SecretAccessDenied or SecretRefused for all of them, besides what every call may raise.
    """
    doing = f"read the parameter{'s' if len(names) > 1 else ''} {', '.join(f'`{name}`' for name in names)}"
    call = Call(endpoint, credentials, "GetParameters", doing, _refused)
    content = await call_json(client, call, "AmazonSSM", {"Names": list(names), "WithDecryption": with_decryption})
    entries = content.get("Parameters") or []
    invalid = content.get("InvalidParameters") or []
    if not isinstance(entries, list) or not isinstance(invalid, list):
        raise lacks(endpoint, call.action, "list of parameters")
    found: dict[str, Parameter] = {}
    for name in names:
        best = max(filter(None, (_match(name, entry) for entry in entries)), key=lambda match: match[0], default=None)
        if best is not None and name not in invalid:
            found[name] = _parameter(endpoint, call.action, best[1])
    return Parameters(found, tuple(name for name in names if name not in found), content.request_id)


def _match(name: str, entry: object) -> tuple[tuple[int, int], dict[str, object]] | None:
    """The entry with how well it answers that name, or None when it answers another one.

    AWS says in `Selector` which version or label an entry was asked for by. Servers that are not AWS leave it out:
    then the very version is best, and for a plain name the newest.
    """
    if not isinstance(entry, dict):
        return None
    base, wanted = _split(name)
    selector = text_in(entry, "Selector").lstrip(":")
    if base not in (text_in(entry, "Name"), text_in(entry, "ARN")):
        return None
    version = entry.get("Version")
    number = version if isinstance(version, int) else 0
    if wanted == selector:
        return ((2, number), entry)
    if wanted and not selector:
        return ((1 if wanted == str(number) else 0, number), entry)
    return None


def _split(name: str) -> tuple[str, str]:
    """Name or ARN, and the version or label after it; `parameter/a` in an ARN has no colon of its own."""
    start = name.find(":parameter/") + 1 if name.startswith("arn:") else 0
    base, colon, selector = name[start:].partition(":")
    return (name[:start] + base, selector) if colon else (name, "")


def _parameter(endpoint: Endpoint, action: str, entry: Mapping[str, object]) -> Parameter:
    value, version = entry.get("Value"), entry.get("Version")
    if not isinstance(value, str) or not _is_text(value):
        raise lacks(endpoint, action, "value that is text")
    number = version if isinstance(version, int) else 0
    return Parameter(Secret(value), number, text_in(entry, "Type"), text_in(entry, "ARN"))


def _is_text(value: str) -> bool:
    # Half a surrogate pair is valid JSON and no text.
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _refused(said: AwsAnswer, doing: str) -> DsopsError | None:
    """Tells of refusals to read parameters."""
    if concerns_credentials(said):
        return None
    if is_denied(said):
        hint = permission_hint(said, "ssm:GetParameters")
        if "kms:" in said.message or "KMS" in said.message:
            hint = "allow kms:Decrypt on the key that encrypts them to the role that reads them"
        return SecretAccessDenied(f"not allowed to {doing}", why=said.message, hint=hint, aws=said)
    if said.code in ("ParameterNotFound", "ParameterVersionNotFound"):
        hint = "check its name, the `/` at the beginning included, and the store's `region`"
        return SecretNotFound(
            f"could not {doing}: it does not exist in {said.endpoint}", why=said.message, hint=hint, aws=said
        )
    hint = "check the key that encrypts it" if said.code == "InvalidKeyId" else "check the parameter's name"
    return SecretRefused(f"{said.endpoint} refused to {doing}", why=said.message, hint=hint, aws=said)
