"""Service principals that a trust policy may name."""

from __future__ import annotations

import json
import re

import pytest

from dsops.sandbox.clock import MovableClock
from dsops.sandbox.iam_api.service_principals import is_service_principal
from dsops.sandbox.state.iam_backend import aws_policies
from tests.sandboxes import ACCOUNT, Lab

GUIDES = (
    "ec2 lambda ecs-tasks eks pods.eks eks-fargate-pods states states.us-east-1 codebuild codedeploy.us-east-1 "
    "edgelambda scheduler vpc-flow-logs monitoring.rds batchoperations.s3 credentials.iot replicator.lambda "
    "delivery.logs spotfleet application-autoscaling build.apprunner tasks.apprunner vmie osis-pipelines airflow-env "
    "opsworks-cm logger.cloudfront malware-protection-plan.guardduty payment-cryptography sagemaker-geospatial"
)


def test_principals_of_managed_policies_are_accepted() -> None:
    """All 284 service principals in AWS managed policies are accepted."""
    text = "".join(json.dumps(data["Document"]) for _, data in aws_policies().values())
    named = set(re.findall(r'"([a-z0-9.-]+\.amazonaws\.com)"', text))

    assert len(named) > 200
    assert [] == [name for name in sorted(named) if not is_service_principal(name)]


@pytest.mark.parametrize("name", GUIDES.split())
def test_principals_of_the_guides_are_accepted(name: str) -> None:
    """The service principals that AWS's guides name are accepted."""
    assert is_service_principal(f"{name}.amazonaws.com")


@pytest.mark.parametrize(
    "name", ["nosuch.amazonaws.com", "amazonaws.com", "us-east-1.amazonaws.com", "ec2.example.com", "ec2", ""]
)
def test_invented_principals_are_refused(name: str) -> None:
    """Invented service names, bare region names and other domains are refused."""
    assert not is_service_principal(name)


@pytest.mark.parametrize("operation", ["CreateRole", "UpdateAssumeRolePolicy"])
def test_a_trust_policy_with_an_unknown_service_is_refused(operation: str) -> None:
    """A trust policy with an unknown service principal is refused with AWS's message."""
    admin = Lab.of(f'accounts: {{"{ACCOUNT}": {{}}}}', MovableClock()).user("admin")

    def trust(service: str) -> str:
        statement = {"Effect": "Allow", "Principal": {"Service": [service]}, "Action": "sts:AssumeRole"}
        return json.dumps({"Version": "2012-10-17", "Statement": [statement]})

    admin.call("iam", "CreateRole", RoleName="held", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    bad = trust("nosuch.amazonaws.com")
    if operation == "CreateRole":
        refused = admin.refused("iam", operation, RoleName="new", AssumeRolePolicyDocument=bad)
    else:
        refused = admin.refused("iam", operation, RoleName="held", PolicyDocument=bad)

    message = 'Invalid principal in policy: "SERVICE":"nosuch.amazonaws.com"'
    assert ("MalformedPolicyDocument", message) == (refused.code, refused.message)
