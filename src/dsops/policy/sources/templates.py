"""Read the users and roles that CloudFormation templates and `terraform show -json` will create.

A template does not contain its account id, so entities are identified by name. A value that is known only after
deployment, such as a parameter or an attribute of another resource, is reported as unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dsops.arn import parse_arn
from dsops.document import Mapping, Node, Scalar
from dsops.policy.language.policy import Policy
from dsops.policy.simulation.facts import ANY_ACCOUNT, Kind
from dsops.policy.sources.entities import Known, PolicyFile, PolicyFileReader, items_of, known, mapping_of, text_of

_KINDS: Final[dict[str, Kind]] = {"Role": "role", "User": "user"}


_POLICIES: Final = tuple(f"AWS::IAM::{name}" for name in ("Policy", "ManagedPolicy", "RolePolicy", "UserPolicy"))
LATER: Final = "what is known only when it is deployed"


class _Entity:
    """A user or role whose policies are still being collected from the template's resources."""

    def __init__(self, kind: Kind, name: str, values: Mapping) -> None:
        self.kind = kind
        self.name = name
        self.values = values
        self.policies: list[Policy | str] = []


class Template(PolicyFileReader):
    """Reads a CloudFormation template in JSON or YAML. Short tags (`!Ref`) are read as their long forms."""

    def read(self, root: Mapping) -> PolicyFile:
        """Return the users and roles that the template creates."""
        resources = [
            (key.text, text_of(mapping_of(node), "Type"), mapping_of(mapping_of(node).get("Properties")))
            for key, node in mapping_of(root.get("Resources")).entries
        ]
        people: dict[str, _Entity] = {}
        for logical, kind, values in resources:
            entity = _KINDS.get(kind.removeprefix("AWS::IAM::"))
            if kind.startswith("AWS::IAM::") and entity is not None:
                people[logical] = _Entity(entity, text_of(values, f"{entity.capitalize()}Name"), values)
            elif kind == "AWS::IAM::ManagedPolicy":
                policy = self.policy(values.get("PolicyDocument"), "identity")
                if isinstance(policy, Policy):
                    self.managed[logical] = policy
        for _, kind, values in resources:
            self._attach(kind, values, people)
        return PolicyFile(
            self.file,
            tuple(self._known(known_entity) for known_entity in people.values() if known_entity.name),
            frozenset(),
        )

    def _attach(self, kind: str, values: Mapping, people: dict[str, _Entity]) -> None:
        """Attach a policy resource to the entities that it names."""
        if kind not in _POLICIES:
            return
        owners: dict[Kind, list[str]] = {}
        for title, of in _KINDS.items():
            single_name = values.get(f"{title}Name")
            named = (single_name,) if single_name is not None else items_of(values.get(f"{title}s"))
            owners[of] = [_referred(node) for node in named]
        for logical, entity in people.items():
            names = owners[entity.kind]
            if logical in names or (entity.name and entity.name in names):
                entity.policies.append(self.policy(values.get("PolicyDocument"), "identity"))
            elif LATER in names:
                entity.policies.append(f"whose {kind} is, {self.file} leaves open")

    def _known(self, entity: _Entity) -> Known:
        values = entity.values
        for item in items_of(values.get("Policies")):
            entity.policies.append(self.policy(mapping_of(item).get("PolicyDocument"), "identity"))
        for item in items_of(values.get("ManagedPolicyArns")):
            entity.policies.append(self.attached(_referred(item)))
        node = values.get("PermissionsBoundary")
        boundary = self.attached(_referred(node)) if node is not None else None
        trust = self.policy(values.get("AssumeRolePolicyDocument"), "trust") if entity.kind == "role" else None
        tags = [mapping_of(tag) for tag in items_of(values.get("Tags"))]
        path = text_of(values, "Path") or "/"
        return _new_entity(
            entity,
            path,
            trust,
            boundary,
            values.get("MaxSessionDuration"),
            tuple((text_of(tag, "Key"), text_of(tag, "Value")) for tag in tags),
        )


