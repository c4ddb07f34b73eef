"""Read the facts in the output of `terraform show -json`: a state, or each side of a plan.

An attribute that is `known after apply` is unknown, except where the plan's configuration says that it refers to
another resource: then that resource's ARN takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dsops.access.facts.declared import DeclaredFacts, OwnerKind, permission_statement
from dsops.access.facts.made_up_arns import made_up_arn, name_from_id
from dsops.access.facts.terraform_values import (
    Modules,
    TerraformResource,
    Values,
    mapping,
    objects,
    place_of,
    read_resources,
    strings,
)
from dsops.access.facts.world import OrganizationFacts
from dsops.document.template_functions import UNKNOWN
from dsops.errors import PolicyInvalid
from dsops.policy import default_key_policy

_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "aws_iam_role": ("role", "name"),
    "aws_iam_user": ("user", "name"),
    "aws_iam_group": ("group", "name"),
    "aws_iam_policy": ("policy", "name"),
    "aws_iam_instance_profile": ("instance profile", "name"),
    "aws_iam_openid_connect_provider": ("oidc provider", "url"),
    "aws_iam_saml_provider": ("saml provider", "name"),
    "aws_s3_bucket": ("bucket", "bucket"),
    "aws_secretsmanager_secret": ("secret", "name"),
    "aws_kms_key": ("key", "key_id"),
    "aws_sqs_queue": ("queue", "name"),
    "aws_sns_topic": ("topic", "name"),
    "aws_lambda_function": ("function", "function_name"),
    "aws_ssm_parameter": ("parameter", "name"),
}
"""For each type of resource the kind of its ARN, and the attribute with its name."""

_OWNERS: Final[Mapping[str, OwnerKind]] = {"aws_iam_role": "role", "aws_iam_user": "user", "aws_iam_group": "group"}
_SERVICES: Final[Mapping[str, str]] = {
    "aws_s3_bucket": "s3",
    "aws_secretsmanager_secret": "secretsmanager",
    "aws_kms_key": "kms",
    "aws_sqs_queue": "sqs",
    "aws_sns_topic": "sns",
}
"""The service of each type of resource with an attribute `policy`."""

_POLICIES: Final[Mapping[str, tuple[str, str]]] = {
    "aws_s3_bucket_policy": ("aws_s3_bucket", "bucket"),
    "aws_secretsmanager_secret_policy": ("aws_secretsmanager_secret", "secret_arn"),
    "aws_kms_key_policy": ("aws_kms_key", "key_id"),
    "aws_sqs_queue_policy": ("aws_sqs_queue", "queue_url"),
    "aws_sns_topic_policy": ("aws_sns_topic", "arn"),
}
"""The resources that are the policy of another one: the type of that one, and the attribute that names it."""


def read_terraform(root: Values, name: str, fallback_account: str) -> OrganizationFacts:
    """Return the facts in a state, or those that a plan leads to.

    - `root`: the parsed JSON.
    - `fallback_account`: the account, if the file contains the ARN of no resource.
    """
    values = root.get("planned_values") or root.get("values")
    return _Terraform(root, values, name, place_of(root, fallback_account)).facts()


def read_prior_state(root: Values, name: str, fallback_account: str) -> OrganizationFacts:
    """Return the facts before a plan is applied. Raises PolicyInvalid for anything but a plan."""
    if not isinstance(root.get("planned_values"), dict):
        raise PolicyInvalid(
            f"{name} is not a plan of Terraform",
            why="it has no `planned_values`",
            hint="write it with `terraform show -json PLAN > plan.json`",
        )
    values = mapping(root.get("prior_state")).get("values")
    return _Terraform(root, values, name, place_of(root, fallback_account)).facts()


class _Terraform:
    """Gathers the facts of one state, or of one side of a plan."""

    def __init__(self, root: Values, values: object, name: str, place: tuple[str, str, str]) -> None:
        self._place = place
        partition, account, _ = place
        self._facts = DeclaredFacts(name, account, partition)
        self._modules = Modules(root.get("configuration"))
        resources = [*read_resources(root, values)]
        self._resources = [resource for resource in resources if resource.is_managed]
        # A Terraform data source contains the document of an AWS managed policy.
        of_data = (resources, read_resources(root, mapping(root.get("prior_state")).get("values")))
        self._data = [resource for source in of_data for resource in source if not resource.is_managed]
        self._arns = {resource.address: self._arn(resource) for resource in resources if resource.type in _KINDS}
        self._by_name = {
            (resource.type, _tail(self._arns[resource.address])): self._arns[resource.address]
            for resource in self._resources
            if resource.type in _KINDS
        }
        self._removed = frozenset(_removed(root)) if values is root.get("planned_values") else frozenset()

    def facts(self) -> OrganizationFacts:
        """Return the facts. The owners of policies come first, then the policies."""
        for resource in (*self._data, *self._resources):
            if resource.type == "aws_iam_policy" and "policy" in resource.values:
                arn = self._arns.get(resource.address) or resource.text("arn")
                self._facts.add_managed(arn, resource.values["policy"])
        for resource in self._resources:
            self._add(resource)
        for resource in self._resources:
            self._attach(resource)
        for resource in self._resources:
            self._add_computed(resource)
        return self._facts.facts()

    def _arn(self, resource: TerraformResource) -> str:
        kind, key = _KINDS[resource.type]
        name = resource.text(key).removeprefix("https://") or name_from_id(resource.address)
        place = (*self._place[:2], self._region_of(resource))
        return resource.text("arn") or made_up_arn(kind, name, resource.text("path"), place)

    def _add(self, resource: TerraformResource) -> None:
        """Add a user, role, group, provider, or a resource."""
        arn = self._arns.get(resource.address, "")
        owner = _OWNERS.get(resource.type)
        if owner is not None:
            tags = {**mapping(resource.values.get("tags_all")), **mapping(resource.values.get("tags"))}
            self._facts.add_owner(arn, owner, {key: str(value) for key, value in tags.items()})
            if owner == "role":
                self._facts.set_trust(arn, resource.values.get("assume_role_policy"))
            boundary = self._reference(resource, "permissions_boundary")
            if boundary:
                self._facts.set_boundary(arn, boundary)
        elif resource.type.endswith("_provider") and arn:
            self._facts.add_provider(arn)
        elif resource.type == "aws_lambda_function":
            self._facts.add_resource(arn, self._reference(resource, "role"))
        elif resource.type in _SERVICES or resource.type == "aws_ssm_parameter":
            self._facts.add_resource(arn)
            self._add_own_policy(resource, arn)
            self._set_own_key(resource, arn)

    def _add_own_policy(self, resource: TerraformResource, arn: str) -> None:
        """Set the policy in a resource's own attribute."""
        policy = resource.values.get("policy")
        is_left = resource.is_configured("policy") or (resource.type, _tail(arn)) not in self._removed
        if policy and is_left:
            self._facts.set_policy(arn, policy, _SERVICES[resource.type])
        elif resource.type == "aws_kms_key":
            self._facts.set_policy(arn, default_key_policy(self._facts.account, self._facts.partition), "kms")

    def _set_own_key(self, resource: TerraformResource, arn: str) -> None:
        """Set the KMS key in a resource's own attribute."""
        region = self._region_of(resource)
        if resource.type == "aws_secretsmanager_secret":
            key = self._reference(resource, "kms_key_id") or "alias/aws/secretsmanager"
            self._facts.set_key(arn, key, region)
        elif resource.type == "aws_ssm_parameter":
            is_secure = resource.values.get("type") == "SecureString"
            key = (self._reference(resource, "key_id") or "alias/aws/ssm") if is_secure else ""
            self._facts.set_key(arn, key if resource.values.get("type") is not UNKNOWN else UNKNOWN, region)
        elif resource.type == "aws_s3_bucket":
            rules = resource.values.get("server_side_encryption_configuration")
            self._facts.set_key(arn, _default_key(rules), region)

    def _region_of(self, resource: TerraformResource) -> str:
        return resource.text("region") or self._place[2]

    def _attach(self, resource: TerraformResource) -> None:
        """Attach a policy, a membership or an instance profile to its owner."""
        words = resource.type.removeprefix("aws_iam_").split("_")
        if resource.type in _POLICIES:
            self._set_policy(resource)
        elif resource.type == "aws_iam_policy_attachment":
            for kind in _OWNERS.values():
                for owner in self._references(resource, f"{kind}s"):
                    self._facts.attach(kind, owner, self._reference(resource, "policy_arn"))
        elif words[0] in _OWNERS.values() and words[1:] == ["policy", "attachment"]:
            kind = _OWNERS[f"aws_iam_{words[0]}"]
            self._facts.attach(kind, self._reference(resource, kind), self._reference(resource, "policy_arn"))
        elif words[0] in _OWNERS.values() and words[1:] == ["policy"]:
            kind = _OWNERS[f"aws_iam_{words[0]}"]
            name = resource.text("name") or name_from_id(resource.address)
            self._facts.add_inline(kind, self._reference(resource, kind), name, resource.values.get("policy", UNKNOWN))
        else:
            self._attach_more(resource)

    def _attach_more(self, resource: TerraformResource) -> None:
        """Attach an instance profile, a membership, or a permission to call a function."""
        if resource.type == "aws_lambda_permission":
            self._add_permission(resource)
        elif resource.type == "aws_kms_alias":
            key = self._reference(resource, "target_key_arn") or self._reference(resource, "target_key_id")
            self._facts.add_alias(key, resource.values.get("name"), self._region_of(resource))
        elif resource.type == "aws_s3_bucket_public_access_block":
            bucket = self._reference(resource, "bucket")
            arn = self._arn_of("aws_s3_bucket", bucket) if isinstance(bucket, str) else UNKNOWN
            self._facts.set_public_block(arn, resource.values.get("restrict_public_buckets"))
        elif resource.type == "aws_s3_bucket_server_side_encryption_configuration":
            bucket = self._reference(resource, "bucket")
            arn = self._arn_of("aws_s3_bucket", bucket) if isinstance(bucket, str) else UNKNOWN
            self._facts.set_key(arn, _default_key([{"rule": resource.values.get("rule")}]), self._region_of(resource))
        elif resource.type == "aws_iam_instance_profile" and resource.values.get("role"):
            self._facts.add_profile(self._arns[resource.address], self._reference(resource, "role"))
        elif resource.type == "aws_iam_user_group_membership":
            for group in self._references(resource, "groups"):
                self._facts.join(self._reference(resource, "user"), group)
        elif resource.type == "aws_iam_group_membership":
            for user in self._references(resource, "users"):
                self._facts.join(user, self._reference(resource, "group"))

    def _set_policy(self, resource: TerraformResource) -> None:
        of_type, key = _POLICIES[resource.type]
        owner = self._reference(resource, key)
        arn = self._arn_of(of_type, owner) if isinstance(owner, str) else UNKNOWN
        self._facts.set_policy(arn, resource.values.get("policy", UNKNOWN), _SERVICES[of_type])

    def _arn_of(self, of_type: str, text: str) -> str:
        """Return the ARN of a resource, given its ARN, its name, its id, or the URL of a queue."""
        if text.startswith("arn:"):
            return text
        name = text.rpartition("/")[2]
        return self._by_name.get((of_type, name)) or made_up_arn(_KINDS[of_type][0], name, "", self._place)

    def _add_computed(self, resource: TerraformResource) -> None:
        """Add the policies in a role's own attributes.

        Terraform computes these attributes unless they are configured. Then they are copies, and in a plan they are
        older than the resources that they are copies of.
        """
        if resource.type != "aws_iam_role":
            return
        arn = self._arns[resource.address]
        is_copy = resource.expressions is None or not resource.is_configured("inline_policy")
        if resource.values.get("inline_policy") is UNKNOWN:
            self._facts.add_inline("role", arn, "inline_policy", UNKNOWN)
        for number, item in enumerate(objects(resource.values.get("inline_policy"))):
            name = str(item.get("name") or f"inline policy {number + 1}")
            if item.get("policy") and ("aws_iam_role_policy", _tail(arn), name) not in self._removed:
                self._facts.add_inline("role", arn, name, item["policy"], is_copy=is_copy)
        for policy in self._references(resource, "managed_policy_arns"):
            if ("aws_iam_role_policy_attachment", _tail(arn), policy) not in self._removed:
                self._facts.attach("role", arn, policy)

    def _add_permission(self, resource: TerraformResource) -> None:
        function = self._reference(resource, "function_name")
        arn = self._arn_of("aws_lambda_function", function) if isinstance(function, str) else UNKNOWN
        qualifier = resource.text("qualifier")
        values = {_camel(key): value for key, value in resource.values.items()}
        self._facts.add_permission(arn, permission_statement(f"{arn}:{qualifier}" if qualifier else arn, values))

    def _reference(self, resource: TerraformResource, key: str) -> object:
        """Return an attribute, or the ARN of the resource that it refers to while it is unknown."""
        value = resource.values.get(key)
        if value is not UNKNOWN:
            return value
        addresses = self._modules.referred(resource.address, key) or []
        return self._arns.get(addresses[0], UNKNOWN) if len(addresses) == 1 else UNKNOWN

    def _references(self, resource: TerraformResource, key: str) -> Iterator[object]:
        """Yield the items of a list, with ARNs of other resources in the place of unknown items."""
        value = resource.values.get(key)
        yield from strings(value)
        if value is UNKNOWN or (isinstance(value, list) and UNKNOWN in value):
            addresses = self._modules.referred(resource.address, key) or [""]
            yield from (self._arns.get(address, UNKNOWN) for address in addresses)


