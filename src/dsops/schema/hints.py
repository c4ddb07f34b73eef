"""Hints for invalid values; imported only when there is such a value."""

from __future__ import annotations

import re

from dsops.arn import Arn, is_account_id, parse_arn
from dsops.schema.store_type import StoreKey

_UNITS = {"s": 1, "sec": 1, "second": 1, "m": 60, "min": 60, "minute": 60, "h": 3600, "hr": 3600, "hour": 3600}
_LONGEST_NAME = 60


def for_number(text: str, key: StoreKey) -> str:
    """Return a hint with the integer that a string probably means (`1h`, `15 minutes`, `3_600`); "" if unclear."""
    match = re.fullmatch(r"([0-9][0-9_]{0,8})(?:\.0*)?\s*([a-z]*)", text.strip().lower())
    if match is None:
        return ""
    number, unit = int(match[1].replace("_", "")), match[2]
    if not unit:
        return f"write `{key.name}: {number}`"
    seconds = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
    if seconds and key.name.endswith("_ms"):
        return f"write `{key.name}: {number * seconds * 1000}`, in milliseconds"
    return f"write `{key.name}: {number * seconds}`, in seconds" if seconds and "seconds" in key.name else ""


def for_name(text: str, key: StoreKey) -> str:
    """Return a hint with a similar name that AWS accepts. dsops never changes a user's name by itself."""
    if is_misspelled_reference(text):
        return "a variable is written ${NAME}, with letters, digits and _"
    if key.is_secret:
        return "remove the white space" if any(character.isspace() for character in text) else ""
    fit = "".join([character if re.fullmatch(key.characters, character) else "-" for character in text])
    return f"`{fit}` would do" if key.kind == "text" and len(fit) <= (key.maximum or 0) else ""


def for_shape(text: str, key: StoreKey) -> str:
    """Return a hint for a string that should be an ARN, a region, or a field of a login."""
    if is_misspelled_reference(text):
        return "a variable is written ${NAME}, with letters, digits and _"
    if key.is_secret:
        return ""
    if key.name in _OF_A_LOGIN:
        return _OF_A_LOGIN[key.name](text)
    if key.name in ("region", "sso_region"):
        fit = text.strip().lower().replace("_", "-")
        return f"did you mean `{fit}`?" if fit != text and re.fullmatch(key.pattern, fit) else ""
    return _for_arn(text, key) if key.shape.endswith("/NAME") else ""


def is_misspelled_reference(text: str) -> bool:
    """Whether a text looks like a misspelled variable reference: `$NAME`, `${NAME-x}`, `${NAME`."""
    return re.search(r"\$\{?[A-Za-z_]", text) is not None


def _for_arn(text: str, key: StoreKey) -> str:
    arn_kind = next((kind for kind in ("policy", "saml-provider") if kind in key.pattern), "role")
    arn = parse_arn(text)
    if arn is None:
        return _for_no_arn(text, arn_kind)
    return _for_kind(arn, arn_kind) or _for_part(arn, text, arn_kind)


def _for_kind(arn: Arn, arn_kind: str) -> str:
    """Return a hint that names the ARN's kind, or "" if this is the expected kind `arn_kind`."""
    if arn.resource_type == "assumed-role":
        return "this is the ARN of a role session: name the role itself"
    if arn.service != "iam" or arn.resource_type.lower() != arn_kind:
        kind = f"an IAM {arn.resource_type}" if arn.service == "iam" else f"{arn.resource_type} of {arn.service}"
        return f"this is the ARN of {kind}, not of a {arn_kind}"
    return f"write `{arn_kind}` in lower case" if arn.resource_type != arn_kind else ""


def _for_part(arn: Arn, text: str, arn_kind: str) -> str:
    if text != text.strip():
        return "remove the white space around it"
    if not is_account_id(arn.account):
        return f"an account id has 12 digits, this one has {len(arn.account)}"
    if arn.region:
        return "an ARN of iam has no region"
    return "" if arn.resource_name else f"the {arn_kind}'s name is missing at its end"


def _for_no_arn(text: str, arn_kind: str) -> str:
    if is_account_id(text):
        return f"this is an account's id: write `arn:aws:iam::{text}:{arn_kind}/NAME`"
    if arn_kind == "role" and len(text) <= _LONGEST_NAME and re.fullmatch(r"[A-Za-z0-9_+=,.@-]+", text):
        return f"`aws iam get-role --role-name {text}` prints its ARN"
    return "an ARN has six parts between colons" if text.startswith("arn:") else "this is not an ARN"


def _for_account(text: str) -> str:
    """Return a hint for an account id that has lost its leading zeros, or that does not have twelve digits."""
    digits = re.sub(r"[\s-]", "", text)
    if not digits.isascii() or not digits.isdigit():
        return "the access portal shows it beside the account's name"
    if len(digits) == 12:
        return f"did you mean `{digits}`?"
    if 9 <= len(digits) < 12:
        return f"did you mean `{digits.zfill(12)}`? leading zeros count"
    return f"an account id has 12 digits, this one has {len(digits)}"


def _for_permission_set(text: str) -> str:
    reserved = re.fullmatch(r"AWSReservedSSO_(.+)_[0-9a-f]{16}", text.rpartition("/")[2])
    return f"this is the role's name in IAM: the permission set is called `{reserved[1]}`" if reserved else ""


def _for_start_url(text: str) -> str:
    return f"write `https://{text.removeprefix('http://')}`" if text.startswith("http://") else ""


_OF_A_LOGIN = {"account_id": _for_account, "role_name": _for_permission_set, "start_url": _for_start_url}
