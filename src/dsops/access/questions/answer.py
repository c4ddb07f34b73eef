"""The answer to whether a caller can do something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from dsops.access.facts.world import Gap
from dsops.policy import Condition, Decision

Verdict = Literal["yes", "conditional", "no", "unknown"]


class OpenCondition(NamedTuple):
    """A condition that the request has to meet, and a value that meets it."""

    condition: Condition
    effect: Literal["Allow", "Deny"]
    """The effect of the condition's statement. In a Deny, the request must not meet all conditions."""


class ContentKeyCondition(NamedTuple):
    """A KMS key on which it depends whether the caller can read or write the content of a resource."""

    action: str
    """The action that the service calls with the caller's permissions, such as `kms:Decrypt`."""
    key: str
    """The ARN of the key; "" if the facts do not say which one it is."""
    is_refused: bool
    """Whether the key refuses the action. Then the answer is about objects that it does not encrypt.

    If false, the facts do not say whether the key allows it.
    """


class AccessAnswer(NamedTuple):
    """Whether a caller can do something."""

    verdict: Verdict
    """`yes`: for every request. `conditional`: for the requests that meet the open conditions.

    `unknown`: a fact that could not be read decides (see `gaps`), or no request was found that meets the conditions,
    and there may be one.
    """
    decision: Decision
    """The engine's decision; for `yes` and `conditional`, on the request that shows it."""
    needed: Mapping[str, tuple[str, ...]] = {}
    """For `conditional`: condition keys and values with which the request is allowed."""
    open: tuple[OpenCondition, ...] = ()
    """The open conditions of the statements that decide."""
    gaps: tuple[Gap, ...] = ()
    """The facts that could not be read and could change the answer."""
    if_key: ContentKeyCondition | None = None
    """For `conditional`: the KMS key on which the answer depends."""
    stopped_by_key: str = ""
    """For `no`: the ARN of the KMS key that refuses it, if the caller may call the service. `decision` is the key's."""

    is_blocked: bool = False
    """For `no`: whether S3 Block Public Access takes back what the bucket's policy allows."""

    @property
    def is_possible(self) -> bool:
        """Whether the caller can do it, for some request."""
        return self.verdict in ("yes", "conditional")