class Terraform(PolicyFileReader):
    """Reads the output of `terraform show -json` for a plan or a state."""

    def read(self, root: Mapping) -> PolicyFile:
        """Return the users and roles in the plan or state."""
        module = mapping_of(mapping_of(root.get("planned_values") or root.get("values")).get("root_module"))
        resources = list(_resources(module))
        people: dict[tuple[Kind, str], _Entity] = {}
        for kind, values in resources:
            entity = _KINDS.get(kind.removeprefix("aws_iam_").capitalize())
            if entity is not None and text_of(values, "name"):
                people[entity, text_of(values, "name")] = _Entity(entity, text_of(values, "name"), values)
            elif kind == "aws_iam_policy" and text_of(values, "arn"):
                policy = self.policy(values.get("policy"), "identity")
                if isinstance(policy, Policy):
                    self.managed[text_of(values, "arn")] = policy
        for kind, values in resources:
            owned = kind.removeprefix("aws_iam_").partition("_policy")[0]
            if kind not in (f"aws_iam_{owned}_policy", f"aws_iam_{owned}_policy_attachment"):
                continue
            name = text_of(values, owned)
            for (entity_kind, entity_name), owner in people.items():
                if entity_kind == owned and not name:
                    owner.policies.append(f"whose {kind} is, {self.file} leaves open")
                elif (entity_kind, entity_name) == (owned, name):
                    owner.policies.append(self._policy_of(kind, values))
        known = tuple(self._known(known_entity) for known_entity in people.values())
        return PolicyFile(self.file, known, frozenset(), managed=self.managed)

    def _policy_of(self, kind: str, values: Mapping) -> Policy | str:
        if kind.endswith("_attachment"):
            return self.attached(text_of(values, "policy_arn") or LATER)
        return self.policy(values.get("policy"), "identity")

    def _known(self, entity: _Entity) -> Known:
        values = entity.values
        for item in items_of(values.get("inline_policy")):
            if text_of(mapping_of(item), "policy"):
                entity.policies.append(self.policy(mapping_of(item).get("policy"), "identity"))
        for item in items_of(values.get("managed_policy_arns")):
            entity.policies.append(self.attached(_referred(item)))
        arn = text_of(values, "permissions_boundary")
        trust = self.policy(values.get("assume_role_policy"), "trust") if entity.kind == "role" else None
        tags = mapping_of(values.get("tags"))
        return _new_entity(
            entity,
            text_of(values, "path") or "/",
            trust,
            self.attached(arn) if arn else None,
            values.get("max_session_duration"),
            tuple((key.text, text_of(tags, key.text)) for key, _ in tags.entries),
        )


def _resources(module: Mapping) -> Iterator[tuple[str, Mapping]]:
    """Yield the type and values of each resource of a module and its child modules."""
    for item in items_of(module.get("resources")):
        yield text_of(mapping_of(item), "type"), mapping_of(mapping_of(item).get("values"))
    for child in items_of(module.get("child_modules")):
        yield from _resources(mapping_of(child))


def _referred(node: Node | None) -> str:
    """Return a literal name or ARN, or the logical id of the referenced resource."""
    if isinstance(node, Scalar):
        return node.text
    reference = text_of(mapping_of(node), "Ref")
    attribute = items_of(mapping_of(node).get("Fn::GetAtt"))
    if not reference and attribute and isinstance(attribute[0], Scalar):
        reference = attribute[0].text
    return reference or LATER


def _new_entity(
    entity: _Entity,
    path: str,
    trust: Policy | str | None,
    boundary: Policy | str | None,
    max_seconds: Node | None,
    tags: tuple[tuple[str, str], ...],
) -> Known:
    written = parse_arn(text_of(entity.values, "arn"))
    arn = str(written) if written is not None else f"arn:aws:iam::{ANY_ACCOUNT}:{entity.kind}{path}{entity.name}"
    return known(arn, entity.kind, entity.policies, trust, boundary)._replace(
        tags=tags, max_seconds=_seconds(max_seconds) if entity.kind == "role" else 0
    )


def _seconds(node: Node | None) -> int:
    """Return the maximum session duration in seconds; 0 if it is known only after deployment.

    The default is an hour (CreateRole).
    """
    if node is None:
        return 3600
    return int(node.text) if isinstance(node, Scalar) and node.text.isdigit() else 0
