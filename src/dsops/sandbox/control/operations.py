"""Authorize a parsed, authenticated request, then perform it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from dsops.arn import parse_arn
from dsops.request.lookups import SecretLocation
from dsops.request.question import AuthorizationQuestion
from dsops.request.resources.ssm import with_plain_names
from dsops.request.wire import s3_requests
from dsops.request.wire.errors import invalid_token, refusal
from dsops.request.wire.models import ROLES_ANYWHERE, signing_name
from dsops.request.wire.responses import json_answer, with_request_id
from dsops.sandbox.authorization.stored_resources import StoredResources
from dsops.sandbox.iam_api.operations import IamOperations
from dsops.sandbox.services import queue_addresses
from dsops.sandbox.services.kms_denials import key_denied, key_unusable
from dsops.sandbox.services.kms_requests import check_key_call
from dsops.sandbox.services.kms_responses import complete_key_answer, with_key_defaults
from dsops.sandbox.services.organizations import check_organization_call
from dsops.sandbox.services.secret_checks import adds_version, check_secret_call, check_secret_name, too_many_versions
from dsops.sandbox.services.secret_reading import list_versions, read_batch, read_secret
from dsops.sandbox.services.ssm_parameters import (
    check_parameter_names,
    split_names,
    with_asked_names,
    with_invalid,
    with_sealed_values,
)
from dsops.sandbox.state import fence, long_poll
from dsops.sandbox.state.backend_responses import in_cbor
from dsops.sandbox.state.buckets import check_acl, check_owners, check_upload, with_stored_headers
from dsops.sandbox.state.closed_operations import check_open, check_own
from dsops.sandbox.state.kms_keys import KeyStore
from dsops.sandbox.state.organization_builder import organization_models
from dsops.sandbox.state.secrets import SecretStorage, StoredSecret, note_access
from dsops.sandbox.state.sns_subscriptions import no_half_subscription

if TYPE_CHECKING:
    from dsops.request.messages import HttpAnswer
    from dsops.request.wire.models import Protocol
    from dsops.request.wire.route import Route
    from dsops.sandbox.authorization.authorizer import Authorizer
    from dsops.sandbox.authorization.caller import Caller
    from dsops.sandbox.authorization.encryption import KeyUse, Service
    from dsops.sandbox.authorization.request import AuthenticatedRequest
    from dsops.sandbox.functions.service import ServiceActions
    from dsops.sandbox.roles_anywhere.service import RolesAnywhere
    from dsops.sandbox.state.world import World
    from dsops.sandbox.sts.outbound import Outbound

# Services that find a resource of another region by its ARN, and that report a missing resource themselves.
_OWN_REGIONS = frozenset({"secretsmanager"})


class Operations:
    """The operations of all services except STS, in one sandbox."""

    def __init__(
        self,
        world: World,
        secret_storage: SecretStorage,
        judge: Authorizer,
        outbound: Outbound,
        roles_anywhere: RolesAnywhere,
        functions: ServiceActions,
    ) -> None:
        self._world = world
        self._secret_storage = secret_storage
        self._judge = judge
        self._keys = KeyStore(world)
        self._resources = StoredResources(world, secret_storage)
        self._functions = functions
        self._iam = IamOperations(world, secret_storage, outbound)
        self._special: dict[str, Callable[[AuthenticatedRequest, str, str], HttpAnswer]] = {
            "iam": self._perform_iam,
            "kms": self._perform_keys,
            "lambda": self._perform_functions,
            "organizations": self._perform_organizations,
            ROLES_ANYWHERE: lambda turn, _account, _resource: roles_anywhere.perform(turn),
            "s3": self._perform_s3,
            "secretsmanager": self._perform_secrets,
            "sns": self._perform_topics,
            "ssm": self._perform_parameters,
        }
        """Service -> the handler for operations that moto alone does not perform as AWS does.

        A handler is called with the request, the account and the resource.
        """

    def serve(self, service: str, handler: Callable[[AuthenticatedRequest, str, str], HttpAnswer]) -> None:
        """Let the handler perform a service's operations once they are authorized."""
        self._special[service] = handler

    def perform(self, route: Route, turn: AuthenticatedRequest) -> HttpAnswer:
        """Authorize and perform the operation. Raises SandboxRefusal if it is denied or fails."""
        service, caller = route.service, turn.caller
        if service == "iam":
            _refuse_restricted(caller)
        elif not fence.knows_region(caller.region):
            message = f"The dsops sandbox has no region {caller.region}: botocore does not list it."
            raise refusal("InvalidRegion", message)
        if service == "ssm":
            self._secret_storage.open_parameters()
        if service == "s3" and route.request is not None:
            turn = turn._replace(parameters=s3_requests.ready(turn.operation, turn.parameters, route.request))
        account, resource = self._authorize(service, turn)
        # The JSON form of the response is corrected first, so the conversion to CBOR comes last.
        protocol: Protocol = "json" if route.protocol == "cbor" else route.protocol
        special = self._special.get(service)
        if special is not None:
            answer = special(turn, account, resource)
        elif service == "sqs":
            answer = self._moto(service, turn, queue_addresses.ready(turn.parameters, resource), account, protocol)
            answer = queue_addresses.with_compact_redrive(answer, turn.operation)
            answer = queue_addresses.with_host(answer, turn.operation, caller.region, turn.host)
        else:
            answer = self._moto(service, turn, turn.parameters, account, protocol)
        if route.protocol == "cbor":
            return answer.mapped(partial(in_cbor, service, turn.operation))
        if special is None and protocol in {"query", "ec2"}:
            return answer.mapped(
                lambda response: response._replace(body=with_request_id(response.body, turn.request_id))
            )
        return answer

    def _authorize(self, service: str, turn: AuthenticatedRequest) -> tuple[str, str]:
        """Authorize the operation; return the account in which it is performed, and its first resource.

        The first authorization check is about the resource that the operation acts on. Later checks, such as about a
        KMS key or the source of a copy, may concern another account.
        """
        asked_resources: set[str] = set()
        account = first_resource = ""
        region = turn.caller.region
        for question in self._resources.questions(service, turn.operation, turn.parameters, turn.caller):
            self._require(turn, question)
            if not asked_resources:
                account, first_resource = question.account, question.resource
            asked_resources.add(question.resource)
            arn = parse_arn(question.resource)
            if arn is not None and arn.region not in {"", "*", region} and service not in _OWN_REGIONS:
                # moto would look for a resource of the same name in this region.
                text = f"{question.resource} is not in {region}, where this request was sent."
                raise refusal("InvalidParameterValue", text)
        if not asked_resources:
            # A request with an empty list (of names, of items) has no checks of its own, so `*` is checked.
            action = f"{signing_name(service)}:{turn.operation}"
            self._require(turn, AuthorizationQuestion(action, "*", turn.caller.account, {}))
        # Only an authorized caller learns that the sandbox does not support the operation.
        if not self._functions.serves(service, turn.operation):
            check_open(service, turn.operation, turn.parameters)
        check_own(
            service,
            turn.operation,
            turn.parameters,
            turn.caller.account,
            self._world.partitions,
            frozenset(asked_resources),
        )
        account = account or turn.caller.account
        if account not in self._world.partitions:
            raise refusal("NotImplemented", f"The dsops sandbox has no account {account}. Nothing was done.", 501)
        return account, first_resource

    def _perform_secrets(self, turn: AuthenticatedRequest, account: str, _: str) -> HttpAnswer:
        caller, parameters = turn.caller, dict(turn.parameters)
        check_secret_name(parameters)
        if turn.operation == "ListSecretVersionIds":
            return json_answer(list_versions(self._secret_storage, caller, parameters))

        def decrypt(secret: StoredSecret, version_id: str) -> None:
            self._use_key(turn, self._resources.encryption.of_secret(secret, version_id, caller), "secretsmanager")
            note_access(secret, version_id, turn.now)

        if turn.operation == "GetSecretValue":
            return json_answer(read_secret(self._secret_storage, caller, parameters, decrypt))
        if turn.operation == "BatchGetSecretValue":

            def check(secret_id: str) -> None:
                action = "secretsmanager:GetSecretValue"
                self._require(turn, self._resources.of_secret(action, secret_id, caller, {}))

            return json_answer(read_batch(self._secret_storage, caller, parameters, check, decrypt))
        region = caller.region
        secret = self._secret_storage.find_secret(
            turn.text("SecretId") or turn.text("Name"), SecretLocation(account, region)
        )
        check_secret_call(turn.operation, parameters, secret, caller.account, self._world.has_principal)
        for use in self._resources.encryption.of_new_value(turn.operation, parameters, secret, caller):
            self._use_key(turn, use, "secretsmanager")
        if secret is not None and "SecretId" in parameters:
            # moto gets the full ARN, so that it finds exactly the secret that was authorized, in whatever form the
            # request named it.
            parameters["SecretId"], region = secret.arn, secret.region
            if adds_version(turn.operation, parameters, secret) and not self._secret_storage.make_room(
                secret, turn.now
            ):
                raise too_many_versions()
        answer = self._moto("secretsmanager", turn, parameters, account, "json", region)
        if turn.operation == "UpdateSecretVersionStage" and secret is not None:
            self._secret_storage.follow_current(secret)
        return answer

    def _perform_iam(self, turn: AuthenticatedRequest, _account: str, _resource: str) -> HttpAnswer:
        account = turn.caller.account
        return self._iam.perform(turn, lambda parameters: self._moto("iam", turn, parameters, account, "query"))

    def _perform_s3(self, turn: AuthenticatedRequest, account: str, _: str) -> HttpAnswer:
        check_owners(turn.parameters)
        check_acl(account, turn.caller.partition, turn.operation, turn.parameters)
        self._functions.check_bucket(turn, account, turn.parameters)
        if "UploadId" in turn.parameters:
            names = (turn.text(name) for name in ("Bucket", "Key", "UploadId"))
            check_upload(account, turn.caller.partition, *names)
        answer = self._moto("s3", turn, turn.parameters, account, "rest-xml")
        if answer.status >= 400:
            return answer._replace(body=with_request_id(answer.body, turn.request_id))
        bucket_arn = f"arn:{turn.caller.partition}:s3:::{turn.text('Bucket')}"
        return answer._replace(headers=with_stored_headers(turn.operation, answer.headers, bucket_arn))

    def _perform_keys(self, turn: AuthenticatedRequest, account: str, key_arn: str) -> HttpAnswer:
        check_key_call(turn.operation, turn.parameters, turn.caller, self._keys, self._world.has_principal)
        answer = self._moto("kms", turn, with_key_defaults(turn.operation, turn.parameters), account, "json")
        return complete_key_answer(turn.operation, turn.parameters, key_arn, answer)

    def _perform_functions(self, turn: AuthenticatedRequest, account: str, resource: str) -> HttpAnswer:
        if turn.operation == "Invoke":
            return self._functions.invoke(turn, account, resource)
        self._functions.check(turn, account)
        return self._moto("lambda", turn, turn.parameters, account, "rest-json")

    def _perform_topics(self, turn: AuthenticatedRequest, account: str, _: str) -> HttpAnswer:
        with no_half_subscription(SecretLocation(account, turn.caller.region)) as answers:
            answers.append(self._moto("sns", turn, turn.parameters, account, "query"))
        return answers[0]._replace(body=with_request_id(answers[0].body, turn.request_id))

    def _perform_parameters(self, turn: AuthenticatedRequest, account: str, _: str) -> HttpAnswer:
        operation = turn.operation
        check_parameter_names(operation, turn.parameters)
        parameters = with_plain_names(turn.parameters, turn.caller)
        for use in self._resources.encryption.of_parameters(operation, parameters, turn.caller):
            self._use_key(turn, use, "ssm")
        place = SecretLocation(account, turn.caller.region)
        missing: list[str] = []
        sent = parameters
        if operation == "GetParameters":
            names, missing = split_names(
                parameters, lambda name: self._secret_storage.find_secret(name, place) is not None
            )
            sent = {**parameters, "Names": names}
        try:
            answer = self._moto("ssm", turn, sent, account, "json")
        finally:
            self._secret_storage.drop_leftovers(place)
        if missing and answer.status == 200:
            answer = with_invalid(answer, missing)
        answer = with_sealed_values(operation, parameters, answer)
        return with_asked_names(operation, turn.parameters, parameters, answer)

    def _perform_organizations(self, turn: AuthenticatedRequest, account: str, _: str) -> HttpAnswer:
        organization_models()
        check_organization_call(self._world.organizations, turn.operation, turn.parameters, turn.caller.account)
        answer = self._moto("organizations", turn, turn.parameters, account, "json")
        self._world.adopt_accounts()
        return answer

    def _moto(
        self,
        service: str,
        turn: AuthenticatedRequest,
        parameters: Mapping[str, object],
        account: str,
        protocol: Protocol,
        region: str = "",
    ) -> HttpAnswer:
        caller = turn.caller
        call = fence.MotoCall(service, turn.operation, parameters, account, region or caller.region, caller.key_id)
        return long_poll.perform(call, protocol, self._world.lock)

    def _require(self, turn: AuthenticatedRequest, question: AuthorizationQuestion) -> None:
        self._judge.require(turn.caller, _in_context(turn, question), turn.request_id, turn.now)

    def _use_key(self, turn: AuthenticatedRequest, use: KeyUse, service: Service) -> None:
        """Require permission to use the KMS key. Raises SandboxRefusal with the calling service's message."""
        question = _in_context(turn, use.question)
        # Every caller may use an AWS managed key. Its allowed uses are not stored among the decisions, only its denied
        # uses.
        decision = self._judge.decide(
            turn.caller, question, turn.request_id, turn.now, is_kept_when_allowed=not use.is_managed
        )
        if not decision.is_allowed:
            raise key_denied(service, decision, turn.request_id)
        if use.state not in {"", "Enabled"}:
            raise key_unusable(service, question, use.state, turn.request_id)


def _in_context(turn: AuthenticatedRequest, question: AuthorizationQuestion) -> AuthorizationQuestion:
    action, resource, account, keys, policy, shown, must_policy_allow = question
    context = {**turn.context, "aws:ResourceAccount": (account,), **keys}
    return AuthorizationQuestion(action, resource, account, context, policy, shown, must_policy_allow)


def _refuse_restricted(caller: Caller) -> None:
    """Raise InvalidClientTokenId, as AWS does, if the caller's session must not call IAM.

    IAM refuses federated users, and GetSessionToken sessions without MFA.
    """
    session = caller.session
    if session is not None and session.kind not in {"role", "assumed-root"} and session.mfa_at is None:
        raise invalid_token()
