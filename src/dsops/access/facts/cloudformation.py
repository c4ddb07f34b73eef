"""Read the facts in a CloudFormation template, such as one that `cdk synth` writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from dsops.access.facts.declared import DeclaredFacts, OwnerKind, has_unknown, permission_statement
from dsops.access.facts.encryption_keys import default_key_of
from dsops.access.facts.made_up_arns import made_up_arn, name_from_id
from dsops.access.facts.terraform_values import mapping, objects
from dsops.access.facts.world import OrganizationFacts, merge_worlds
from dsops.arn import partition_of_region
from dsops.document.template_functions import UNKNOWN, Functions, Lookup
from dsops.policy import default_key_policy

_KINDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "AWS::IAM::Role": ("role", "RoleName", "name"),
    "AWS::IAM::User": ("user", "UserName", "name"),
    "AWS::IAM::Group": ("group", "GroupName", "name"),
    "AWS::IAM::ManagedPolicy": ("policy", "ManagedPolicyName", "arn"),
    "AWS::IAM::InstanceProfile": ("instance profile", "InstanceProfileName", "name"),
    "AWS::IAM::OIDCProvider": ("oidc provider", "Url", "arn"),
    "AWS::IAM::SAMLProvider": ("saml provider", "Name", "arn"),
    "AWS::S3::Bucket": ("bucket", "BucketName", "name"),
    "AWS::SecretsManager::Secret": ("secret", "Name", "arn"),
    "AWS::KMS::Key": ("key", "", "name"),
    "AWS::SQS::Queue": ("queue", "QueueName", "url"),
    "AWS::SNS::Topic": ("topic", "TopicName", "arn"),
    "AWS::Lambda::Function": ("function", "FunctionName", "name"),
    "AWS::DynamoDB::Table": ("table", "TableName", "name"),
    "AWS::Logs::LogGroup": ("log group", "LogGroupName", "name"),
    "AWS::StepFunctions::StateMachine": ("state machine", "StateMachineName", "arn"),
    "AWS::ECR::Repository": ("repository", "RepositoryName", "name"),
    "AWS::SSM::Parameter": ("parameter", "Name", "name"),
}
"""For each type the kind of its ARN, the property with its name, and what `Ref` is (CloudFormation User Guide)."""

_ARN_ATTRIBUTES: Final = frozenset({"Arn", "TopicArn", "PolicyArn", "Id"})
_OWNERS: Final[Mapping[str, OwnerKind]] = {
    "AWS::IAM::Role": "role",
    "AWS::IAM::User": "user",
    "AWS::IAM::Group": "group",
}
_INLINE: Final = frozenset({"AWS::IAM::Policy", *(f"{kind}Policy" for kind in _OWNERS)})
_POLICIES: Final[Mapping[str, tuple[str, str, str]]] = {
    "AWS::S3::BucketPolicy": ("AWS::S3::Bucket", "Bucket", "PolicyDocument"),
    "AWS::SecretsManager::ResourcePolicy": ("AWS::SecretsManager::Secret", "SecretId", "ResourcePolicy"),
    "AWS::SQS::QueuePolicy": ("AWS::SQS::Queue", "Queues", "PolicyDocument"),
    "AWS::SNS::TopicPolicy": ("AWS::SNS::Topic", "Topics", "PolicyDocument"),
}
"""The resources that are the policy of others: the type of these, and the properties that name them and the policy."""

_WITH_POLICY: Final = frozenset(
    {"AWS::KMS::Key", "AWS::SSM::Parameter", *(of_type for of_type, _, _ in _POLICIES.values())}
)


class Stack(NamedTuple):
    """A template, and where it is deployed."""

    template: Mapping[str, object]
    """The parsed JSON."""
    name: str
    """The stack's name; "" if it is not known."""
    account: str
    region: str


