"""Condition keys: for each key, a policy with a condition on the key decides a request."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.request.messages import HttpRequest
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.control.service_roles import ServiceRoles
from tests.questions import Desk
from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab, Person, sign

HERE = f"us-east-1:{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Runner"
SERVICES = ["lambda.amazonaws.com", "ec2.amazonaws.com"]
TRUST = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"Service": SERVICES}, "Action": "sts:AssumeRole"},
}
SEED = f"""
accounts:
  "{ACCOUNT}":
    users: {{bob: {{}}}}
    roles: {{Runner: {{trust: {json.dumps(TRUST)}}}}}
"""
RUN = {"ImageId": "ami-1", "MinCount": 1, "MaxCount": 1}
EVENT = {"Source": "app.orders", "DetailType": "Placed", "Detail": "{}"}
PATTERN = json.dumps(
    {
        "source": ["aws.health"],
        "detail-type": ["AWS Health Event"],
        "detail": {"service": ["EC2"], "eventTypeCode": ["AWS_EC2_X"], "userIdentity": {"principalId": ["AIDAX"]}},
    }
)
DATABASE = {"DBInstanceIdentifier": "d", "DBInstanceClass": "db.t3.micro", "Engine": "postgres"}

DECIDING: list[tuple[str, str, str, str, dict[str, Any]]] = [
    (
        "iam:AWSServiceName",
        "batch.amazonaws.com",
        "iam",
        "CreateServiceLinkedRole",
        {"AWSServiceName": "batch.amazonaws.com"},
    ),
    (
        "iam:ServiceSpecificCredentialServiceName",
        "codecommit.amazonaws.com",
        "iam",
        "CreateServiceSpecificCredential",
        {"UserName": "bob", "ServiceName": "codecommit.amazonaws.com"},
    ),
    (
        "iam:OrganizationsPolicyId",
        "p-12345678",
        "iam",
        "GenerateOrganizationsAccessReport",
        {"EntityPath": "o-a/r-b", "OrganizationsPolicyId": "p-12345678"},
    ),
    ("ec2:Region", "us-east-1", "ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"}),
    (
        "ec2:MetadataHttpTokens",
        "required",
        "ec2",
        "RunInstances",
        {**RUN, "MetadataOptions": {"HttpTokens": "required"}},
    ),
    (
        "ec2:MetadataHttpEndpoint",
        "enabled",
        "ec2",
        "RunInstances",
        {**RUN, "MetadataOptions": {"HttpEndpoint": "enabled"}},
    ),
    (
        "ec2:MetadataHttpPutResponseHopLimit",
        "1",
        "ec2",
        "RunInstances",
        {**RUN, "MetadataOptions": {"HttpPutResponseHopLimit": 1}},
    ),
    ("ec2:InstanceType", "t3.micro", "ec2", "RunInstances", {**RUN, "InstanceType": "t3.micro"}),
    ("ec2:Tenancy", "dedicated", "ec2", "RunInstances", {**RUN, "Placement": {"Tenancy": "dedicated"}}),
    ("ec2:VolumeSize", "10", "ec2", "CreateVolume", {"AvailabilityZone": "us-east-1a", "Size": 10}),
    ("events:source", "app.orders", "events", "PutEvents", {"Entries": [EVENT]}),
    ("events:detail-type", "Placed", "events", "PutEvents", {"Entries": [EVENT]}),
    ("events:source", "aws.health", "events", "PutRule", {"Name": "r", "EventPattern": PATTERN}),
    ("events:detail-type", "AWS Health Event", "events", "PutRule", {"Name": "r", "EventPattern": PATTERN}),
    ("events:detail.service", "EC2", "events", "PutRule", {"Name": "r", "EventPattern": PATTERN}),
    ("events:detail.eventTypeCode", "AWS_EC2_X", "events", "PutRule", {"Name": "r", "EventPattern": PATTERN}),
    ("events:detail.userIdentity.principalId", "AIDAX", "events", "PutRule", {"Name": "r", "EventPattern": PATTERN}),
    (
        "events:TargetArn",
        f"arn:aws:sqs:{HERE}:q",
        "events",
        "PutTargets",
        {"Rule": "r", "Targets": [{"Id": "1", "Arn": f"arn:aws:sqs:{HERE}:q"}]},
    ),
    ("events:creatorAccount", ACCOUNT, "events", "DeleteRule", {"Name": "r"}),
    ("rds:DatabaseEngine", "postgres", "rds", "CreateDBInstance", DATABASE),
    ("rds:DatabaseClass", "db.t3.micro", "rds", "CreateDBInstance", DATABASE),
    ("rds:DatabaseName", "orders", "rds", "CreateDBInstance", {**DATABASE, "DBName": "orders"}),
    ("rds:StorageSize", "20", "rds", "CreateDBInstance", {**DATABASE, "AllocatedStorage": 20}),
    (
        "lambda:SubnetIds",
        "subnet-1",
        "lambda",
        "UpdateFunctionConfiguration",
        {"FunctionName": "f", "VpcConfig": {"SubnetIds": ["subnet-1"]}},
    ),
    (
        "lambda:SecurityGroupIds",
        "sg-1",
        "lambda",
        "UpdateFunctionConfiguration",
        {"FunctionName": "f", "VpcConfig": {"SecurityGroupIds": ["sg-1"]}},
    ),
    ("aws:RequestedRegion", "us-east-1", "sns", "ListTopics", {}),
    ("aws:username", "bob", "sns", "ListTopics", {}),
    ("aws:PrincipalArn", f"arn:aws:iam::{ACCOUNT}:user/bob", "sns", "ListTopics", {}),
    ("aws:PrincipalAccount", ACCOUNT, "sns", "ListTopics", {}),
    ("aws:PrincipalType", "User", "sns", "ListTopics", {}),
    ("aws:ResourceAccount", ACCOUNT, "sns", "ListTopics", {}),
    ("aws:UserAgent", "tests", "sns", "ListTopics", {}),
    ("aws:SourceIp", "203.0.113.7", "sns", "ListTopics", {}),
    ("aws:SecureTransport", "true", "sns", "ListTopics", {}),
    ("aws:ViaAWSService", "false", "sns", "ListTopics", {}),
    ("aws:PrincipalIsAWSService", "false", "sns", "ListTopics", {}),
]


@pytest.fixture
def lab() -> Lab:
    """A sandbox with the user Bob, who has no permissions yet, and a role for AWS services."""
    return Lab.of(SEED, MovableClock())


def permit(lab: Lab, *statements: dict[str, Any]) -> None:
    """Replace Bob's permissions by these statements."""
    document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    lab.user("admin").call("iam", "PutUserPolicy", UserName="bob", PolicyName="p", PolicyDocument=document)


