"""The parts of a rule: the requests that it needs, and the identity that a principal becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

RuleKind = Literal[
    "own-policy", "policy-of-others", "credentials-of-others", "trust", "pass-role", "existing-code", "assume-role"
]

KINDS: Final[Mapping[RuleKind, str]] = {
    "own-policy": "Write the policies that apply to oneself",
    "policy-of-others": "Write the policies of another identity, and become it",
    "credentials-of-others": "Make credentials of a user",
    "trust": "Change the trust policy of a role",
    "pass-role": "Pass a role to a service that runs code",
    "existing-code": "Run code in an existing resource that has a role",
    "assume-role": "Assume a role",
}
"""Kinds of rules, with the headings of the reference page in its order."""

Target = Literal["self", "user", "role", "group", "passed", "resource", "assumed"]
"""What a rule gives:

- `self`: the caller with any policy
- `user`, `role`: another user or role of the account
- `group`: membership in a group
- `passed`: a role that trusts the rule's service, passed to it
- `resource`: the role of an existing resource
- `assumed`: a role that the caller can assume
"""

ANY: Final = "*"
"""The resource of an action that supports no resources."""

RESOURCE_TYPES: Final[Mapping[str, str]] = {
    "app-runner-service": "apprunner:{region}:{account}:service/{name}/{id}",
    "code-interpreter": "bedrock-agentcore:{region}:{account}:code-interpreter-custom/{name}",
    "stack": "cloudformation:{region}:{account}:stack/{name}/{id}",
    "stack-set": "cloudformation:{region}:{account}:stackset/{name}:{id}",
    "build-project": "codebuild:{region}:{account}:project/{name}",
    "pipeline": "datapipeline:{region}:{account}:pipeline/{name}",
    "image": "ec2:{region}::image/{name}",
    "instance": "ec2:{region}:{account}:instance/{name}",
    "launch-template": "ec2:{region}:{account}:launch-template/{name}",
    "network-interface": "ec2:{region}:{account}:network-interface/{name}",
    "security-group": "ec2:{region}:{account}:security-group/{name}",
    "spot-request": "ec2:{region}:{account}:spot-instances-request/{name}",
    "subnet": "ec2:{region}:{account}:subnet/{name}",
    "cluster": "ecs:{region}:{account}:cluster/{name}",
    "container-service": "ecs:{region}:{account}:service/{name}/{name}",
    "task-definition": "ecs:{region}:{account}:task-definition/{name}:{id}",
    "dev-endpoint": "glue:{region}:{account}:devEndpoint/{name}",
    "job": "glue:{region}:{account}:job/{name}",
    "trigger": "glue:{region}:{account}:trigger/{name}",
    "function": "lambda:{region}:{account}:function:{name}",
    "notebook": "sagemaker:{region}:{account}:notebook-instance/{name}",
    "notebook-configuration": "sagemaker:{region}:{account}:notebook-instance-lifecycle-config/{name}",
    "processing-job": "sagemaker:{region}:{account}:processing-job/{name}",
    "training-job": "sagemaker:{region}:{account}:training-job/{name}",
    "run-document": "ssm:{region}::document/AWS-RunShellScript",
}
"""Maps types of resources to ARNs without `arn:PARTITION:` (AWS Service Authorization Reference)."""


class RuleNeed(NamedTuple):
    """A request that a rule needs."""

    action: str
    on: str
    """The resource of the request.

    - `caller`, `user`, `role`, `group`: the identity of that kind
    - `policy`: a customer managed policy that is attached to the identity whose policies the rule writes
    - `resource`: the existing resource whose role the rule gives
    - `*`: an action that supports no resources
    - a type of RESOURCE_TYPES: a resource that the caller makes, and names as its policies require
    """
    keys: Mapping[str, str] = {}
    """Condition keys and values that the request must have."""


class Rule(NamedTuple):
    """One way in which a principal becomes more than it is."""

    identifier: str
    """The id of the way in DataDog's pathfinding.cloud."""
    kind: RuleKind
    title: str
    """What the principal does, in the third person."""
    target: Target
    needs: tuple[RuleNeed, ...]
    is_written: bool = False
    """Whether the principal can also write the policies of the identity that it gains."""
    service: str = ""
    """For `passed`: the service principal that the role has to trust."""
    resource_type: str = ""
    """For `resource`: the type of the existing resource."""
    assumes: str = ""
    """What else has to be true, and is not among the facts."""

    @property
    def source(self) -> str:
        """The address of the published description."""
        return f"https://pathfinding.cloud/paths/{self.identifier}"


def needs_on(resource: str, *actions: str) -> tuple[RuleNeed, ...]:
    """Return a need for each action on the same resource."""
    return tuple(RuleNeed(action, resource) for action in actions)