def read_stacks(stacks: Sequence[Stack], source: str) -> OrganizationFacts:
    """Return the facts in templates. A stack can use what another one of them exports.

    `source` is the name of the file or folder that contains them.
    """
    gathered: dict[str, DeclaredFacts] = {}
    templates: list[_Template] = []
    importing: set[str] = set()

    def imported(name: str) -> object:
        if name in importing:
            return UNKNOWN
        importing.add(name)
        found = (value for template in templates if (value := template.exported(name)) is not None)
        value = next(found, UNKNOWN)
        importing.discard(name)
        return value

    for stack in stacks:
        partition = partition_of_region(stack.region).name
        facts = gathered.setdefault(stack.account, DeclaredFacts(source, stack.account, partition))
        templates.append(_Template(stack, facts, imported))
    for template in templates:
        template.add()
    for template in templates:
        template.attach()
    world = merge_worlds([facts.facts() for facts in gathered.values()])
    return world._replace(gaps=tuple(dict.fromkeys(world.gaps)), sources=(source,))


class _Template:
    """Gathers the facts of one stack."""

    def __init__(self, stack: Stack, facts: DeclaredFacts, imported: Callable[[str], object]) -> None:
        root = stack.template
        partition = partition_of_region(stack.region).name
        self._place = (partition, stack.account, stack.region)
        self._facts = facts
        self._stack = stack
        self._resources = {key: mapping(value) for key, value in mapping(root.get("Resources")).items()}
        pseudo = {
            "AWS::AccountId": stack.account,
            "AWS::Region": stack.region,
            "AWS::Partition": partition,
            "AWS::URLSuffix": "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com",
            **({"AWS::StackName": stack.name} if stack.name else {}),
        }
        lookup = Lookup(self._reference, self._attribute, imported)
        self._functions = Functions(lookup, pseudo, mapping(root.get("Mappings")))
        self._resolving: set[tuple[str, str]] = set()
        self._resolved: Mapping[str, Mapping[str, object]] = {}

    def exported(self, name: str) -> object:
        """Return the value that the stack exports under that name; None if it exports none."""
        for output in mapping(self._stack.template.get("Outputs")).values():
            export = mapping(mapping(output).get("Export")).get("Name")
            if export is not None and self._functions.resolve(export) == name:
                return self._functions.resolve(mapping(output).get("Value"))
        return None

    def add(self) -> None:
        """Add the owners of policies, and the resources."""
        nested = [key for key in self._resources if self._type(key) == "AWS::CloudFormation::Stack"]
        title = f"stack {self._stack.name}" if self._stack.name else "the template"
        for why in (
            *([f"{title} has a transform, which can add more"] if self._stack.template.get("Transform") else []),
            *(f"nested stack {key} of {title} is not read" for key in nested),
        ):
            self._facts.gap("identities", why)
            self._facts.gap("resources", why)
        self._resolved = {key: mapping(self._functions.resolve(self._properties(key))) for key in self._resources}
        for key, values in self._resolved.items():
            self._add(key, self._type(key), values)

    def attach(self) -> None:
        """Attach the policies, also to owners in other stacks."""
        for key, values in self._resolved.items():
            self._attach(key, self._type(key), values)

    def _type(self, key: str) -> str:
        return str(self._resources[key].get("Type", ""))

    def _properties(self, key: str) -> Mapping[str, object]:
        return mapping(self._resources[key].get("Properties"))

    def _reference(self, key: str) -> object:
        """Return what `Ref` of a resource is; None if it is no resource."""
        if key not in self._resources:
            return None
        known = _KINDS.get(self._type(key))
        if known is None:
            return UNKNOWN
        kind, _, reference = known
        if reference == "arn":
            return self._arn(key)
        if reference == "url":
            _, account, region = self._place
            return f"https://sqs.{region}.amazonaws.com/{account}/{self._physical_name(key)}"
        return self._generated(key) if kind == "key" else self._physical_name(key)

    def _attribute(self, key: str, attribute: str) -> object:
        known = _KINDS.get(self._type(key)) if key in self._resources else None
        if known is None:
            return UNKNOWN
        if attribute in _ARN_ATTRIBUTES and not (attribute == "Id" and known[0] != "secret"):
            return self._arn(key)
        return self._physical_name(key) if attribute in (known[1], f"{known[0].capitalize()}Name") else UNKNOWN

    def _physical_name(self, key: str) -> str:
        """Return the name in the template, or what stands for a generated one."""
        name = self._property(key, _KINDS[self._type(key)][1])
        return name if isinstance(name, str) and name else self._generated(key)

    def _property(self, key: str, name: str) -> object:
        """Return a property on which the resource's ARN depends; UNKNOWN if it depends on itself."""
        if (key, name) in self._resolving:
            return UNKNOWN
        self._resolving.add((key, name))
        value = self._functions.resolve(self._properties(key).get(name))
        self._resolving.discard((key, name))
        return value

    def _generated(self, key: str) -> str:
        """Return what stands for a name that CloudFormation generates: it begins with the same words."""
        return name_from_id(f"{self._stack.name}-{key}" if self._stack.name else key)

    def _arn(self, key: str) -> str:
        kind = _KINDS[self._type(key)][0]
        path = self._property(key, "Path")
        is_path = isinstance(path, str) and path.startswith("/")
        name = self._physical_name(key).removeprefix("https://")
        return made_up_arn(kind, name, str(path) if is_path else "", self._place)

    def _add(self, key: str, of_type: str, values: Mapping[str, object]) -> None:
        """Add a user, role, group, provider, managed policy, or a resource."""
        if of_type in _OWNERS:
            arn = self._arn(key)
            tags = {str(tag.get("Key")): str(tag.get("Value")) for tag in objects(values.get("Tags"))}
            self._facts.add_owner(arn, _OWNERS[of_type], tags)
            self._tell_condition(key, arn)
            if of_type == "AWS::IAM::Role":
                self._facts.set_trust(arn, values.get("AssumeRolePolicyDocument"))
        elif of_type == "AWS::IAM::ManagedPolicy":
            self._facts.add_managed(self._arn(key), values.get("PolicyDocument"))
        elif of_type in ("AWS::IAM::OIDCProvider", "AWS::IAM::SAMLProvider"):
            self._facts.add_provider(self._arn(key))
        elif of_type == "AWS::Lambda::Function":
            self._facts.add_resource(self._arn(key), values.get("Role"))
        elif of_type in _WITH_POLICY:
            self._facts.add_resource(self._arn(key))
            self._tell_condition(key, self._arn(key))
            if of_type == "AWS::KMS::Key":
                policy = values.get("KeyPolicy") or default_key_policy(self._facts.account, self._facts.partition)
                self._facts.set_policy(self._arn(key), policy, "kms")
            self._set_own_key(self._arn(key), of_type, values)

    def _set_own_key(self, arn: str, of_type: str, values: Mapping[str, object]) -> None:
        """Set the KMS key that encrypts a secret or, by default, the objects of a bucket."""
        region = self._place[2]
        if of_type == "AWS::SecretsManager::Secret":
            self._facts.set_key(arn, values.get("KmsKeyId") or "alias/aws/secretsmanager", region)
        elif of_type == "AWS::SSM::Parameter":
            # CloudFormation can't create SecureString parameters, so no KMS key encrypts this parameter.
            self._facts.set_key(arn, "", region)
        elif of_type == "AWS::S3::Bucket":
            encryption = values.get("BucketEncryption")
            self._facts.set_key(arn, UNKNOWN if has_unknown(encryption) else default_key_of(encryption), region)
            block = mapping(values.get("PublicAccessBlockConfiguration"))
            self._facts.set_public_block(arn, block.get("RestrictPublicBuckets"))

    def _tell_condition(self, key: str, arn: str) -> None:
        condition = self._resources[key].get("Condition")
        if condition:
            why = f"{arn} is created only if condition {condition} is true"
            self._facts.gap("identities" if self._type(key) in _OWNERS else "resources", why)

    def _attach(self, key: str, of_type: str, values: Mapping[str, object]) -> None:
        """Attach policies, memberships and instance profiles to their owners."""
        if of_type in _OWNERS:
            self._attach_own(_OWNERS[of_type], self._arn(key), values)
        elif of_type in _INLINE:
            name = values.get("PolicyName")
            for kind, owner in _named_owners(values):
                policy = self._conditional(key, values.get("PolicyDocument"))
                self._facts.add_inline(kind, owner, name if isinstance(name, str) else key, policy)
        elif of_type == "AWS::IAM::ManagedPolicy":
            for kind, owner in _named_owners(values):
                self._facts.attach(kind, owner, self._arn(key))
        else:
            self._attach_more(key, of_type, values)

    def _attach_more(self, key: str, of_type: str, values: Mapping[str, object]) -> None:
        """Attach a membership, an instance profile, a permission, or the policy of a resource."""
        if of_type == "AWS::KMS::Alias":
            self._facts.add_alias(values.get("TargetKeyId"), values.get("AliasName"), self._place[2])
        elif of_type == "AWS::Lambda::Permission":
            arn = self._arn_of("AWS::Lambda::Function", values.get("FunctionName"))
            self._facts.add_permission(arn, self._conditional(key, permission_statement(arn, values)))
        elif of_type == "AWS::IAM::UserToGroupAddition":
            for user in _items(values.get("Users")):
                self._facts.join(user, values.get("GroupName"))
        elif of_type == "AWS::IAM::InstanceProfile":
            for role in _items(values.get("Roles")):
                self._facts.add_profile(self._arn(key), role)
        elif of_type in _POLICIES:
            of, names, document = _POLICIES[of_type]
            for name in _items(values.get(names)):
                arn = self._arn_of(of, name)
                self._facts.set_policy(arn, self._conditional(key, values.get(document)), of.split("::")[1].lower())

    def _attach_own(self, kind: OwnerKind, arn: str, values: Mapping[str, object]) -> None:
        """Attach the policies in an owner's own properties."""
        for item in _items(values.get("Policies")):
            policy = mapping(item)
            name = policy.get("PolicyName")
            document = policy.get("PolicyDocument", UNKNOWN)
            self._facts.add_inline(kind, arn, name if isinstance(name, str) else "inline policy", document)
        for attached in _items(values.get("ManagedPolicyArns")):
            self._facts.attach(kind, arn, attached)
        if values.get("PermissionsBoundary"):
            self._facts.set_boundary(arn, values["PermissionsBoundary"])
        for group in _items(values.get("Groups")) if kind == "user" else ():
            self._facts.join(arn, group)

    def _conditional(self, key: str, policy: object) -> object:
        """Return a policy; UNKNOWN if a condition decides whether it is created."""
        return UNKNOWN if self._resources[key].get("Condition") else policy

    def _arn_of(self, of_type: str, name: object) -> object:
        """Return the ARN of a resource, given its ARN, its name, or the URL of a queue."""
        if not isinstance(name, str):
            return UNKNOWN
        if name.startswith("arn:"):
            return name
        return made_up_arn(_KINDS[of_type][0], name.rpartition("/")[2], "", self._place)


def _named_owners(values: Mapping[str, object]) -> Iterable[tuple[OwnerKind, object]]:
    """Yield the owners that a policy names."""
    for kind in _OWNERS.values():
        title = kind.capitalize()
        yield from ((kind, owner) for owner in _items(values.get(f"{title}s")))
        if values.get(f"{title}Name"):
            yield kind, values[f"{title}Name"]


def _items(value: object) -> list[object]:
    """Return the items of a list. Any other value is one item, also an unknown list."""
    if isinstance(value, list):
        return value
    return [] if value is None else [value]
