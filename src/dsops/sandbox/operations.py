"""An authenticated request that can be read -> it is allowed, question by question, and done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsops.arn import parse_arn
from dsops.sandbox import fence
from dsops.sandbox.answers import json_answer, query_answer
from dsops.sandbox.closed import check_open, check_own
from dsops.sandbox.iam_features import IamFeatures
from dsops.sandbox.iam_rules import IamRules
from dsops.sandbox.moto_answers import with_request_id
from dsops.sandbox.organization_planter import organization_models
from dsops.sandbox.organization_rules import check_organization_call
from dsops.sandbox.refusals import invalid_token, refusal
from dsops.sandbox.resources import Resources
from dsops.sandbox.root_user import is_about_root, perform_for_root
from dsops.sandbox.secret_rules import check_secret_call
from dsops.sandbox.secrets import read_batch, read_secret
from dsops.sandbox.vault import Place, Vault

if TYPE_CHECKING:
    from dsops.sandbox.authorize import Judge, Question
    from dsops.sandbox.caller import Caller
    from dsops.sandbox.models import Protocol
    from dsops.sandbox.outbound import Outbound
    from dsops.sandbox.route import Route
    from dsops.sandbox.turn import Turn
    from dsops.sandbox.wire import HttpAnswer
    from dsops.sandbox.world import World

# They find by its ARN what is in another region, and say themselves when they don't.
_OWN_REGIONS = frozenset({"secretsmanager"})


class Operations:
    """Everything but STS, in one world."""

    def __init__(self, world: World, vault: Vault, judge: Judge, outbound: Outbound) -> None:
        self._world = world
        self._vault = vault
        self._judge = judge
        self._resources = Resources(world, vault)
        self._iam = IamRules(world, vault)
        self._iam_features = IamFeatures(world, outbound)

    def perform(self, route: Route, turn: Turn) -> HttpAnswer:
        """The answer. Raises SandboxRefusal where the caller may not, or where it can't be done."""
        service, caller = route.service, turn.caller
        if service == "iam":
            _refuse_restricted(caller)
        elif not fence.knows_region(caller.region):
            message = f"The dsops sandbox has no region {caller.region}: botocore knows none such."
            raise refusal("InvalidRegion", message)
        if service == "ssm":
            self._vault.open_parameters()
        account = self._ask(service, turn)
        if service == "secretsmanager":
            return self._perform_secrets(turn, account)
        if service == "iam":
            return self._perform_iam(turn)
        if service == "organizations":
            organization_models()
            check_organization_call(self._world.organizations, turn.operation, turn.parameters, caller.account)
        answer = self._moto(service, turn, turn.parameters, account, caller.region, route.protocol)
        if service == "organizations":
            self._world.adopt_accounts()
        if route.protocol in {"query", "ec2"}:
            return answer._replace(body=with_request_id(answer.body, turn.request_id))
        return answer

    def _ask(self, service: str, turn: Turn) -> str:
        """The account in which it is done, once everything is allowed.

        The first question is about what it is done to; a key or a copy's source may be another account's.
        """
        account, asked = "", set()
        region = turn.caller.region
        for question in self._resources.questions(service, turn.operation, turn.parameters, turn.caller):
            self._require(turn, question)
            account = account or question.account
            asked.add(question.resource)
            arn = parse_arn(question.resource)
            if arn is not None and arn.region not in {"", "*", region} and service not in _OWN_REGIONS:
                # moto would look for the same name here.
                text = f"{question.resource} is not in {region}, where this request was sent."
                raise refusal("InvalidParameterValue", text)
        # Only who may do it hears that it can't be done here.
        check_open(service, turn.operation, turn.parameters)
        check_own(
            service, turn.operation, turn.parameters, turn.caller.account, self._world.partitions, frozenset(asked)
        )
        account = account or turn.caller.account
        if account not in self._world.partitions:
            raise refusal("NotImplemented", f"The dsops sandbox has no account {account}. Nothing was done.", 501)
        return account

    def _perform_secrets(self, turn: Turn, account: str) -> HttpAnswer:
        caller, parameters = turn.caller, dict(turn.parameters)
        if turn.operation == "GetSecretValue":
            return json_answer(read_secret(self._vault, caller, parameters))
        if turn.operation == "BatchGetSecretValue":

            def check(secret_id: str) -> None:
                action = "secretsmanager:GetSecretValue"
                self._require(turn, self._resources.of_secret(action, secret_id, caller, {}))

            return json_answer(read_batch(self._vault, caller, parameters, check))
        region = caller.region
        secret = self._vault.find_secret(turn.text("SecretId") or turn.text("Name"), Place(account, region))
        check_secret_call(turn.operation, parameters, secret)
        if secret is not None and "SecretId" in parameters:
            # The full ARN: what was allowed is what moto finds, whatever form of the name was sent.
            parameters["SecretId"], region = secret.arn, secret.region
        return self._moto("secretsmanager", turn, parameters, account, region, "json")

    def _perform_iam(self, turn: Turn) -> HttpAnswer:
        caller, operation = turn.caller, turn.operation
        result = self._iam_features.perform(operation, caller.account)
        if result is None and is_about_root(operation, turn.parameters, caller):
            result = perform_for_root(self._world, operation, turn.parameters, caller.account)
        if result is not None:
            return query_answer("iam", operation, result, turn.request_id)
        parameters = self._iam.before(operation, turn.parameters, caller, turn.now)
        if self._iam.instead(operation, parameters, caller):
            return query_answer("iam", operation, {}, turn.request_id)
        memory = self._iam.memory(operation, parameters, caller)
        answer = self._moto("iam", turn, parameters, caller.account, caller.region, "query")
        if answer.status == 200:
            self._iam.after(operation, parameters, caller, memory)
        return answer._replace(body=with_request_id(answer.body, turn.request_id))

    def _moto(
        self, service: str, turn: Turn, parameters: Mapping[str, object], account: str, region: str, protocol: Protocol
    ) -> HttpAnswer:
        call = fence.Call(service, turn.operation, parameters, account, region, turn.caller.key_id)
        return fence.perform(call, protocol)

    def _require(self, turn: Turn, question: Question) -> None:
        context = {**turn.context, "aws:ResourceAccount": (question.account,), **question.context}
        self._judge.require(turn.caller, question._replace(context=context), turn.request_id, turn.now)


def _refuse_restricted(caller: Caller) -> None:
    """IAM is closed to federated users and to GetSessionToken sessions without MFA, who hear that the token is bad."""
    session = caller.session
    if session is not None and session.kind not in {"role", "assumed-root"} and session.mfa_at is None:
        raise invalid_token()
