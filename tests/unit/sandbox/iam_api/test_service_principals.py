"""Which services a trust policy may name."""

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


def test_every_service_in_awss_own_policies_is_one() -> None:
    """284 principals that somebody else has written down, none of them refused."""
    text = "".join(json.dumps(data["Document"]) for _, data in aws_policies().values())
    named = set(re.findall(r'"([a-z0-9.-]+\.amazonaws\.com)"', text))

    assert len(named) > 200
    assert [] == [name for name in sorted(named) if not is_service_principal(name)]


@pytest.mark.parametrize("name", GUIDES.split())
def test_the_services_of_the_guides_are(name: str) -> None:
    """Roles that people make for them."""
    assert is_service_principal(f"{name}.amazonaws.com")


@pytest.mark.parametrize(
    "name", ["nosuch.amazonaws.com", "amazonaws.com", "us-east-1.amazonaws.com", "ec2.example.com", "ec2", ""]
)
def test_what_is_built_on_no_service_is_none(name: str) -> None:
    """An invented name, a region alone, another domain."""
    assert not is_service_principal(name)


@pytest.mark.parametrize("operation", ["CreateRole", "UpdateAssumeRolePolicy"])
def test_iam_writes_no_trust_policy_for_an_unknown_service(operation: str) -> None:
    """In AWS's words; for a service that there is it does."""
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
