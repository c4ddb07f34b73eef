"""Operation and parameters -> what has to be allowed: actions, ARNs, the condition keys of the operation.

From AWS's service authorization reference. Where an operation's resource isn't known here it is `*`, so that only a
policy that says `*` allows it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.sandbox.authorization.authorize import AuthorizationQuestion
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
from dsops.sandbox.state.secrets import Vault
from dsops.sandbox.state.world import World

__all__ = ["ResourceResolver"]

_PREFIXES = {"dynamodbstreams": "dynamodb"}
"""Service of the model -> prefix of its actions, among those with a module of their own."""


class ResourceResolver:
    """What each operation is about, in one world."""

    def __init__(self, world: World, vault: Vault) -> None:
        self._world = world
        self._estate = estate = Estate(world)
        self._secrets = SecretResources(vault)
        keys = KeyStore(world)
        kms = KmsResources(keys)
        self.encryption = Encryption(vault, kms, keys)
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
            "ssm": ParameterResources(vault, self._secrets),
        }
        self._listed = ListedResources(estate)

    def questions(
        self, service: str, operation: str, parameters: Parameters, caller: Caller
    ) -> Iterator[AuthorizationQuestion]:
        """Everything that must be allowed for the operation to be done; the first is about what it is done to.

        The account of that first one is where it is done.
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
        # Only who may write one learns what is wrong with it.
        check_written_policy(service, operation, parameters, self._world.has_principal)

    def _of_service(
        self, service: str, operation: str, parameters: Parameters, caller: Caller
    ) -> Iterator[AuthorizationQuestion]:
        known = self._known.get(service)
        if known is None:
            return self._listed.questions(service, operation, parameters, caller)
        return self._of_known(known, service, operation, parameters, caller)

    def _of_known(
        self, known: Asks, service: str, operation: str, parameters: Parameters, caller: Caller
    ) -> Iterator[AuthorizationQuestion]:
        asked: set[str] = set()
        action = f"{_PREFIXES.get(service, service)}:{operation}"
        for question in known.questions(operation, parameters, caller):
            asked.add(question.resource)
            yield question
        if not asked:
            # An empty batch is about nothing; who may not do it to anything is told so.
            yield AuthorizationQuestion(action, "*", caller.account, {})
        for arn, account in foreign_arns(action.partition(":")[0], parameters, caller.account, asked):
            yield AuthorizationQuestion(action, arn, account, {})

    def of_secret(self, action: str, secret_id: str, caller: Caller, context: Context) -> AuthorizationQuestion:
        """The question about one secret, whether it exists or not."""
        return self._secrets.of_secret(action, secret_id, caller, context)
