"""Undo refused SNS subscriptions, because moto creates a subscription before it checks the attributes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dsops.request.lookups import SecretLocation

if TYPE_CHECKING:
    from dsops.request.messages import HttpAnswer


@contextmanager
def no_half_subscription(place: SecretLocation) -> Iterator[list[HttpAnswer]]:
    """Remove the subscriptions created within the context, unless the operation succeeded.

    The caller appends the operation's answer to the yielded list.
    """
    from moto.sns.models import sns_backends

    subscriptions = sns_backends[place.account][place.region].subscriptions
    before = set(subscriptions)
    answers: list[HttpAnswer] = []
    try:
        yield answers
    finally:
        if not answers or answers[0].status >= 400:
            for arn in set(subscriptions) - before:
                del subscriptions[arn]
