"""Decide about deliveries between services: whether the target's policy, or a role, allows the service to deliver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dsops.arn import Arn, parse_arn
from dsops.errors import SandboxRefusal
from dsops.policy import Principal
from dsops.request.lookups import SecretLocation
from dsops.request.question import AuthorizationQuestion, Context
from dsops.request.wire.errors import denied, refusal
from dsops.request.wire.models import protocols
from dsops.request.wire.route import Route
from dsops.sandbox.authorization.authorizer import Authorizer
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.context import membership_keys
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.authorization.stored_resources import StoredResources
from dsops.sandbox.cloudtrail.events import Events
from dsops.sandbox.functions.invocations import INNER_REQUEST, Invocations, Powers
from dsops.sandbox.state.identifiers import new_request_id
from dsops.sandbox.state.service_actions.deliveries import Delivery
from dsops.sandbox.state.service_actions.event_sources import encryption_key
from dsops.sandbox.state.service_actions.functions import find_function
from dsops.sandbox.sts.service_use import ServiceUse

_OPERATIONS: Mapping[str, tuple[str, str]] = {
    "lambda": ("Invoke", "FunctionName"),
    "sns": ("Publish", "TopicArn"),
    "sqs": ("SendMessage", "QueueUrl"),
}
"""Service of a target -> the operation with which a message is delivered, and the parameter that names the target."""
_BUCKET_TARGETS: Mapping[str, str] = {
    "LambdaFunctionConfigurations": "LambdaFunctionArn",
    "QueueConfigurations": "QueueArn",
    "TopicConfigurations": "TopicArn",
}


class Deliveries:
    """The deliveries of one sandbox."""

    def __init__(
        self, powers: Powers, judge: Authorizer, resources: StoredResources, events: Events, invocations: Invocations
    ) -> None:
        self._powers = powers
        self._judge = judge
        self._resources = resources
        self._events = events
        self._invocations = invocations

    def deliver(self, delivery: Delivery) -> bool:
        """Whether the delivery is allowed. If it is, and its target is a function, the function is started.

        A refused delivery is among the decisions, and among the data events of CloudTrail.
        """
        target = parse_arn(delivery.target)
        if target is None or target.service not in _OPERATIONS or not self._is_allowed(delivery, target):
            return False
        if target.service == "lambda":
            self._start(delivery, target)
        return True

    def check_bucket(self, bucket: str, account: str, partition: str, parameters: Mapping[str, object]) -> None:
        """Raise InvalidArgument if S3 may not deliver to a target of PutBucketNotificationConfiguration."""
        configuration: Any = parameters.get("NotificationConfiguration") or {}
        if parameters.get("SkipDestinationValidation") is True:
            return
        source = f"arn:{partition}:s3:::{bucket}"
        for kind, name in _BUCKET_TARGETS.items():
            for target in configuration.get(kind) or ():
                delivery = Delivery("s3.amazonaws.com", str(target.get(name)), source, account)
                arn = parse_arn(delivery.target)
                if arn is None or arn.service not in _OPERATIONS or not self._is_allowed(delivery, arn):
                    message = "Unable to validate the following destination configurations"
                    raise refusal("InvalidArgument", message)

    def _is_allowed(self, delivery: Delivery, target: Arn) -> bool:
        context = self._context(delivery, target)
        caller = self._caller(delivery, target)
        if caller is None:
            return False
        request_id, now = new_request_id(), self._powers.clock.now()
        for question in self._questions(delivery, target, caller):
            keys = {**context, "aws:ResourceAccount": (question.account,), **question.context}
            decision = self._judge.decide(caller, question._replace(context=keys), request_id, now)
            if not decision.is_allowed:
                self._record(target, AuthenticatedRequest(caller, "", {}, keys, now, request_id), denied(decision))
                return False
        return True

    def _questions(self, delivery: Delivery, target: Arn, caller: Caller) -> Iterator[AuthorizationQuestion]:
        """Yield the checks of a delivery: of the target, and of the key with which the target is encrypted."""
        operation, parameters = _call(target)
        yield from self._resources.questions(target.service, operation, parameters, caller)
        key = encryption_key(delivery.target)
        if key:
            for key_operation in ("GenerateDataKey", "Decrypt"):
                yield from self._resources.questions("kms", key_operation, {"KeyId": key}, caller)

    def _caller(self, delivery: Delivery, target: Arn) -> Caller | None:
        """Return the service, or the session of the role with which it delivers; None if it may not assume the role."""
        if not delivery.role:
            principal = Principal("service", "", "", federated=delivery.service)
            return Caller(principal, target.partition, "", "", target.region, None, None, None, {})
        role = self._powers.world.role_at(delivery.role)
        if role is None:
            return None
        source = {"aws:SourceAccount": (delivery.source_account,), "aws:SourceArn": (delivery.source_arn,)}
        try:
            issued = self._powers.assume(role, ServiceUse(delivery.service, new_request_id().replace("-", ""), source))
        except SandboxRefusal:
            return None
        return self._invocations.caller(issued, target.region)

    def _context(self, delivery: Delivery, target: Arn) -> Context:
        context: Context = {
            "aws:SourceArn": (delivery.source_arn,),
            "aws:SourceAccount": (delivery.source_account,),
            "aws:RequestedRegion": (target.region,),
        }
        if not delivery.role:
            context |= {
                "aws:PrincipalIsAWSService": ("true",),
                "aws:PrincipalServiceName": (delivery.service,),
                "aws:PrincipalServiceNamesList": (delivery.service,),
            }
        organizations = self._powers.world.organizations
        if organizations.are_used:
            context |= membership_keys(organizations.membership(delivery.source_account), "Source")
        return context

    def _record(self, target: Arn, turn: AuthenticatedRequest, refused: SandboxRefusal) -> None:
        operation, parameters = _call(target)
        turn = turn._replace(operation=operation, parameters=parameters)
        protocol = protocols(target.service)[0]
        route = Route(target.service, operation, protocol, wants_json=False, fields={}, document={})
        self._events.add(INNER_REQUEST, route, turn, {}, refused, recipient=target.account)

    def _start(self, delivery: Delivery, target: Arn) -> None:
        """Start the function. If that fails, the decisions of its role show why, as for Invoke."""
        name, _, qualifier = target.resource.removeprefix("function:").partition(":")
        function = find_function(SecretLocation(target.account, target.region), name, qualifier)
        if function is None or self._invocations.host is None:
            return
        try:
            self._invocations.start(function, delivery.target, delivery.payload.encode(), new_request_id())
        except SandboxRefusal:
            return


def _call(target: Arn) -> tuple[str, dict[str, object]]:
    """Return the operation and the parameter with which a message is delivered to a target."""
    operation, name = _OPERATIONS[target.service]
    url = f"https://sqs.{target.region}.amazonaws.com/{target.account}/{target.resource}"
    return operation, {name: url if target.service == "sqs" else str(target)}