def allow(action: str, key: str, value: str, operator: str = "StringEquals") -> dict[str, Any]:
    """Return an Allow with one condition."""
    return {"Effect": "Allow", "Action": action, "Resource": "*", "Condition": {operator: {key: value}}}


@pytest.mark.parametrize(
    ("key", "value", "service", "operation", "parameters"),
    DECIDING,
    ids=[f"{key}-{operation}" for key, _, _, operation, _ in DECIDING],
)
def test_a_policy_on_the_key_decides(
    lab: Lab, key: str, value: str, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    """A policy with a condition on the key allows the value that the request has, and denies another value."""
    desk = Desk(lab)
    for wanted, is_allowed in ((value, True), (f"not-{value}", False)):
        permit(lab, allow("*", key, wanted))
        assert is_allowed is desk.allows(desk.caller("bob"), service, operation, **parameters)


def test_each_event_is_authorized_separately(lab: Lab) -> None:
    """PutEvents is denied if any of its entries is denied."""
    desk = Desk(lab)
    permit(lab, allow("events:PutEvents", "events:source", "app.orders"))
    other = {**EVENT, "Source": "app.billing"}

    assert desk.allows(desk.caller("bob"), "events", "PutEvents", Entries=[EVENT, EVENT])
    assert not desk.allows(desk.caller("bob"), "events", "PutEvents", Entries=[EVENT, other])


def test_a_resource_has_its_vpc_as_condition_key(lab: Lab) -> None:
    """The condition key ec2:Vpc of a subnet is the VPC that moto has stored for it."""
    admin, desk = lab.user("admin"), Desk(lab)
    vpcs = [admin.call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"] for _ in range(2)]
    subnets = [
        admin.call("ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"] for vpc in vpcs
    ]
    permit(lab, allow("ec2:*", "ec2:Vpc", f"arn:aws:ec2:{HERE}:vpc/{vpcs[0]}", "ArnEquals"))

    answers = [desk.allows(desk.caller("bob"), "ec2", "DeleteSubnet", SubnetId=subnet) for subnet in subnets]
    assert [True, False] == answers


def test_a_new_interface_is_in_its_subnets_vpc(lab: Lab) -> None:
    """RunInstances in a subnet sets ec2:Vpc for the subnet and the network interface, not for the instance."""
    admin, desk = lab.user("admin"), Desk(lab)
    vpc = admin.call("ec2", "CreateVpc", CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = admin.call("ec2", "CreateSubnet", VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]

    questions = desk.questions(desk.caller("admin"), "ec2", "RunInstances", **RUN, SubnetId=subnet)

    known = {each.resource.rpartition(":")[2].partition("/")[0]: each.context.get("ec2:Vpc") for each in questions}
    assert (f"arn:aws:ec2:{HERE}:vpc/{vpc}",) == known["subnet"] == known["network-interface"]
    assert known["instance"] is None


def test_an_existing_database_has_its_engine_as_condition_key(lab: Lab) -> None:
    """DeleteDBInstance has condition keys for the existing database's engine and tags."""
    admin, desk = lab.user("admin"), Desk(lab)
    more = {"AllocatedStorage": 20, "MasterUsername": "u", "MasterUserPassword": "long-enough"}
    admin.call("rds", "CreateDBInstance", **DATABASE, **more, Tags=[{"Key": "team", "Value": "blue"}])
    for key, value in (("rds:DatabaseEngine", "postgres"), ("rds:db-tag/team", "blue")):
        for wanted, is_allowed in ((value, True), ("other", False)):
            permit(lab, allow("rds:*", key, wanted))
            assert is_allowed is desk.allows(desk.caller("bob"), "rds", "DeleteDBInstance", DBInstanceIdentifier="d")


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "associated"),
    [
        ("lambda", "CreateFunction", {"FunctionName": "work", "Role": ROLE}, f"arn:aws:lambda:{HERE}:function:work"),
        ("ec2", "RunInstances", {**RUN, "IamInstanceProfile": {"Name": "machines"}}, f"arn:aws:ec2:{HERE}:instance/*"),
    ],
)
def test_a_role_is_passed_for_one_resource(
    lab: Lab, service: str, operation: str, parameters: dict[str, Any], associated: str
) -> None:
    """iam:AssociatedResourceArn names the resource that will use a passed role.

    IAM User Guide, "Grant a user permissions to pass a role".
    """
    backend = lab.sandbox.world.backend(ACCOUNT)
    backend.create_instance_profile("machines", "/", [])
    backend.add_role_to_instance_profile("machines", "Runner")
    desk = Desk(lab)
    everything = {"Effect": "Allow", "Action": f"{service}:*", "Resource": "*"}
    for wanted, refused in ((associated, ""), (f"{associated}x", "iam:PassRole")):
        permit(lab, everything, allow("iam:PassRole", "iam:AssociatedResourceArn", wanted, "ArnEquals"))
        assert refused == desk.refused(desk.caller("bob"), service, operation, **parameters)


def listed(person: Person, *, presigned: bool = False, headers: dict[str, str] | None = None) -> int:
    """List a bucket; return the status of the response."""
    request = sign(
        person.keys, "s3", "us-east-1", "GET", "/data", headers or {}, presigned_seconds=60 if presigned else 0
    )
    return person.lab.sandbox.handle(request).answer.status


@pytest.mark.parametrize(
    ("operator", "key", "good", "bad"),
    [
        ("StringEquals", "s3:authType", "REST-HEADER", "REST-QUERY-STRING"),
        ("StringEquals", "s3:signatureversion", "AWS4-HMAC-SHA256", "AWS"),
        ("NumericGreaterThanEquals", "s3:TlsVersion", "1.2", "1.4"),
        ("NumericLessThan", "s3:signatureAge", "600000", "0"),
        ("StringLike", "aws:Referer", "https://example.com/*", "https://other.example/*"),
    ],
)
def test_s3_signature_condition_keys(lab: Lab, operator: str, key: str, good: str, bad: str) -> None:
    """Conditions on S3's signature keys and on aws:Referer allow or deny a request."""
    lab.user("admin").call("s3", "CreateBucket", Bucket="data")
    for value, status in ((good, 200), (bad, 403)):
        permit(lab, allow("s3:*", key, value, operator))
        assert status == listed(lab.user("bob"), headers={"Referer": "https://example.com/page"})


def test_a_presigned_url_is_signed_in_its_query(lab: Lab) -> None:
    """s3:authType differs between a presigned URL and a signed header."""
    lab.user("admin").call("s3", "CreateBucket", Bucket="data")
    permit(lab, allow("s3:*", "s3:authType", "REST-QUERY-STRING"))

    assert [200, 403] == [listed(lab.user("bob"), presigned=presigned) for presigned in (True, False)]


def test_a_function_session_has_its_function_arn(lab: Lab) -> None:
    """A function's session has lambda:SourceFunctionArn."""
    body = json.dumps({"role": ROLE, "function": "orders"}).encode()
    status, said = ServiceRoles(lab.sandbox).function(HttpRequest("POST", "/", "", {}, body, "127.0.0.1"))
    assert 200 == status, said
    keys = Keys(
        access_key_id=str(said["AccessKeyId"]),
        secret_access_key=str(said["SecretAccessKey"]),
        session_token=str(said["Token"]),
    )
    session = lab.with_keys(keys)
    for name, wanted in (("orders", 200), ("billing", 403)):
        arn = f"arn:aws:lambda:{HERE}:function:{name}"
        document = json.dumps(
            {"Version": "2012-10-17", "Statement": [allow("sns:*", "lambda:SourceFunctionArn", arn, "ArnEquals")]}
        )
        lab.user("admin").call("iam", "PutRolePolicy", RoleName="Runner", PolicyName="p", PolicyDocument=document)
        assert wanted == session.answer("sns", "ListTopics").status


@pytest.mark.parametrize(
    "key",
    [
        "aws:SourceVpc",
        "aws:SourceVpce",
        "aws:VpcSourceIp",
        "aws:CalledVia",
        "ec2:SourceInstanceArn",
        "ec2:RoleDelivery",
    ],
)
def test_unknown_condition_keys_are_absent(lab: Lab, key: str) -> None:
    """Condition keys of VPC endpoints, instances and intermediate services are absent from all requests."""
    desk = Desk(lab)
    for wanted, is_allowed in (("true", True), ("false", False)):
        permit(lab, allow("*", key, wanted, "Null"))
        assert is_allowed is desk.allows(desk.caller("bob"), "sns", "ListTopics")


@pytest.mark.parametrize(("organization", "is_issued"), [("o-exampleorg1", True), ("o-another0001", False)])
def test_organization_condition_keys_of_service_requests(organization: str, is_issued: bool) -> None:  # noqa: FBT001
    """When a service assumes a role, aws:SourceOrgID is the organization of the role's account."""
    statement: Any = TRUST["Statement"]
    trust = TRUST | {"Statement": statement | {"Condition": {"StringEquals": {"aws:SourceOrgID": organization}}}}
    lab = Lab.of(
        f"""
organization: {{id: o-exampleorg1, management_account: "{OTHER}", accounts: ["{ACCOUNT}"]}}
accounts:
  "{OTHER}": {{}}
  "{ACCOUNT}": {{roles: {{Runner: {{trust: {json.dumps(trust)}}}}}}}
""",
        MovableClock(),
    )
    body = json.dumps({"role": ROLE}).encode()

    status, _ = ServiceRoles(lab.sandbox).function(HttpRequest("POST", "/", "", {}, body, "127.0.0.1"))

    assert is_issued is (200 == status)
