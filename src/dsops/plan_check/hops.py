"""Decide for each hop of a plan whether policies allow it, as far as that can be known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, NamedTuple

from dsops.arn import parse_arn, role_session_arn
from dsops.aws.apis.sts import CallerIdentity
from dsops.errors import EntityNotFound, PolicyInvalid, UsageError
from dsops.explain.questions.federated_caller import is_opened, opened_caller
from dsops.explain.questions.federated_questions import unsigned_questions
from dsops.explain.questions.request import ChainCaller, base_caller, context_of_call, questions, session_caller
from dsops.plan import Plan, Step
from dsops.plan.required_permissions import issue_needs
from dsops.plan_check.reads import is_open, read_questions
from dsops.policy import (
    AnsweredCase,
    Case,
    CaseQuestion,
    CompletedQuestion,
    DeclaredPolicies,
    Policy,
    PolicySet,
    Unread,
    parse_policy,
    read_caller,
    simulate,
)
from dsops.runtime import Runtime

Verdict = Literal["allowed", "denied", "unknown"]

Complete = Callable[[CaseQuestion], CompletedQuestion]
"""A function that adds to a question the policies that apply. Raises EntityNotFound for a missing user or role."""


class HopResult(NamedTuple):
    """The verdict for one hop, or for a store's reads."""

    step: Step
    number: int
    """The number of the hop, from 1; 0 for a store's reads."""
    verdict: Verdict
    rows: tuple[AnsweredCase, ...]
    """The permission checks with their results, in the order in which AWS makes them, up to the first denial."""
    why: str
    """The reason for the verdict if it does not come from policies; otherwise ""."""


def hops_of(
    plan: Plan, policies: DeclaredPolicies, complete: Complete, caller: str, runtime: Runtime
) -> list[HopResult]:
    """Return the verdict for each hop. `caller` is the ARN of the base credentials, "" if unknown."""
    return list(_Check(plan, policies, complete, caller, runtime).hops())