def _removed(root: Values) -> Iterator[tuple[str, ...]]:
    """Yield the policies that a plan takes away: their type and owner, and a name or ARN."""
    for change in objects(root.get("resource_changes")):
        of_change = mapping(change.get("change"))
        before = mapping(of_change.get("before"))
        kind = str(change.get("type"))
        if "delete" not in strings(of_change.get("actions")):
            continue
        if kind == "aws_iam_role_policy":
            yield kind, str(before.get("role")), str(before.get("name"))
        elif kind == "aws_iam_role_policy_attachment":
            yield kind, str(before.get("role")), str(before.get("policy_arn"))
        elif kind in _POLICIES:
            of_type, key = _POLICIES[kind]
            yield of_type, _tail(str(before.get(key)))


def _default_key(configuration: object) -> object:
    """Return the KMS key in a bucket's default encryption; "" if S3's own keys encrypt new objects.

    An attribute that Terraform computes is unknown in a plan for a new bucket, which then has S3's own keys.
    """
    for rule in (rule for each in objects(configuration) for rule in objects(each.get("rule"))):
        for by_default in objects(rule.get("apply_server_side_encryption_by_default")):
            algorithm = by_default.get("sse_algorithm")
            if algorithm is UNKNOWN:
                return UNKNOWN
            if isinstance(algorithm, str) and algorithm.startswith("aws:kms"):
                return by_default.get("kms_master_key_id") or "alias/aws/s3"
    return ""


def _tail(text: str) -> str:
    """Return the name at the end of an ARN or URL."""
    return text.replace("/", ":").rpartition(":")[2]


def _camel(key: str) -> str:
    """Return the parameter of lambda:AddPermission for an attribute of Terraform."""
    if key == "principal_org_id":
        return "PrincipalOrgID"
    return "".join(word.capitalize() for word in key.split("_"))
