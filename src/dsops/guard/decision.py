"""Decide about the actions of a request. What only AWS knows is unknown, and unknown never allows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, Literal, NamedTuple

from dsops.arn import is_account_id, parse_arn
from dsops.errors import SandboxRefusal
from dsops.guard.caller import GuardCaller, caller_context
from dsops.guard.lookups import unknown_resources
from dsops.guard.settled_keys import settled_keys
from dsops.policy import (
    ANY_TEXT,
    LimitingPolicies,
    PartialDecision,
    PartialRequest,
    Request,
    Statement,
    lower_case,
    shown,
)
from dsops.request.context import unsigned_context
from dsops.request.messages import HttpRequest
from dsops.request.question import AuthorizationQuestion, Context
from dsops.request.resources import ResourceResolver
from dsops.request.wire.errors import access_denied, denied
from dsops.service_reference import ActionUse, ServiceReference

Outcome = Literal["allowed", "denied", "refused"]
"""`denied` by a policy; `refused` because the guard can't tell what the request does, or who signed it."""

RETURNS_KEYS: Final = frozenset(
    """
    account-access:getrolecredentials awsssoportal:getrolecredentials
    cloudwatch:getspacecredentialsfororganization cloudwatch:getspacedataaccess codepipeline:getjobdetails
    codepipeline:getthirdpartyjobdetails codepipeline:pollforjobs cognito-identity:getcredentialsforidentity
    datazone:getconnection datazone:getenvironmentcredentials deadline:assumefleetroleforread
    deadline:assumefleetroleforworker deadline:assumequeueroleforread deadline:assumequeueroleforuser
    deadline:assumequeueroleforworker eks-auth:assumeroleforpodidentity gamelift:createbuild
    gamelift:getcomputeaccess gamelift:requestuploadcredentials iam:createaccesskey
    iam:createservicespecificcredential iam:resetservicespecificcredential iot:assumerolewithcertificate
    lakeformation:assumedecoratedrolewithsaml lakeformation:gettemporarydatalocationcredentials
    lakeformation:gettemporarygluefunctioncredentials lakeformation:gettemporarygluepartitioncredentials
    lakeformation:gettemporarygluetablecredentials lightsail:createbucketaccesskey
    lightsail:getbucketaccesskeys rolesanywhere:createsession s3:createsession s3:getdataaccess
    s3express:createsession signin:createoauth2token ssm:getaccesstoken sso:getrolecredentials sts:assumerole
    sts:assumerolewithsaml sts:assumerolewithwebidentity sts:assumeroot sts:getdelegatedaccesstoken
    sts:getfederationtoken sts:getscopedcredentials sts:getsessiontoken
    """.split()
)
"""Actions whose answers contain AWS keys, in lower case. A wildcard does not allow them: such keys need no guard."""
_ALWAYS_ALLOWED: Final = frozenset(("sts:getcalleridentity",))
"""Actions that no policy can deny, and that return no credentials."""
_MAY_NAME_NOTHING: Final = tuple("Create List Describe Search".split())
"""Beginnings of operations that AWS checks on `*` if the resource in the request is optional and missing."""
_KEYS_OF_AWS: Final = ("aws:SourceIp", "s3:ResourceAccount")
"""Keys that `request` computes for the sandbox, and that only AWS knows."""


class GuardQuestion(NamedTuple):
    """One action of a request, and the decision about it."""

    action: str
    resource: str
    """The ARN, with ANY_TEXT and ANY_CHARACTER for unknown parts; `shown` makes `*` and `?` of them."""
    context: Mapping[str, tuple[str, ...]]
    is_allowed: bool
    effect: str
    """`Allow`, `ExplicitDeny` or `ImplicitDeny`."""
    policy: str
    """The name of the policy that decided; "" if none allows the action."""
    statement: Statement | None
    unknown: tuple[str, ...]
    """The condition keys, or `resource`, whose unknown values caused the denial."""


class GuardDecision(NamedTuple):
    """What became of one request."""

    time: datetime
    service: str
    """botocore's name of the service; "" if the request was not understood."""
    operation: str
    region: str
    host: str
    questions: tuple[GuardQuestion, ...]
    outcome: Outcome
    reason: str
    """Why the request was not sent, as the client was told; "" for a request that was sent."""
    is_asked: bool = False
    """Whether the user allowed the request at the prompt, because no policy allows it."""
    status: int = 0
    """The status of AWS's answer; 0 if there is none."""
    seconds: float = 0.0
    error: str = ""
    """The code or beginning of AWS's error, or why there was no answer."""


class Judged(NamedTuple):
    """The decisions on the actions of one request, and the error for the first that is not allowed."""

    questions: tuple[GuardQuestion, ...]
    refusal: SandboxRefusal | None
    is_explicit: bool
    """Whether a Deny statement caused the refusal."""


