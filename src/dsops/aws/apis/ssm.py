"""Parameter Store: read up to ten parameters in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.aws.http.answer import lacks, text_in
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_json
from dsops.aws.http.refusal import concerns_credentials, is_denied, permission_hint
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, SecretAccessDenied, SecretNotFound, SecretRefused
from dsops.secret import Secret
from dsops.startup import NamedTuple


class Parameter(NamedTuple):
    """One version of a parameter. The value of a StringList is its items joined by commas."""

    value: Secret
    version: int
    type: str
    """The parameter's type: `String`, `StringList` or `SecureString`."""
    arn: str = ""


class Parameters(NamedTuple):
    """The result of a read. Each requested name is in exactly one of `found` and `invalid`."""

    found: Mapping[str, Parameter]
    invalid: tuple[str, ...]
    """The names of parameters, versions or labels that do not exist."""
    request_id: str = ""


async def get_parameters(
    client: Client, credentials: Credentials, endpoint: Endpoint, names: Sequence[str], *, with_decryption: bool = True
) -> Parameters:
    """Read up to ten parameters: `name`, `name:version`, `name:label`, or an ARN in place of the name.

    Raises SecretAccessDenied or SecretRefused for the whole batch, in addition to the errors of every call.
    """
    doing = f"read the parameter{'s' if len(names) > 1 else ''} {', '.join(f'`{name}`' for name in names)}"
    call = Call(endpoint, credentials, "GetParameters", doing, _refused)
    content = await call_json(client, call, "AmazonSSM", {"Names": list(names), "WithDecryption": with_decryption})
    entries = content.get("Parameters") or []
    invalid = content.get("InvalidParameters") or []
    if not isinstance(entries, list) or not isinstance(invalid, list):
        raise lacks(endpoint, call.action, "list of parameters")
    parameters: dict[str, Parameter] = {}
    for name in names:
        best = max(filter(None, (_match(name, entry) for entry in entries)), key=lambda match: match[0], default=None)
        if best is not None and name not in invalid:
            parameters[name] = _parameter(endpoint, call.action, best[1])
    return Parameters(parameters, tuple(name for name in names if name not in parameters), content.request_id)


def _match(name: str, entry: object) -> tuple[tuple[int, int], dict[str, object]] | None:
    """Return the entry and how well it matches the name; None for an entry of another parameter.

    AWS returns the requested version or label in `Selector`. Servers other than AWS leave `Selector` out. In that
    case, the entry with the exact version matches best, or the newest version if the name has no version.
    """
    if not isinstance(entry, dict):
        return None
    base, requested_selector = _split(name)
    selector = text_in(entry, "Selector").lstrip(":")
    if base not in (text_in(entry, "Name"), text_in(entry, "ARN")):
        return None
    version = entry.get("Version")
    number = version if isinstance(version, int) else 0
    if requested_selector == selector:
        return ((2, number), entry)
    if requested_selector and not selector:
        return ((1 if requested_selector == str(number) else 0, number), entry)
    return None


def _split(name: str) -> tuple[str, str]:
    """Split a name or ARN from the version or label that follows it after a colon.

    An ARN has colons of its own, but only before `parameter/`.
    """
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
    # A lone surrogate is valid JSON but not text.
    return value.isascii() or not any("\ud800" <= character <= "\udfff" for character in value)


def _refused(answer: AwsAnswer, doing: str) -> DsopsError | None:
    """Return the error for a refused read of parameters; None for refusals that concern the credentials."""
    if concerns_credentials(answer):
        return None
    if is_denied(answer):
        hint = permission_hint(answer, "ssm:GetParameters")
        if "kms:" in answer.message or "KMS" in answer.message:
            hint = "allow the reading role kms:Decrypt on the KMS key of the parameters"
        return SecretAccessDenied(f"not allowed to {doing}", why=answer.message, hint=hint, aws=answer)
    if answer.code in ("ParameterNotFound", "ParameterVersionNotFound"):
        hint = "check the parameter's name, including the `/` at its beginning, and the store's `region`"
        return SecretNotFound(
            f"could not {doing}: no such parameter in {answer.endpoint}", why=answer.message, hint=hint, aws=answer
        )
    hint = (
        "check the KMS key that encrypts the parameter"
        if answer.code == "InvalidKeyId"
        else "check the parameter's name"
    )
    return SecretRefused(f"{answer.endpoint} refused to {doing}", why=answer.message, hint=hint, aws=answer)
