"""Check that a token or SAML response belongs to the planned caller, and explain why AWS refuses one."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from dsops.errors import AssumeRoleDenied, DsopsError, NoCredentials, StsRefused
from dsops.plan import Step

T = TypeVar("T")


class CallerDescription:
    """The caller that a token or SAML response identifies.

    `source` and `noun` are words for messages, such as `the token in ./token` and `token`.
    """

    def __init__(self, source: str, noun: str, subject: str, speaks_of: tuple[str, str, str]) -> None:
        self.source = source
        self.noun = noun
        self.subject = subject
        self.speaks_of = speaks_of


def check_planned(step: Step, speaks_of: tuple[str, str, str], caller: CallerDescription) -> None:
    """Raise NoCredentials if the token or response has another subject than planned.

    Otherwise the session would be cached under the planned subject's identity.
    """
    planned = step.proof
    if planned is not None and not planned.is_fetched and planned.speaks_of != speaks_of:
        raise NoCredentials(
            f"the subject of {caller.source} has changed since this run was planned",
            why=f"the subject is now {caller.subject}",
            hint="run the command again",
        )


async def naming_store(work: Awaitable[T], step: Step) -> T:
    """Await the work. If it raises an error that does not name the store, add the store."""
    try:
        return await work
    except DsopsError as error:
        if not isinstance(error, AssumeRoleDenied):
            error.retell(f"store `{step.name}`: {error.message}", where=step.where)
        raise


async def naming_caller(call: Awaitable[T], step: Step, role_arn: str, caller: CallerDescription) -> T:
    """Await the call. If AWS refuses it, add the subject of the token or SAML response to the error."""
    subject = f"the {caller.noun} speaks of {caller.subject}"
    try:
        return await call
    except AssumeRoleDenied as error:
        message = f"store `{step.name}` may not assume {role_arn} with {caller.source}"
        error.retell(message, hint=f"{error.hint}; {subject}", where=step.where)
        error.speaks_of = caller.speaks_of
        raise
    except StsRefused as error:
        error.retell(error.message, hint="; ".join(filter(None, (error.hint, subject))))
        raise
