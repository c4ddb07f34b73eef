"""Verify the signature of a form upload, and the policy document that the form must satisfy.

Amazon S3 API Reference, "POST policy". The messages were recorded on live AWS by LocalStack's tests.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from datetime import datetime
from hashlib import sha1, sha256
from typing import Any, Final

from dsops.errors import SandboxRefusal
from dsops.request.context import signature_age
from dsops.request.question import Context
from dsops.request.wire.errors import access_denied, refusal
from dsops.request.wire.signature import ALGORITHM, Claim, check_scope, signing_key
from dsops.sandbox.services.s3_forms import FormUpload

_REGION_V2: Final = "us-east-1"
_NEEDED_V2: Final = ("AWSAccessKeyId", "Signature")
_NEEDED_V4: Final = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature")
_FREE: Final = frozenset({"awsaccesskeyid", "file", "policy", "signature", "x-amz-signature"})
"""Fields that no condition needs to name."""


def form_claim(form: FormUpload) -> Claim:
    """Return the identity that the form claims, by a signature of version 4 or 2.

    Raises InvalidArgument for an incomplete signature, SignatureDoesNotMatch for another service or day.
    """
    fields = form.fields
    token = fields.get("x-amz-security-token", "")
    is_v4 = "x-amz-signature" in fields or "x-amz-credential" in fields
    needed = _NEEDED_V4 if is_v4 else _NEEDED_V2
    if not any(name.lower() in fields for name in needed):
        # Recorded on live AWS: a policy without a signature does not make a form anonymous.
        raise access_denied("Access Denied")
    for name in (*needed, "policy"):
        if not fields.get(name.lower()):
            text = f"Bucket POST must contain a field named '{name}'.  If it is specified, please check the order of"
            raise refusal("InvalidArgument", f"{text} the fields.")
    if not is_v4:
        key_id, signature = fields["awsaccesskeyid"], fields["signature"]
        return Claim(key_id, "", _REGION_V2, "s3", "aws4_request", "", signature, "", token, is_presigned=True)
    scope = fields["x-amz-credential"].split("/")
    if len(scope) != 5 or fields["x-amz-algorithm"] != ALGORITHM:
        raise refusal("InvalidArgument", "X-Amz-Algorithm only supports AWS4-HMAC-SHA256, and a credential of 5 parts")
    key_id, date, region, service, end = scope
    stamp, signature = fields["x-amz-date"], fields["x-amz-signature"]
    claim = Claim(key_id, date, region, service, end, "", signature, stamp, token, is_presigned=True)
    check_scope(claim, "s3")
    return claim


def check_form(form: FormUpload, claim: Claim, secret: str, now: float) -> None:
    """Refuse a form whose policy was not signed with this secret key, has expired, or is not satisfied.

    `now` is the machine's time.
    """
    text = form.fields["policy"].encode()
    if claim.date:
        key = signing_key(secret, claim.date, claim.region, "s3")
        expected = hmac.digest(key, text, sha256).hex().encode()
    else:
        expected = b64encode(hmac.new(secret.encode(), text, sha1).digest())
    if not hmac.compare_digest(expected, claim.signature.encode()):
        raise refusal("SignatureDoesNotMatch", "", 403)
    policy = _document(text)
    if _expiration(policy.get("expiration")) <= now:
        raise _unsatisfied("Policy expired.")
    _check_conditions(form, policy.get("conditions"))


def form_context(claim: Claim | None, now: float) -> Context:
    """Return the condition keys about the signature of a form; `claim` None means an unsigned form."""
    context: Context = {"s3:TlsVersion": ("1.3",)}
    if claim is None:
        return context
    version = ALGORITHM if claim.date else "AWS"
    return context | {"s3:authType": ("POST",), "s3:signatureversion": (version,)} | signature_age(claim.timestamp, now)


def _document(text: bytes) -> dict[str, Any]:  # Any: the values of a JSON object
    try:
        policy = json.loads(b64decode(text, validate=True))
    except (ValueError, RecursionError) as error:
        raise _invalid("Invalid JSON.") from error
    if not isinstance(policy, dict):
        raise _invalid("Invalid JSON.")
    return policy


def _expiration(value: object) -> float:
    """Parse a time such as `2026-11-29T12:00:00.000Z` to seconds since 1970."""
    if not isinstance(value, str):
        raise _invalid("Policy missing expiration.")
    try:
        moment = datetime.fromisoformat(value if value.endswith("Z") else "")
        return moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise _invalid("Invalid 'expiration' value") from error


def _check_conditions(form: FormUpload, conditions: object) -> None:
    """Refuse the form unless it meets every condition, and a condition names every field."""
    if not isinstance(conditions, list):
        raise _invalid("Policy missing conditions.")
    values = {**form.fields, "bucket": form.bucket}
    named: set[str] = set()
    for condition in conditions:
        kind, name, wanted = _parsed(condition)
        if kind == "content-length-range":
            _check_size(len(form.file), name, wanted)
            continue
        field = str(name).removeprefix("$").lower()
        named.add(field)
        # A name without `$` in a list names no field (recorded on live AWS).
        is_field = isinstance(condition, dict) or str(name).startswith("$")
        if not (is_field and isinstance(wanted, str) and _holds(kind, field, values.get(field), wanted)):
            shown = [kind, f"${field}" if isinstance(condition, dict) else name, wanted]
            raise _unsatisfied(f"Policy Condition failed: {json.dumps(shown)}")
    extra = [name for name in values if name not in named | _FREE and not name.startswith("x-ignore-")]
    if extra:
        raise _unsatisfied(f"Extra input fields: {', '.join(extra)}")


def _parsed(condition: object) -> tuple[str, str | int, str | int]:
    """Return the operator and its two operands."""
    if isinstance(condition, dict):
        if len(condition) != 1:
            text = "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."
            raise _invalid(text)
        condition = ["eq", *next(iter(condition.items()))]
    if isinstance(condition, list) and len(condition) == 3 and isinstance(condition[0], str):
        kind, name, wanted = condition[0].lower(), condition[1], condition[2]
        are_plain = isinstance(name, (str, int)) and isinstance(wanted, (str, int))
        if are_plain and kind in {"eq", "starts-with", "content-length-range"}:
            return kind, name, wanted
    raise _invalid("Invalid Condition.")


def _holds(kind: str, field: str, value: str | None, wanted: str) -> bool:
    """Whether the field has the value or the prefix. Each of several content types must have the prefix."""
    if value is None or kind == "eq":
        return value == wanted
    values = value.split(",") if field == "content-type" else [value]
    return all(each.strip().startswith(wanted) for each in values)


def _check_size(size: int, least: str | int, most: str | int) -> None:
    try:
        bounds = int(str(least)), int(str(most))
    except ValueError as error:
        shown = json.dumps(["content-length-range", least, most])
        raise _unsatisfied(f"Policy Condition failed: {shown}") from error
    if size < bounds[0]:
        raise refusal("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
    if size > bounds[1]:
        raise refusal("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")


def _unsatisfied(message: str) -> SandboxRefusal:
    return access_denied(f"Invalid according to Policy: {message}")


def _invalid(message: str) -> SandboxRefusal:
    return refusal("InvalidPolicyDocument", f"Invalid Policy: {message}")