class Judge:
    """Finds the actions of requests and decides about them with one set of policies."""

    def __init__(self, layer: LimitingPolicies, caller: GuardCaller, reference: ServiceReference) -> None:
        self._layer = layer
        self._by_name: dict[str, LimitingPolicies] = {}
        self._caller = caller
        self._reference = reference
        self._resolver = ResourceResolver(unknown_resources(caller.partition))
        self._principal_context = caller_context(caller)

    def judge(
        self,
        service: str,
        operation: str,
        parameters: Mapping[str, object],
        *,
        request: HttpRequest,
        region: str,
        now: float,
        approved: Collection[tuple[str, str]] = (),
    ) -> Judged:
        """Decide about all actions of an operation. The first denial ends the decision. Raises SandboxRefusal.

        `approved` are actions and resources that a person allowed, although no policy does.
        """
        caller = self._caller._replace(region=region)
        base = unsigned_context(region, request, now) | self._principal_context
        for key in _KEYS_OF_AWS:
            base.pop(key, None)
        answered: list[GuardQuestion] = []
        for question in self._resolver.questions(service, operation, parameters, caller):
            use = self._use(service, operation, question.action)
            context = _context_of(question, base)
            decision, partial = self._decide(question, use, operation, context, parameters)
            answered.append(_answered(question, decision, context))
            if decision.effect == "ImplicitDeny" and (question.action, question.resource) in approved:
                continue
            if decision.effect != "Allow":
                refusal = self._refusal(question, decision, partial)
                return Judged(tuple(answered), refusal, decision.effect == "ExplicitDeny")
        if not answered:
            raise unknown_action(service, operation)
        return Judged(tuple(answered), None, is_explicit=False)

    def _use(self, service: str, operation: str, action: str) -> ActionUse:
        """Return the facts about an action. Raises AccessDenied if AWS's reference does not list it."""
        prefix, _, name = lower_case(action).partition(":")
        use = self._reference.use_of(prefix, name)
        if use is None:
            raise unknown_action(service, operation)
        return use

    def _decide(
        self,
        question: AuthorizationQuestion,
        use: ActionUse,
        operation: str,
        context: Context,
        parameters: Mapping[str, object],
    ) -> tuple[PartialDecision, PartialRequest]:
        request = Request(self._caller.principal, question.action, question.resource, question.account, context)
        forms = tuple(_forms(question.resource, use, operation, self._caller.partition))
        partial = PartialRequest(request, forms, settled_keys(context, parameters))
        action = lower_case(question.action)
        if action in _ALWAYS_ALLOWED:
            return PartialDecision("Allow", None, None), partial
        layer = self._naming(action) if action in RETURNS_KEYS else self._layer
        return layer.decide(partial), partial

    def _naming(self, action: str) -> LimitingPolicies:
        """Return the policies with only those Allow statements that name the action without a wildcard."""
        if action not in self._by_name:
            self._by_name[action] = LimitingPolicies(
                policy._replace(statements=tuple(each for each in policy.statements if _names(each, action)))
                for policy in self._layer.policies
            )
        return self._by_name[action]

    def _refusal(
        self, question: AuthorizationQuestion, decision: PartialDecision, partial: PartialRequest
    ) -> SandboxRefusal:
        request = partial.request._replace(resource=shown(partial.request.resource))
        return denied(decision.as_decision(request, self._layer.policies), shown(question.shown))


def _names(statement: Statement, action: str) -> bool:
    """Whether the statement denies, or allows this action by its whole name."""
    if statement.effect == "Deny":
        return True
    actions = statement.actions
    return not actions.is_negated and action in {lower_case(text) for text in actions.written}


def unknown_action(service: str, operation: str) -> SandboxRefusal:
    """Return the error for an operation whose IAM action is unknown."""
    text = f"dsops guard: cannot tell which IAM action `{service}:{operation}` needs; not sent"
    return access_denied(text)


def _context_of(question: AuthorizationQuestion, base: Context) -> Context:
    """Return the condition keys of one action. The account of a resource is known if its ARN contains it."""
    context: Context = {**base, **question.context}
    for key in _KEYS_OF_AWS:
        context.pop(key, None)
    arn = parse_arn(question.resource)
    if arn is not None and is_account_id(arn.account):
        context["aws:ResourceAccount"] = (arn.account,)
    return context


def _forms(resource: str, use: ActionUse, operation: str, partition: str) -> Iterator[str]:
    """Yield the ARNs that the resource may have: for `*`, one of each type that the action can concern."""
    is_optional = not any(kind.is_required for kind in use.kinds)
    if resource != "*" or not use.kinds or (is_optional and operation.startswith(_MAY_NAME_NOTHING)):
        yield resource
        return
    if is_optional:
        yield resource
    for kind in use.kinds:
        yield _form(kind.arn, partition)


def _form(template: str, partition: str) -> str:
    text = template.replace("${Partition}", partition)
    parts = text.split("${")
    return parts[0] + "".join(ANY_TEXT + part.partition("}")[2] for part in parts[1:])


def _answered(question: AuthorizationQuestion, decision: PartialDecision, context: Context) -> GuardQuestion:
    return GuardQuestion(
        question.action,
        question.resource,
        context,
        decision.effect == "Allow",
        decision.effect,
        "" if decision.policy is None else decision.policy.name,
        decision.statement,
        decision.unknown,
    )


def unknown_words(questions: Iterable[GuardQuestion]) -> str:
    """Return a sentence about the unknown values that caused a denial; "" if there are none."""
    names: Sequence[str] = [name for question in questions for name in question.unknown]
    if not names:
        return ""
    return f"only AWS knows the value of {', '.join(dict.fromkeys(names))}, and unknown never allows"
