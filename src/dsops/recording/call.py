"""The recorded call: an action on a resource, with the request's condition keys, and whether it was allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple, get_args

from dsops.plan.required_permissions import literal
from dsops.policy import SECRET_KEYS, lower_case

Outcome = Literal["allowed", "refused by AWS", "refused by the guard", "undecided"]
"""The result of a call.

- `allowed`: AWS authorized the call. The call can still have failed, for example because an object does not exist.
- `undecided`: AWS's decision is unknown, because there was no response, or an error that precedes authorization.
"""

OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)

ANY_RUN = "\udc00"
ANY_ONE = "\udc01"
"""Placeholders for the wildcards `*` and `?` in resources and generalised texts. All other characters are literal.

No text of a request contains the placeholders, because surrogates can't be encoded as UTF-8.
"""

Context = Mapping[str, tuple[str, ...]]

_TIME_KEYS = frozenset(
    """
    aws:currenttime aws:epochtime aws:tokenissuetime aws:multifactorauthage s3:signatureage
    """.split()
)
"""Condition keys whose values differ in each request. A recording has the time of the first call instead."""

_CHANGING_KEYS = frozenset({"aws:useragent", "aws:referer", "aws:sourceip", "aws:sourceport"})
"""Condition keys that describe the client. Calls that differ only in these keys are recorded as one call."""

_CONTENT_HASH = "s3:x-amz-content-sha256"


class RecordedCall(NamedTuple):
    """One authorization check of a request. A request with several actions or resources has several calls."""

    action: str
    """The action, such as `s3:GetObject`."""
    resource: str
    """The resource's ARN; `*` for an action without resources.

    ANY_RUN and ANY_ONE stand for parts that the request does not contain, such as the suffix of a secret's name.
    """
    outcome: Outcome
    context: Mapping[str, tuple[str, ...]] = {}
    """Condition key -> its values in the request."""
    caller: str = ""
    """The ARN of the session that signed the request; "" if unknown."""
    time: str = ""
    """The time of the first call, such as `2026-11-28T20:30:00Z`; "" if unknown."""
    secret_keys: tuple[str, ...] = ()
    """The condition keys of the request whose values are secret. `context` does not contain them."""

    @property
    def text(self) -> str:
        """The action and the resource, for messages."""
        resource = self.resource.replace(ANY_RUN, "*").replace(ANY_ONE, "?")
        return self.action if resource == "*" else f"{self.action} on {resource}"

    @property
    def service(self) -> str:
        """The prefix of the action, in lower case."""
        return lower_case(self.action.partition(":")[0])


def escaped(text: str) -> str:
    """Return a text with ANY_RUN and ANY_ONE as a pattern of a policy: its literal `*`, `?` and `$` are escaped."""
    return literal(text).replace(ANY_RUN, "*").replace(ANY_ONE, "?")


def as_pattern(resource: str) -> str:
    """Return a resource as a pattern of a policy. `*` stays, because it is every resource."""
    return resource if resource == "*" else escaped(resource)


def from_pattern(pattern: str) -> str:
    """Return the text of a pattern, the inverse of `as_pattern`. Raises ValueError for a policy variable."""
    if pattern == "*":
        return pattern
    text = _SPECIAL.sub(lambda special: _MEANINGS.get(special[0], special[0]), pattern)
    if as_pattern(text) != pattern:
        raise ValueError("a `$` that is not escaped")
    return text


_SPECIAL = re.compile(r"\$\{[*?$]\}|[*?]")
_MEANINGS = {"*": ANY_RUN, "?": ANY_ONE, "${*}": "*", "${?}": "?", "${$}": "$"}


def recordable(call: RecordedCall) -> RecordedCall:
    """Return the call without the values of secret condition keys, and without keys that differ in each request."""
    secret_keys, context = list(call.secret_keys), {}
    for key, values in call.context.items():
        lower = lower_case(key)
        if lower in SECRET_KEYS:
            secret_keys.append(key)
        elif lower not in _TIME_KEYS and not (lower == _CONTENT_HASH and _is_hash(values)):
            context[key] = tuple(values)
    return call._replace(context=context, secret_keys=tuple(sorted(set(secret_keys))))


def identity_of(call: RecordedCall) -> tuple[object, ...]:
    """Return a key that is equal for calls which a recording lists once."""
    context = frozenset(
        (lower, values) for key, values in call.context.items() if (lower := lower_case(key)) not in _CHANGING_KEYS
    )
    return (call.action, call.resource, call.outcome, call.caller, context, call.secret_keys)


def _is_hash(values: tuple[str, ...]) -> bool:
    """Whether the value is the hash of a body, and not a constant such as UNSIGNED-PAYLOAD."""
    return all(len(value) == 64 for value in values)
