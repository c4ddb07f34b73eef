"""Map an operation and its parameters to the actions, ARNs and condition keys to authorize.

The source is AWS's Service Authorization Reference. If an operation's resource is unknown, the operation is authorized
on `*`. Only a policy with the resource `*` then allows it. Imported by `control`, `iam_api` and `services`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.sandbox.authorization.authorizer import AuthorizationQuestion
from dsops.sandbox.authorization.caller import Caller
from dsops.sandbox.authorization.context import Context
from dsops.sandbox.authorization.parameter_values import Asks, Parameters
from dsops.sandbox.authorization.resources.dynamodb import DynamoDbResources
from dsops.sandbox.authorization.resources.encryption import Encryption
from dsops.sandbox.authorization.resources.iam import IamResources
from dsops.sandbox.authorization.resources.kms import KmsResources
from dsops.sandbox.authorization.resources.pass_role import passed_roles, roles_in_profiles
from dsops.sandbox.authorization.resources.policy_documents import check_written_policy
from dsops.sandbox.authorization.resources.reference.ec2 import tags_at_creation
from dsops.sandbox.authorization.resources.reference.foreign_arns import foreign_arns
from dsops.sandbox.authorization.resources.reference.resolver import ListedResources
from dsops.sandbox.authorization.resources.s3 import S3Resources
from dsops.sandbox.authorization.resources.secretsmanager import SecretResources
from dsops.sandbox.authorization.resources.sns import SnsResources
from dsops.sandbox.authorization.resources.sqs import SqsResources
from dsops.sandbox.authorization.resources.ssm import ParameterResources
from dsops.sandbox.state.estate import Estate
from dsops.sandbox.state.kms_keys import KeyStore
from dsops.sandbox.state.secrets import SecretStorage
from dsops.sandbox.state.world import World

__all__ = ["ResourceResolver"]

_PREFIXES = {"dynamodbstreams": "dynamodb"}
"""Maps botocore's name of a service to the prefix of the service's actions, if the two differ."""


class ResourceResolver:
    """Yields the authorization checks of all services in one sandbox."""

    def __init__(self, world: World, secret_storage: SecretStorage) -> None:
        self._world = world
        self._estate = estate = Estate(world)
        self._secrets = SecretResources(secret_storage)
        keys = KeyStore(world)
        kms = KmsResources(keys)
        self.encryption = Encryption(secret_storage, kms, keys)
        dynamodb = DynamoDbResources(estate)
        self._known: Mapping[str, Asks] = {
            "dynamodb": dynamodb,
            "dynamodbstreams": dynamodb,
            "iam": IamResources(world),
            "kms": kms,
            "s3": S3Resources(estate, kms),
            "secretsmanager": self._secrets,
            "sns": SnsResources(estate),
            "sqs": SqsResources(estate),
            "ssm": ParameterResources(secret_storage, self._secrets),
        }
        self._listed = ListedResources(estate)

    def questions(
        self, service: str, operation: str, parameters: Parameters, caller: Caller
    ) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of an operation.

        The first check is for the resource that the operation acts on. The operation is performed in the account of
        this check.
        """
        associated = ""
        for question in self._of_service(service, operation, parameters, caller):
            associated = associated or question.resource
            yield question
        if service == "ec2":
            yield from tags_at_creation(operation, parameters, caller)
        if service in {"autoscaling", "ec2", "emr"}:
            yield from roles_in_profiles(parameters, caller, self._estate)
        if service != "iam":
            yield from passed_roles(service, operation, parameters, caller, associated, self._world.role_named)
        # The document is validated last: only a caller who may write the policy learns what is wrong with it.
        check_written_policy(service, operation, parameters, self._world.has_principal)

    def _of_service(
        self, service: str, operation: str, parameters: Parameters, caller: Caller
    ) -> Iterator[AuthorizationQuestion]:
        resources = self._known.get(service)
        if resources is None:
            return self._listed.questions(service, operation, parameters, caller)
        return self._of_known(resources, service, operation, parameters, caller)

    def _of_known(
        self, asker: Asks, service: str, operation: str, parameters: Parameters, caller: Caller
    ) -> Iterator[AuthorizationQuestion]:
        asked_resources: set[str] = set()
        action = f"{_PREFIXES.get(service, service)}:{operation}"
        for question in asker.questions(operation, parameters, caller):
            asked_resources.add(question.resource)
            yield question
        if not asked_resources:
            # An empty batch names no resource. A check on `*` refuses a caller without any permission.
            yield AuthorizationQuestion(action, "*", caller.account, {})
        for arn, account in foreign_arns(action.partition(":")[0], parameters, caller.account, asked_resources):
            yield AuthorizationQuestion(action, arn, account, {})

    def of_secret(self, action: str, secret_id: str, caller: Caller, context: Context) -> AuthorizationQuestion:
        """Return the authorization check for one secret, whether the secret exists or not."""
        return self._secrets.of_secret(action, secret_id, caller, context)
