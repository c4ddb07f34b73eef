"""The role sessions that ECS, EKS and Lambda use for a task, a pod or a function. Nothing is run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from dsops.request.question import Tags
from dsops.sandbox.state.world import Role

CLUSTER: Final = "sandbox"
"""The name of the cluster to which all tasks and pods belong."""
_MAX_NAME: Final = 64


class ServiceUse(NamedTuple):
    """How a service uses a role: the service that assumes the role, and the session's name, keys and tags."""

    service: str
    session_name: str
    source: Mapping[str, tuple[str, ...]]
    """Condition keys for the trust policy that identify the resource, as the services' guides describe."""
    tags: Tags = ()
    """Session tags. All of them are transitive."""
    session_keys: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    """Condition keys that every request of the session has."""


def of_task(role: Role, partition: str, region: str) -> ServiceUse:
    """Return how an ECS task uses the role.

    ECS names the session after the task's id (Amazon ECS Developer Guide, "Amazon ECS task IAM role").
    """
    task = os.urandom(16).hex()
    arn = f"arn:{partition}:ecs:{region}:{role.account}:task/{CLUSTER}/{task}"
    return ServiceUse("ecs-tasks.amazonaws.com", task, {"aws:SourceAccount": (role.account,), "aws:SourceArn": (arn,)})


def of_pod(role: Role, partition: str, region: str, namespace: str, service_account: str) -> ServiceUse:
    """Return how a pod uses the role through EKS Pod Identity.

    The session has the six tags in the Amazon EKS User Guide ("... based on tags").
    """
    pod, uid = f"{service_account}-{os.urandom(3).hex()}", os.urandom(16).hex()
    uid = f"{uid[:8]}-{uid[8:12]}-{uid[12:16]}-{uid[16:20]}-{uid[20:]}"
    tags = (
        ("eks-cluster-arn", f"arn:{partition}:eks:{region}:{role.account}:cluster/{CLUSTER}"),
        ("eks-cluster-name", CLUSTER),
        ("kubernetes-namespace", namespace),
        ("kubernetes-service-account", service_account),
        ("kubernetes-pod-name", pod),
        ("kubernetes-pod-uid", uid),
    )
    name = f"eks-{CLUSTER}-{pod}"[:_MAX_NAME]
    return ServiceUse("pods.eks.amazonaws.com", name, {"aws:SourceAccount": (role.account,)}, tags)


def of_function(role: Role, partition: str, region: str, function: str) -> ServiceUse:
    """Return how a Lambda function uses the role.

    The session has the function's name, and its requests have the function's ARN as a condition key (Lambda Developer
    Guide).
    """
    arn = f"arn:{partition}:lambda:{region}:{role.account}:function:{function}"
    return ServiceUse(
        "lambda.amazonaws.com",
        function[:_MAX_NAME],
        {"aws:SourceAccount": (role.account,)},
        session_keys={"lambda:SourceFunctionArn": (arn,)},
    )
