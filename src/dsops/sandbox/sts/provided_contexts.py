"""ProvidedContexts of AssumeRole: a trusted provider's assertions about the user behind a call.

On AWS, IAM Identity Center issues context assertions; in the sandbox `/_sandbox/context` issues them. The session
keeps the asserted keys, and policies must allow `sts:SetContext`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, cast

from dsops.arn import parse_arn
from dsops.request.wire.errors import refusal
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.sts.sealed_tokens import Seal

IDENTITY_CENTER = "arn:aws:iam::aws:contextProvider/IdentityCenter"


class ProvidedContexts(NamedTuple):
    """The providers and the context keys in a call's assertions."""

    providers: tuple[str, ...] = ()
    keys: tuple[tuple[str, str], ...] = ()

    def condition_keys(self) -> dict[str, tuple[str, ...]]:
        """Return the condition keys for authorizing `sts:SetContext`."""
        if not self.providers:
            return {}
        return {
            "sts:RequestContextProviders": self.providers,
            **{f"sts:RequestContext/{key}": (value,) for key, value in self.keys},
        }


def read_contexts(turn: AuthenticatedRequest, seal: Seal) -> ProvidedContexts:
    """Parse the request's context assertions. Raises InvalidContextAssertion if one is forged or expired."""
    entries = cast("Sequence[Mapping[str, str]]", turn.parameters.get("ProvidedContexts", ()))
    if not entries:
        return ProvidedContexts()
    providers, keys = [], dict[str, str]()
    for entry in entries:
        provider = entry.get("ProviderArn", "")
        for key, value in _asserted(provider, entry.get("ContextAssertion", ""), turn.now, seal):
            if keys.setdefault(key, value) != value:
                raise _invalid("The context assertions contradict each other.")
        providers.append(provider)
    return ProvidedContexts(tuple(providers), tuple(keys.items()))


def _asserted(provider: str, assertion: str, now: float, seal: Seal) -> Iterator[tuple[str, str]]:
    arn = parse_arn(provider)
    opened = seal.open("context", assertion)
    if arn is None or arn.resource_type != "contextProvider" or opened is None:
        raise _invalid("The context assertion could not be verified.")
    if opened.content["provider"] != provider:
        raise _invalid("The context assertion is not of the context provider that was named.")
    if opened.expires_at <= now:
        raise _invalid("The context assertion has expired.")
    yield from opened.content["context"].items()


def _invalid(message: str) -> Exception:
    return refusal("InvalidContextAssertion", message)