class _Check:
    """The check of one plan."""

    def __init__(
        self, plan: Plan, policies: DeclaredPolicies, complete: Complete, caller: str, runtime: Runtime
    ) -> None:
        self._plan = plan
        self._given = policies
        self._complete = complete
        self._runtime = runtime
        self._callers: dict[str, ChainCaller | None] = {}
        self._base = _base_caller(caller) if caller else None

    def hops(self) -> Iterator[HopResult]:
        """Yield a verdict for each step that issues a session or reads secrets. A step comes after its dependencies."""
        for step in self._plan.steps.values():
            caller = self._caller_of(step)
            if step.type.gives_credentials:
                yield self._hop(step, caller)
                self._callers[step.name] = _session(step, caller)
            elif caller is not None and (questions := read_questions(step, caller, self._plan, self._given)):
                yield self._read(step, questions)

    def _caller_of(self, step: Step) -> ChainCaller | None:
        """Return the caller of the step's request; None if it is unknown or the request is unsigned."""
        if step.credentials_from:
            return self._callers[step.credentials_from]
        if self._base is None or step.proof is not None or len(self._plan.ambient) > 1:
            # The given ARN can't belong to two sets of base credentials, so it is not used.
            return None
        ambient = self._plan.ambient.get(step.profile)
        if ambient is not None and ambient.is_temporary and self._base.principal.kind == "user":
            return base_caller(_identity(self._base), is_temporary=True)
        return self._base

    def _hop(self, step: Step, caller: ChainCaller | None) -> HopResult:
        questions = self._questions(step, caller)
        number = self._number(step)
        if isinstance(questions, str):
            return HopResult(step, number, "unknown", (), questions)
        rows: list[AnsweredCase] = []
        for question, unread in questions:
            try:
                rows.append(self._row(step, question, unread))
            except EntityNotFound as missing:
                return HopResult(step, number, "denied", tuple(rows), f"{missing.message}: {missing.hint}")
            if "Allow" not in rows[-1].outcome.possible:
                return HopResult(step, number, "denied", tuple(rows), "")
        why = self._too_long(step) or _conflict(step, self._plan)
        if why:
            return HopResult(step, number, "denied", tuple(rows), f"{why} ({step.where})")
        why = self._unsure_length(step)
        is_known = not why and all(row.outcome.verdict == "allow" for row in rows)
        return HopResult(step, number, "allowed" if is_known else "unknown", tuple(rows), why)

    def _read(self, step: Step, questions: Sequence[tuple[CaseQuestion, tuple[Unread, ...]]]) -> HopResult:
        """Check the read of each secret, even if the read of another secret is denied."""
        rows: list[AnsweredCase] = []
        for question, unread in questions:
            try:
                rows.append(self._row(step, question, unread))
            except EntityNotFound as missing:
                return HopResult(step, 0, "denied", tuple(rows), f"{missing.message}: {missing.hint}")
        verdicts = {"unknown" if is_open(row) else row.outcome.verdict for row in rows}
        if verdicts - {"allow", "unknown"}:
            return HopResult(step, 0, "denied", tuple(rows), "")
        return HopResult(step, 0, "unknown" if "unknown" in verdicts else "allowed", tuple(rows), "")

    def _too_long(self, step: Step) -> str:
        longest, seconds = self._given.longest_seconds(step.role), step.settings.get("duration_seconds")
        if longest and isinstance(seconds, int) and seconds > longest:
            return f"the role's sessions last {longest} s at most, and `duration_seconds` is {seconds}"
        return ""

    def _unsure_length(self, step: Step) -> str:
        seconds = step.settings.get("duration_seconds")
        is_open = isinstance(seconds, int) and seconds > _HOUR and not self._given.longest_seconds(step.role)
        if not is_open or not step.role:
            return ""
        return f"the role's maximum session duration is unknown: it is at least an hour, and {seconds} s are requested"

    def _number(self, step: Step) -> int:
        return 1 + (self._number(self._plan.steps[step.credentials_from]) if step.credentials_from else 0)

    def _row(self, step: Step, question: CaseQuestion, unread: tuple[Unread, ...]) -> AnsweredCase:
        completed = self._complete(question)
        layers, missing = self._session_policies(step)
        policies: PolicySet = {**completed.policies, "session": layers} if layers else completed.policies
        outcome = simulate(completed.asked, policies, (*completed.unread, *unread, *missing), self._runtime.now())
        return AnsweredCase(Case("", 0, completed.asked, {}, None), outcome, ())

    def _session_policies(self, step: Step) -> tuple[tuple[tuple[Policy, ...], ...], list[Unread]]:
        """Return the session policies that limit the step's caller, and an Unread for each policy of unknown text.

        The store that issued the caller's session sends these policies.
        """
        before = self._plan.steps.get(step.credentials_from)
        if before is None:
            return (), []
        policies, missing = [], []
        text = str(before.settings.get("session_policy", ""))
        if text:
            try:
                policies.append(parse_policy(text, "session", name=f"the session policy of store `{before.name}`"))
            except PolicyInvalid as error:
                missing.append(Unread("session", error.message))
        listed = before.settings.get("policy_arns", ())
        arns = [*(listed if isinstance(listed, tuple) else ()), *filter(None, [before.settings.get("task_policy_arn")])]
        missing += [Unread("session", f"the text of {arn} is not given") for arn in arns]
        return ((tuple(policies),) if policies else ()), missing

    def _questions(
        self, step: Step, caller: ChainCaller | None
    ) -> Sequence[tuple[CaseQuestion, tuple[Unread, ...]]] | str:
        """Return the policy questions that AWS evaluates for the hop, or the reason why they are unknown."""
        if step.operation in ("AssumeRoleWithWebIdentity", "AssumeRoleWithSAML"):
            unsigned = unsigned_questions(step, step.region)
            return unsigned if unsigned and unsigned[0][0].principal.federated else _UNSIGNED[step.operation]
        if not step.operation:
            return "no policy has a say in who gets it"
        if caller is None:
            return _unknown_caller(step, self._plan)
        if step.operation == "AssumeRole":
            return questions(step, caller, step.region)
        return list(_other_questions(step, caller, self._plan))


def _unknown_caller(step: Step, plan: Plan) -> str:
    if step.credentials_from:
        return f"the caller that the session of store `{step.credentials_from}` makes is not known"
    if len(plan.ambient) > 1:
        return f"there are {len(plan.ambient)} base credentials here, and `--caller` can name only one"
    return "who has the base credentials is not known: name them with `--caller ARN`"


