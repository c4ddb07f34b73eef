"""SSM policies apply whichever form a name has: name or ARN, version or label, parameter or secret."""

from __future__ import annotations

import json

import pytest

from tests.sandboxes import ACCOUNT, Lab, Person

ARN = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
SECRET = "/aws/reference/secretsmanager/hush"


@pytest.fixture
def admin() -> Person:
    """An administrator with a tagged parameter, one without a path, and a secret."""
    admin = Lab.of(f'accounts: {{"{ACCOUNT}": {{}}}}').user("admin")
    tags = [{"Key": "env", "Value": "prod"}]
    for name in ("/a/b", "plain"):
        admin.call("ssm", "PutParameter", Name=name, Value="v", Type="String", Tags=tags)
    admin.call("secretsmanager", "CreateSecret", Name="hush", SecretString="TOP")
    return admin


def attacker(admin: Person, *statements: object) -> Person:
    """A user with a policy of these statements."""
    admin.call("iam", "CreateUser", UserName="eve")
    admin.call("iam", "CreateAccessKey", UserName="eve")
    text = json.dumps({"Version": "2012-10-17", "Statement": statements})
    admin.call("iam", "PutUserPolicy", UserName="eve", PolicyName="p", PolicyDocument=text)
    return admin.lab.user("eve")


def calls(name: str) -> list[tuple[str, dict[str, object]]]:
    """Every operation that reads the parameter with this name."""
    return [
        ("GetParameter", {"Name": name, "WithDecryption": True}),
        ("GetParameters", {"Names": [name], "WithDecryption": True}),
        ("GetParameterHistory", {"Name": name}),
        ("ListTagsForResource", {"ResourceType": "Parameter", "ResourceId": name}),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "/a/b",
        "/a/b:1",
        f"{ARN}/a/b",
        f"{ARN}/a/b:1",
        f"{ARN}/a/b:label",
        "plain",
        "/plain",
        f"{ARN}/plain",
        f"{ARN}/plain:1",
        f"{ARN}plain",
    ],
)
@pytest.mark.parametrize("by", ["name", "tag"])
def test_a_denial_holds_for_every_form_of_the_name(admin: Person, name: str, by: str) -> None:
    """A Deny by ARN or tag applies to every form of a parameter's name."""
    deny: dict[str, object] = {"Effect": "Deny", "Action": "ssm:*", "Resource": [f"{ARN}/a/b", f"{ARN}/plain"]}
    if by == "tag":
        deny |= {"Resource": "*", "Condition": {"StringEquals": {"aws:ResourceTag/env": "prod"}}}
    eve = attacker(admin, ALL, deny)

    for operation, parameters in calls(name):
        assert "AccessDeniedException" == eve.refused("ssm", operation, **parameters).code, operation


@pytest.mark.parametrize(
    "name",
    [
        SECRET,
        f"{SECRET}:AWSCURRENT",
        f"{ARN}{SECRET}",
        f"{ARN}{SECRET}:AWSCURRENT",
        f"{ARN}{SECRET[1:]}",
        f"{ARN}/a{ARN}{SECRET[2:]}",
        f"{ARN}{ARN}{SECRET}",
    ],
)
def test_leave_for_parameters_is_no_leave_for_secrets(admin: Person, name: str) -> None:
    """Permission for parameters does not extend to secrets read through Parameter Store, whatever form the name has."""
    eve = attacker(admin, {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"})

    for operation, parameters in calls(name):
        assert b"TOP" not in eve.answer("ssm", operation, **parameters).body


@pytest.mark.parametrize("name", [SECRET, f"{SECRET}:AWSCURRENT", f"{SECRET}:1", f"{ARN}{SECRET}:AWSCURRENT"])
def test_a_denial_of_one_secret_holds_behind_parameters(admin: Person, name: str) -> None:
    """A Deny on a secret also applies to reads through Parameter Store, even if the name ends with a label."""
    arn = admin.call("secretsmanager", "DescribeSecret", SecretId="hush")["ARN"]
    eve = attacker(admin, ALL, {"Effect": "Deny", "Action": "secretsmanager:*", "Resource": arn})

    for operation, parameters in calls(name)[:2]:
        refused = eve.refused("ssm", operation, **parameters)
        assert "secretsmanager:GetSecretValue on resource: " + arn in refused.message


def test_an_arn_still_reads_what_it_names(admin: Person) -> None:
    """Reading by ARN returns the parameter or secret; an unknown ARN is listed as invalid, as the request wrote it."""
    assert "v" == admin.call("ssm", "GetParameter", Name=f"{ARN}/a/b:1")["Parameter"]["Value"]
    assert "TOP" == admin.call("ssm", "GetParameter", Name=f"{ARN}{SECRET}", WithDecryption=True)["Parameter"]["Value"]
    answer = admin.call("ssm", "GetParameters", Names=[f"{ARN}/plain", f"{ARN}/missing", "absent"])
    assert ["plain"] == [parameter["Name"] for parameter in answer["Parameters"]]
    assert {f"{ARN}/missing", "absent"} == set(answer["InvalidParameters"])
