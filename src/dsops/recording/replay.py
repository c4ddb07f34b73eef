"""Evaluate recorded calls against policies: which calls are denied, and which statements the calls need."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from dsops.arn import parse_arn
from dsops.policy import (
    Policies,
    Policy,
    Principal,
    Request,
    Statement,
    denial_sentence,
    evaluate,
    lower_case,
    parse_policy,
)
from dsops.recording.call import ANY_ONE, ANY_RUN, Context, RecordedCall
from dsops.recording.format import CountedCall, Recording
from dsops.recording.permissions import account_of

_NO_ACCOUNT = "000000000000"
_SAMPLES = (("q7ZkW", "q"), ("0/Xy", "4"))
"""Texts for unknown parts of a resource: one for a part of any length, one for each single character."""
_UNKNOWN = "\ufffd"
"""The value of a secret condition key in a replay. It equals no value in a policy."""


class DeniedCall(NamedTuple):
    """A recorded call that the policies deny."""

    call: RecordedCall
    times: int
    sentence: str
    """AWS's error message for the call."""
    policy: str
    """The name of the policy with the Deny statement; "" if no statement allows the call."""
    line: int
    """The line of the Deny statement; 0 if there is none."""


class StatementUse(NamedTuple):
    """How the recorded calls use one statement."""

    policy: str
    sid: str
    number: int
    """The statement's place in its policy, counted from 1."""
    line: int
    effect: str
    matching: tuple[RecordedCall, ...]
    """The calls that the statement allows (or denies, for a Deny statement)."""
    needed_by: tuple[RecordedCall, ...]
    """The calls that the policies allow, and would deny without this statement. () for a Deny statement."""

    @property
    def is_needed(self) -> bool:
        """Whether a call would fail without the statement. A Deny statement is never needed by a call."""
        return bool(self.needed_by)


class Replay(NamedTuple):
    """The result of a replay."""

    played: tuple[CountedCall, ...]
    """The recorded calls that AWS allowed. Other calls are not played."""
    denied: tuple[DeniedCall, ...]
    statements: tuple[StatementUse, ...]

    @property
    def unneeded(self) -> list[StatementUse]:
        """The Allow statements that no call needs."""
        return [use for use in self.statements if use.effect == "Allow" and not use.is_needed]


def replay(recording: Recording, policies: Sequence[Policy]) -> Replay:
    """Evaluate each allowed call of a recording against identity-based policies.

    Only these policies decide: resource-based policies and other limits are not evaluated.
    """
    played = recording.with_outcome("allowed")
    uses = [_Use(policy, number, each) for policy in policies for number, each in enumerate(policy.statements, 1)]
    denied = []
    for call, times in played:
        requests = requests_of(call)
        decisions = [(request, evaluate(request, _asked(policies, request))) for request in requests]
        request, decision = next((each for each in decisions if not each[1].is_allowed), decisions[0])
        allowing = [use for use in uses if all(map(use.matches, requests))]
        if decision.is_allowed:
            granting = [use for use in allowing if use.statement.effect == "Allow"]
            if len(granting) == 1:
                granting[0].needed_by.append(call)
        else:
            policy = decision.policy.name if decision.policy is not None else ""
            line = decision.statement.line if decision.statement is not None else 0
            denied.append(DeniedCall(call, times, denial_sentence(request, decision), policy, line))
        for use in allowing:
            use.matching.append(call)
    return Replay(tuple(played), tuple(denied), tuple([use.result() for use in uses]))


def requests_of(call: RecordedCall) -> list[Request]:
    """Return the requests that a recorded call stands for, as its caller sent them.

    A call whose resource has unknown parts stands for two requests, with different texts in these parts. A policy has
    to allow both, so a policy for one of many possible resources does not count as allowing the call.

    The caller is a role session, because a root user would not be limited by policies. Caller and resource have the
    same account, because the permission of the resource's account is not known.
    """
    account = account_of(call) or _NO_ACCOUNT
    arn = call.caller or f"arn:aws:sts::{account}:assumed-role/recorded/recorded"
    caller, context = Principal("role-session", account, arn), _context(call, arn)
    resources = [call.resource.replace(ANY_RUN, run).replace(ANY_ONE, one) for run, one in _SAMPLES]
    return [Request(caller, call.action, resource, account, context) for resource in dict.fromkeys(resources)]


class _Use:
    """Collects the calls that match one statement."""

    def __init__(self, policy: Policy, number: int, statement: Statement) -> None:
        self.statement = statement
        self.matching: list[RecordedCall] = []
        self.needed_by: list[RecordedCall] = []
        self._policy = policy
        self._number = number
        self._alone = (policy._replace(statements=(statement,)),)

    def matches(self, request: Request) -> bool:
        """Whether the statement applies to the request."""
        if not self.statement.actions.matches(lower_case(request.action)):
            return False
        decision = evaluate(request, _asked(self._alone, request))
        return decision.statement is not None and decision.decided_by == "identity-based policy"

    def result(self) -> StatementUse:
        """Return what was collected."""
        statement = self.statement
        return StatementUse(
            self._policy.name,
            statement.sid,
            self._number,
            statement.line,
            statement.effect,
            tuple(self.matching),
            tuple(self.needed_by),
        )


def _asked(policies: Sequence[Policy], request: Request) -> Policies:
    # The resource trusts the caller's account, so that the policies decide: without that, no policy can allow
    # sts:AssumeRole, which the role's trust policy must also allow.
    return Policies(identity=tuple(policies), resource=_trusting(request.principal.account))


@lru_cache(maxsize=64)
def _trusting(account: str) -> Policy:
    statement = f'{{"Effect":"Allow","Principal":{{"AWS":"{account}"}},"Action":"*","Resource":"*"}}'
    return parse_policy(f'{{"Version":"2012-10-17","Statement":[{statement}]}}', "resource")


def _context(call: RecordedCall, caller: str) -> Context:
    """Return the recorded condition keys, and those that follow from the call's time and caller."""
    context: dict[str, tuple[str, ...]] = {}
    if call.time:
        context["aws:CurrentTime"] = (call.time,)
    arn = parse_arn(caller)
    if arn is not None and arn.account:
        context["aws:PrincipalAccount"] = (arn.account,)
        is_session = arn.service == "sts" and arn.resource.startswith("assumed-role/")
        role = f"arn:{arn.partition}:iam::{arn.account}:role/{arn.resource.split('/')[1]}" if is_session else caller
        context["aws:PrincipalArn"] = (role,)
    known = {lower_case(key) for key in call.context}
    return {
        **{key: values for key, values in context.items() if lower_case(key) not in known},
        **dict.fromkeys(call.secret_keys, (_UNKNOWN,)),
        **call.context,
    }