def _conflict(step: Step, plan: Plan) -> str:
    """Return a sentence about a tag or source identity that conflicts with an earlier hop; "" if there is none.

    A hop can't change a value that an earlier hop set. Source: STS API Reference, AssumeRole.
    """
    own = {key.lower(): key for key in _tag_keys(step)}
    identity = step.settings.get("source_identity")
    before = plan.steps.get(step.credentials_from)
    while before is not None and before.operation != "GetFederationToken":
        passed_on = before.settings.get("transitive_tag_keys", ())
        for key in passed_on if isinstance(passed_on, tuple) else ():
            if isinstance(key, str) and key.lower() in own:
                return f"the tag `{own[key.lower()]}` is passed on by store `{before.name}`, and can't be sent again"
        set_before = before.settings.get("source_identity")
        if identity and set_before and identity != set_before:
            return f"`source_identity` is set by store `{before.name}`, and stays along a chain"
        before = plan.steps.get(before.credentials_from)
    return ""


def _tag_keys(step: Step) -> list[str]:
    tags = step.settings.get("tags", ())
    return [pair[0] for pair in tags if isinstance(pair, tuple)] if isinstance(tags, tuple) else []


_HOUR: Final = 3600
"""The smallest value of a role's maximum session duration, in seconds (IAM API Reference, CreateRole)."""

_UNSIGNED: Final = {
    "AssumeRoleWithWebIdentity": "what the token says is known only when it is there",
    "AssumeRoleWithSAML": "the SAML provider or the role is known only from the assertion: name `principal_arn`",
}


def _other_questions(step: Step, caller: ChainCaller, plan: Plan) -> Iterator[tuple[CaseQuestion, tuple[Unread, ...]]]:
    """Yield the questions for hops whose sessions are not role sessions."""
    principal = caller.principal
    if step.operation == "GetSessionToken":
        context = context_of_call(caller, step.region)
        yield CaseQuestion(principal, "sts:GetSessionToken", "*", principal.account, context), caller.unread
    for need in issue_needs(step, principal.account, plan.steps):
        arn = parse_arn(need.resource)
        account = arn.account if arn is not None else principal.account
        keys = {key: values for _, key, values in need.conditions}
        for action in need.actions:
            yield (
                CaseQuestion(
                    principal, action, need.resource, account, {**context_of_call(caller, step.region), **keys}
                ),
                caller.unread,
            )


def _base_caller(text: str) -> ChainCaller:
    """Parse the caller that the user names. If it is a role session, it is assumed to have no session policy."""
    try:
        principal = read_caller(text)
    except ValueError as error:
        raise UsageError(f"--caller: {error}", hint="`dsops whoami` prints your ARN") from error
    if not principal.account:
        raise UsageError(f"--caller {text} can't sign requests", hint="name a user or a role")
    caller = base_caller(CallerIdentity(principal.account, text, ""), is_temporary=principal.kind != "user")
    if caller is None:
        raise UsageError(f"--caller {text} can't sign requests", hint="name a user or a role")
    return caller._replace(unread=tuple(unread_part for unread_part in caller.unread if unread_part.place != "session"))


def _identity(caller: ChainCaller) -> CallerIdentity:
    principal = caller.principal
    return CallerIdentity(principal.account, principal.arn, principal.unique_id)


def _session(step: Step, caller: ChainCaller | None) -> ChainCaller | None:
    """Return the session that the step issues, as a caller; None if it can't be determined."""
    role = parse_arn(str(step.settings.get("role_arn", "")))
    if role is not None:
        name = str(step.settings.get("role_session_name", ""))
        arn = role_session_arn(role, name) if name else str(role)
        identity = CallerIdentity(role.account, arn, "")
        return opened_caller(step, identity) if is_opened(step) else session_caller(step, identity, caller)
    if caller is None:
        return None
    account, partition = caller.principal.account, caller.principal.arn.split(":")[1]
    if step.operation == "GetSessionToken":
        return session_caller(step, _identity(caller), caller)
    if step.operation == "GetFederationToken":
        arn = f"arn:{partition}:sts::{account}:federated-user/{step.settings['federated_user_name']}"
        return session_caller(step, CallerIdentity(account, arn, ""), caller)
    if step.operation == "AssumeRoot":
        target = str(step.settings["target_principal"])
        root = target if target.startswith("arn:") else f"arn:{partition}:iam::{target}:root"
        return session_caller(step, CallerIdentity(root.split(":")[4], root, ""), None)
    return None
