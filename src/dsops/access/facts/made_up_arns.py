"""The ARNs of resources that a template will create.

They are made of the names in the template, so they are the same in each reading. Where AWS adds random characters or a
generated id, the id of the resource in the template stands for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_ARNS: Final[Mapping[str, str]] = {
    "role": "arn:{partition}:iam::{account}:role{path}{name}",
    "user": "arn:{partition}:iam::{account}:user{path}{name}",
    "group": "arn:{partition}:iam::{account}:group{path}{name}",
    "policy": "arn:{partition}:iam::{account}:policy{path}{name}",
    "instance profile": "arn:{partition}:iam::{account}:instance-profile{path}{name}",
    "oidc provider": "arn:{partition}:iam::{account}:oidc-provider/{name}",
    "saml provider": "arn:{partition}:iam::{account}:saml-provider/{name}",
    "bucket": "arn:{partition}:s3:::{name}",
    "secret": "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-000000",
    "key": "arn:{partition}:kms:{region}:{account}:key/{name}",
    "queue": "arn:{partition}:sqs:{region}:{account}:{name}",
    "topic": "arn:{partition}:sns:{region}:{account}:{name}",
    "function": "arn:{partition}:lambda:{region}:{account}:function:{name}",
    "table": "arn:{partition}:dynamodb:{region}:{account}:table/{name}",
    "log group": "arn:{partition}:logs:{region}:{account}:log-group:{name}:*",
    "state machine": "arn:{partition}:states:{region}:{account}:stateMachine:{name}",
    "repository": "arn:{partition}:ecr:{region}:{account}:repository/{name}",
    "parameter": "arn:{partition}:ssm:{region}:{account}:parameter/{name}",
}
_NOT_IN_NAMES: Final = re.compile(r"[^\w+=,.@-]+", re.ASCII)


def made_up_arn(kind: str, name: str, path: str, place: tuple[str, str, str]) -> str:
    """Return the ARN of a resource.

    - `kind`: one of the words above, such as `role`.
    - `path`: the path of a user, role, group or policy, `/` by default.
    - `place`: partition, account and region.
    """
    partition, account, region = place
    if kind == "parameter":
        name = name.removeprefix("/")
    return _ARNS[kind].format(partition=partition, account=account, region=region, path=path or "/", name=name)


def name_from_id(identifier: str) -> str:
    """Return a name for a resource whose name AWS or Terraform generates."""
    return _NOT_IN_NAMES.sub("-", identifier).strip("-")
