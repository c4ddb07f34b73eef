"""Map an operation and its parameters to the actions, ARNs and condition keys to authorize.

The source is AWS's Service Authorization Reference. If an operation's resource is unknown, the operation is authorized
on `*`. Only a policy with the resource `*` then allows it. Imported by the sandbox and the guard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.request.lookups import Lookups
from dsops.request.parameter_values import Asks, Parameters
from dsops.request.question import AuthorizationQuestion, CallerView, Context
from dsops.request.resources.dynamodb import DynamoDbResources
from dsops.request.resources.iam import IamResources
from dsops.request.resources.kms import KmsResources
from dsops.request.resources.pass_role import passed_roles
from dsops.request.resources.reference.ec2 import tags_at_creation
from dsops.request.resources.reference.foreign_arns import foreign_arns
from dsops.request.resources.reference.resolver import ListedResources
from dsops.request.resources.s3 import S3Resources
from dsops.request.resources.secretsmanager import SecretResources
from dsops.request.resources.sns import SnsResources
from dsops.request.resources.sqs import SqsResources
from dsops.request.resources.ssm import ParameterResources
from dsops.request.resources.sts import StsResources

__all__ = ["ResourceResolver"]

_PREFIXES = {"dynamodbstreams": "dynamodb"}
"""Maps botocore's name of a service to the prefix of the service's actions, if the two differ."""


class ResourceResolver:
    """Yields the authorization checks of all services."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._secrets = SecretResources(lookups.secrets)
        self.kms = KmsResources(lookups.keys)
        dynamodb = DynamoDbResources(lookups.resources)
        self._known: Mapping[str, Asks] = {
            "dynamodb": dynamodb,
            "dynamodbstreams": dynamodb,
            "iam": IamResources(lookups.principals),
            "kms": self.kms,
            "s3": S3Resources(lookups.resources, self.kms),
            "secretsmanager": self._secrets,
            "sns": SnsResources(lookups.resources),
            "sqs": SqsResources(lookups.resources),
            "ssm": ParameterResources(lookups.secrets, self._secrets),
            "sts": StsResources(),
        }
        self._listed = ListedResources(lookups.resources, lookups.unknown)

    def questions(
        self, service: str, operation: str, parameters: Parameters, caller: CallerView
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
        yield from passed_roles(service, operation, parameters, caller, associated, self._lookups)

    def _of_service(
        self, service: str, operation: str, parameters: Parameters, caller: CallerView
    ) -> Iterator[AuthorizationQuestion]:
        resources = self._known.get(service)
        if resources is None:
            return self._listed.questions(service, operation, parameters, caller)
        return self._of_known(resources, service, operation, parameters, caller)

    def _of_known(
        self, asker: Asks, service: str, operation: str, parameters: Parameters, caller: CallerView
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

    def of_secret(self, action: str, secret_id: str, caller: CallerView, context: Context) -> AuthorizationQuestion:
        """Return the authorization check for one secret, whether the secret exists or not."""
        return self._secrets.of_secret(action, secret_id, caller, context)
