"""What a call that brings a token or an assertion has in common: whose it is, and what a refusal says of that."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

from dsops.errors import AssumeRoleDenied, DsopsError, NoCredentials, StsRefused
from dsops.plan import Step

T = TypeVar("T")


class CallerDescription:
    """Who is behind a call, for people: `the token in ./token`, `the token`, and of whom it speaks."""

    def __init__(self, source: str, noun: str, subject: str, speaks_of: tuple[str, str, str]) -> None:
        self.source = source
        self.noun = noun
        self.subject = subject
        self.speaks_of = speaks_of


def check_planned(step: Step, speaks_of: tuple[str, str, str], told: CallerDescription) -> None:
    """Refuses to send what speaks of somebody else than when it was planned: the session is kept as the first one's.

    Raises NoCredentials.
    """
    planned = step.proof
    if planned is not None and not planned.is_fetched and planned.speaks_of != speaks_of:
        raise NoCredentials(
            f"{told.source} is another one's than when this run was planned",
            why=f"it speaks of {told.subject}",
            hint="start again",
        )


async def of_store(work: Awaitable[T], step: Step) -> T:
    """What it gives; its errors name the store, where they don't already."""
    try:
        return await work
    except DsopsError as error:
        if not isinstance(error, AssumeRoleDenied):
            error.retell(f"store `{step.name}`: {error.message}", where=step.where)
        raise


async def saying_whose(call: Awaitable[T], step: Step, role_arn: str, told: CallerDescription) -> T:
    """What the call gives; its refusals say of whom the proof spoke."""
    subject = f"the {told.noun} speaks of {told.subject}"
    try:
        return await call
    except AssumeRoleDenied as error:
        message = f"store `{step.name}` may not assume {role_arn} with {told.source}"
        error.retell(message, hint=f"{error.hint}; {subject}", where=step.where)
        error.speaks_of = told.speaks_of
        raise
    except StsRefused as error:
        error.retell(error.message, hint="; ".join(filter(None, (error.hint, subject))))
        raise
