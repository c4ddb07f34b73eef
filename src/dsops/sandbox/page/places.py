"""Where a policy that was evaluated is stored, its document now, and the operation that replaces it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dsops.arn import Arn, parse_arn
from dsops.policy import Request
from dsops.request.lookups import SecretLocation
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.state.estate import Estate
from dsops.sandbox.state.kms_keys import KeyStore
from dsops.sandbox.state.secrets import SecretStorage
from dsops.sandbox.state.world import OF_GROUP, World

NEW_POLICY = "added-on-the-page"
"""The name of an inline policy that the page adds to a user or role."""


class PolicyPlace(NamedTuple):
    """A stored policy, and the operation of AWS that replaces it."""

    account: str
    region: str
    """The region of the resource; "" for a policy that has no region."""
    service: str
    operation: str
    parameters: Mapping[str, object]
    document: str
    """The name of the parameter for the document; `OUTER.INNER` for a parameter that is a mapping."""
    text: str
    """The document that is stored now; "" if there is none."""

    def with_text(self, text: str) -> dict[str, object]:
        """Return the parameters that store another document."""
        outer, dot, inner = self.document.partition(".")
        return {**self.parameters, outer: {inner: text} if dot else text}


def place_of(world: World, request: Request, kind: str, name: str) -> PolicyPlace | None:
    """Return where the policy of this kind and name is stored that was evaluated for the request.

    The inline policy NEW_POLICY of the caller may not exist yet. Returns None for a policy that cannot be replaced: one
    of AWS, of a session, or of a resource that the page does not know, and for a policy whose owner is gone.
    """
    if kind == "trust":
        role = world.role_at(request.resource)
        if role is None:
            return None
        return _iam(role.account, "UpdateAssumeRolePolicy", {"RoleName": role.name}, role.trust)
    if kind in {"scp", "rcp"}:
        return _of_organization(world, request, kind, name)
    if kind == "resource":
        return _of_resource(world, request, name)
    if name.startswith("arn:"):
        return _managed(world, name)
    return _inline(world, request, name) if kind == "identity" else None


def _iam(account: str, operation: str, parameters: Mapping[str, object], text: str) -> PolicyPlace:
    return PolicyPlace(account, "", "iam", operation, parameters, "PolicyDocument", text)


def _managed(world: World, name: str) -> PolicyPlace | None:
    arn = parse_arn(name)
    if arn is None or arn.account not in world.partitions:
        return None
    parameters = {"PolicyArn": name, "SetAsDefault": True}
    return _iam(arn.account, "CreatePolicyVersion", parameters, _text_of(world.managed_policy(arn.account, name)))


def _inline(world: World, request: Request, name: str) -> PolicyPlace | None:
    """Return the place of an inline policy of the caller, or of a group of the caller."""
    principal = request.principal
    if principal.kind == "role-session":
        role = world.role_at(principal.issuer_arn)
        if role is None:
            return None
        text = world.backend(role.account).roles[role.unique_id].policies.get(name, "")
        return _iam(role.account, "PutRolePolicy", {"RoleName": role.name, "PolicyName": name}, text)
    user = world.user_at(principal.arn)
    if user is None:
        return None
    backend = world.backend(user.account)
    owner = backend.users[user.name]
    name, _, group_name = name.partition(OF_GROUP)
    if group_name:
        group = next((group for group in backend.groups.values() if group.name == group_name), None)
        if group is None or owner not in group.users:
            return None
        parameters = {"GroupName": group_name, "PolicyName": name}
        return _iam(user.account, "PutGroupPolicy", parameters, group.policies.get(name, ""))
    text = owner.policies.get(name, "")
    return _iam(user.account, "PutUserPolicy", {"UserName": user.name, "PolicyName": name}, text)


def _of_organization(world: World, request: Request, kind: str, name: str) -> PolicyPlace | None:
    arn, organizations = parse_arn(name), world.organizations
    if arn is None or arn.account not in world.partitions:
        return None
    levels = (
        organizations.service_control(request.principal.account)
        if kind == "scp"
        else organizations.resource_control(request.resource_account, request.action)
    )
    text = next((policy.text for level in levels for policy in level if policy.name == name), "")
    policy_id = {"PolicyId": name.rpartition("/")[2]}
    return PolicyPlace(arn.account, "", "organizations", "UpdatePolicy", policy_id, "Content", text)


def _of_resource(world: World, request: Request, name: str) -> PolicyPlace | None:
    arn = parse_arn(request.resource)
    find = None if arn is None else _RESOURCES.get(arn.service)
    # A KMS key's policy and its grants are evaluated as one document, but AWS stores no such document that could be
    # changed.
    if arn is None or find is None or name.endswith("and its grants"):
        return None
    return find(world, arn, request)


def _of_bucket(world: World, arn: Arn, request: Request) -> PolicyPlace:
    name, account = arn.resource.partition("/")[0], request.resource_account
    bucket = Estate(world).bucket(name, arn.partition)
    text = _text_of(None if bucket is None else bucket.policy)
    return PolicyPlace(account, "", "s3", "PutBucketPolicy", {"Bucket": name}, "Policy", text)


def _of_key(world: World, arn: Arn, request: Request) -> PolicyPlace:
    account = request.resource_account
    key = KeyStore(world).key(SecretLocation(account, arn.region), arn.resource_name)
    parameters = {"KeyId": request.resource, "PolicyName": "default"}
    text = _text_of(None if key is None else key.policy)
    return PolicyPlace(account, arn.region, "kms", "PutKeyPolicy", parameters, "Policy", text)


def _of_secret(world: World, arn: Arn, request: Request) -> PolicyPlace:
    account, secret_id = request.resource_account, {"SecretId": request.resource}
    secret = SecretStorage(world).find_secret(request.resource, SecretLocation(account, arn.region))
    text = _text_of(None if secret is None else secret.policy)
    operation = "PutResourcePolicy"
    return PolicyPlace(account, arn.region, "secretsmanager", operation, secret_id, "ResourcePolicy", text)


def _of_queue(world: World, arn: Arn, _: Request) -> PolicyPlace:
    queue = Estate(world).queue(SecretLocation(arn.account, arn.region), arn.resource)
    url = {"QueueUrl": f"https://sqs.{arn.region}.amazonaws.com/{arn.account}/{arn.resource}"}
    text = _text_of(None if queue is None else queue.policy)
    return PolicyPlace(arn.account, arn.region, "sqs", "SetQueueAttributes", url, "Attributes.Policy", text)


def _of_topic(world: World, arn: Arn, request: Request) -> PolicyPlace:
    topic = Estate(world).topic(request.resource)
    parameters = {"TopicArn": request.resource, "AttributeName": "Policy"}
    text = _text_of(None if topic is None else topic.policy)
    return PolicyPlace(arn.account, arn.region, "sns", "SetTopicAttributes", parameters, "AttributeValue", text)


def _of_table(world: World, arn: Arn, request: Request) -> PolicyPlace:
    table = request.resource.partition("/index/")[0]
    text = _text_of(Estate(world).table_policy(SecretLocation(arn.account, arn.region), table))
    return PolicyPlace(arn.account, arn.region, "dynamodb", "PutResourcePolicy", {"ResourceArn": table}, "Policy", text)


def _of_repository(world: World, arn: Arn, request: Request) -> PolicyPlace:
    name = arn.resource.removeprefix("repository/")
    text = _text_of(Estate(world).held_at(request.resource).policy)
    parameters = {"registryId": arn.account, "repositoryName": name}
    return PolicyPlace(arn.account, arn.region, "ecr", "SetRepositoryPolicy", parameters, "policyText", text)


_RESOURCES = {
    "dynamodb": _of_table,
    "ecr": _of_repository,
    "kms": _of_key,
    "s3": _of_bucket,
    "secretsmanager": _of_secret,
    "sns": _of_topic,
    "sqs": _of_queue,
}
"""Service -> the function that finds the policy of a resource of this service."""


def _text_of(policy: StoredPolicy | None) -> str:
    return "" if policy is None else policy.text
