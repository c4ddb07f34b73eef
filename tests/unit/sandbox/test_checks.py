"""Service checks that moto lacks: KMS keys and aliases, Parameter Store names, Secrets Manager and S3 errors."""

from __future__ import annotations

import pytest

from tests.sandboxes import ACCOUNT, Lab, Person

KEY = "12345678-1234-1234-1234-123456789012"
KEYS = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/"
SUB_PATHS = "it can consist of sub-paths divided by slash symbol"


@pytest.fixture
def admin() -> Person:
    """The administrator of an empty account."""
    return Lab.of(f'accounts: {{"{ACCOUNT}": {{users: {{stranger: {{}}}}}}}}').user("admin")


@pytest.mark.parametrize(
    ("operation", "parameters"),
    [
        ("DescribeKey", {}),
        ("ListGrants", {}),
        ("RevokeGrant", {"GrantId": "g" * 64}),
        ("CreateGrant", {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root", "Operations": ["Decrypt"]}),
        ("RetireGrant", {"GrantId": "g" * 64}),
        ("Encrypt", {"Plaintext": b"x"}),
        ("TagResource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}),
    ],
)
def test_a_missing_key_is_not_found(admin: Person, operation: str, parameters: dict[str, object]) -> None:
    """A missing KMS key gets NotFoundException with AWS's message, whether named by id, ARN or alias."""
    for key_id, message in (
        (KEY, f"Key '{KEYS}{KEY}' does not exist"),
        (f"{KEYS}{KEY}", f"Key '{KEYS}{KEY}' does not exist"),
        ("not-a-key", "Invalid keyId 'not-a-key'"),
        ("alias/missing", f"Alias arn:aws:kms:us-east-1:{ACCOUNT}:alias/missing is not found."),
    ):
        refused = admin.refused("kms", operation, KeyId=key_id, **parameters)
        assert ("NotFoundException", message, 400) == (refused.code, refused.message, refused.status)


def test_a_denied_caller_does_not_learn_which_keys_exist(admin: Person) -> None:
    """A caller without permission is denied before the key is looked up, so it can't probe for keys."""
    refused = admin.lab.user("stranger").refused("kms", "ListGrants", KeyId=KEY)

    assert "AccessDeniedException" == refused.code


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ({}, "NumberOfBytes is required."),
        (
            {"NumberOfBytes": 0},
            (
                "1 validation error detected: Value '0' at 'numberOfBytes' failed to satisfy "
                "constraint: Member must have value greater than or equal to 1"
            ),
        ),
        (
            {"NumberOfBytes": 1025},
            (
                "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy "
                "constraint: Member must have value less than or equal to 1024"
            ),
        ),
    ],
)
def test_random_bytes_need_a_size(admin: Person, size: dict[str, object], message: str) -> None:
    """GenerateRandom requires 1 to 1024 bytes, with AWS's recorded messages."""
    refused = admin.refused("kms", "GenerateRandom", **size)

    assert ("ValidationException", message) == (refused.code, refused.message)
    assert 1024 == len(admin.call("kms", "GenerateRandom", NumberOfBytes=1024)["Plaintext"])


def test_aws_aliases_are_reserved(admin: Person) -> None:
    """`alias/aws/...` can't be created, moved or deleted; a similar name can."""
    key = admin.call("kms", "CreateKey")["KeyMetadata"]["KeyId"]

    for operation, more in (
        ("CreateAlias", {"TargetKeyId": key}),
        ("UpdateAlias", {"TargetKeyId": key}),
        ("DeleteAlias", {}),
    ):
        for name in ("alias/aws/x", "alias/aws/s3"):
            assert "NotAuthorizedException" == admin.refused("kms", operation, AliasName=name, **more).code
    assert admin.answer("kms", "CreateAlias", AliasName="alias/awsome", TargetKeyId=key).status == 200


def test_a_path_begins_with_a_slash(admin: Person) -> None:
    """A parameter name that contains slashes must begin with a slash; a name without slashes is valid."""
    put = {"Value": "v", "Type": "String"}
    admin.call("ssm", "PutParameter", Name="/a/b/c", **put)
    admin.call("ssm", "PutParameter", Name="plain", **put)

    refused = admin.refused("ssm", "PutParameter", Name="a/b/c", **put)
    assert ("ValidationException", "Parameter name must be a fully qualified name.") == (refused.code, refused.message)
    for operation, parameters in (
        ("GetParameter", {"Name": "a/b/c"}),
        ("GetParameter", {"Name": "/a//b/c"}),
        ("GetParameters", {"Names": ["a/b"]}),
        ("DeleteParameter", {"Name": "a/b/c"}),
    ):
        refused = admin.refused("ssm", operation, **parameters)
        assert ("ValidationException", True) == (refused.code, SUB_PATHS in refused.message)
    refused = admin.refused("ssm", "GetParametersByPath", Path="a")
    assert "must begin with a forward slash" in refused.message
    assert "v" == admin.call("ssm", "GetParameter", Name="/a/b/c")["Parameter"]["Value"]


def test_a_parameter_name_with_and_without_leading_slash(admin: Person) -> None:
    """`/x` and `x` name the same parameter, and each response has the requested spelling (both recorded)."""
    admin.call("ssm", "PutParameter", Name="x", Value="v", Type="String")

    assert "ParameterAlreadyExists" == admin.refused("ssm", "PutParameter", Name="/x", Value="w", Type="String").code
    for name in ("x", "/x"):
        found = admin.call("ssm", "GetParameter", Name=name)["Parameter"]
        assert (name, f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/x") == (found["Name"], found["ARN"])
        assert [name] == [each["Name"] for each in admin.call("ssm", "GetParameters", Names=[name])["Parameters"]]


def test_a_refused_subscription_is_not_created(admin: Person) -> None:
    """A subscription with invalid attributes is refused and not created."""
    topic = admin.call("sns", "CreateTopic", Name="t")["TopicArn"]
    parameters = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"}

    admin.refused("sns", "Subscribe", **parameters, Attributes={"NoSuch": "x"})
    assert [] == admin.call("sns", "ListSubscriptions")["Subscriptions"]
    admin.call("sns", "Subscribe", **parameters)
    admin.refused("sns", "Subscribe", **parameters, Attributes={"NoSuch": "x"})
    assert 1 == len(admin.call("sns", "ListSubscriptions")["Subscriptions"])


def test_versions_are_listed_with_their_keys(admin: Person) -> None:
    """ListSecretVersionIds returns versions in pages, with their KMS keys.

    Versions without stages are returned only if the request asks for them.
    """
    key = admin.call("kms", "CreateKey")["KeyMetadata"]["KeyId"]
    created = [admin.call("secretsmanager", "CreateSecret", Name="s", SecretString="1")]
    created += [admin.call("secretsmanager", "PutSecretValue", SecretId="s", SecretString=text) for text in ("2", "3")]
    admin.call("secretsmanager", "CreateSecret", Name="own", SecretString="1", KmsKeyId=key)

    shown = admin.call("secretsmanager", "ListSecretVersionIds", SecretId="s")
    every = admin.call("secretsmanager", "ListSecretVersionIds", SecretId=created[0]["ARN"], IncludeDeprecated=True)
    page = admin.call("secretsmanager", "ListSecretVersionIds", SecretId="s", MaxResults=1)
    after = admin.call(
        "secretsmanager", "ListSecretVersionIds", SecretId="s", MaxResults=1, NextToken=page["NextToken"]
    )

    assert (created[0]["ARN"], "s", False) == (shown["ARN"], shown["Name"], "NextToken" in shown)
    assert [["AWSPREVIOUS"], ["AWSCURRENT"]] == [each["VersionStages"] for each in shown["Versions"]]
    assert [each["VersionId"] for each in created] == [each["VersionId"] for each in every["Versions"]]
    assert [["DefaultEncryptionKey"]] * 3 == [each["KmsKeyIds"] for each in every["Versions"]]
    assert shown["Versions"] == page["Versions"] + after["Versions"]
    assert "NextToken" not in after
    own = admin.call("secretsmanager", "ListSecretVersionIds", SecretId="own")
    assert [[key]] == [each["KmsKeyIds"] for each in own["Versions"]]
    missing = admin.refused("secretsmanager", "ListSecretVersionIds", SecretId="missing")
    assert ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.") == (
        missing.code,
        missing.message,
    )


def test_an_invalid_secret_name_is_refused_everywhere(admin: Person) -> None:
    """An invalid secret name is refused in all operations."""
    for operation, parameters in (
        ("CreateSecret", {"Name": "a b"}),
        ("DescribeSecret", {"SecretId": "a b"}),
        ("GetSecretValue", {"SecretId": "a*"}),
        ("ListSecretVersionIds", {"SecretId": "a?"}),
        ("DeleteSecret", {"SecretId": " a"}),
    ):
        refused = admin.refused("secretsmanager", operation, **parameters)
        assert ("ValidationException", True) == (refused.code, refused.message.startswith("Invalid name."))


def test_a_secret_without_a_function_is_not_rotated(admin: Person) -> None:
    """RotateSecret without a function is refused, and leaves no pending version."""
    admin.call("secretsmanager", "CreateSecret", Name="s", SecretString="1")

    for _ in range(2):
        refused = admin.refused("secretsmanager", "RotateSecret", SecretId="s")
        assert ("InvalidRequestException", "No Lambda rotation function ARN is associated with this secret.") == (
            refused.code,
            refused.message,
        )
    stages = admin.call("secretsmanager", "DescribeSecret", SecretId="s")["VersionIdsToStages"].values()
    assert [["AWSCURRENT"]] == list(stages)


def test_a_secret_read_through_parameter_store(admin: Person) -> None:
    """A secret read through Parameter Store has the parameter path as its name.

    A missing secret is listed in InvalidParameters (both recorded).
    """
    admin.call("secretsmanager", "CreateSecret", Name="s", SecretString="1")
    path = "/aws/reference/secretsmanager/s"

    found = admin.call("ssm", "GetParameter", Name=path, WithDecryption=True)["Parameter"]

    assert (path, "1") == (found["Name"], found["Value"])
    admin.call("ssm", "PutParameter", Name="x", Value="v", Type="String")
    for others in ([], ["x", path]):
        names = [*others, f"{path}-missing", "missing"]
        several = admin.call("ssm", "GetParameters", Names=names, WithDecryption=True)
        assert sorted(others) == sorted(each["Name"] for each in several["Parameters"])
        assert sorted(names[-2:]) == sorted(several["InvalidParameters"])
    alone = admin.call("ssm", "GetParameters", Names=[f"{path}-missing"], WithDecryption=True)
    assert ([], [f"{path}-missing"]) == (alone["Parameters"], alone["InvalidParameters"])


@pytest.mark.parametrize(
    ("operation", "parameters", "status", "code"),
    [
        ("GetObject", {"Key": "k", "PartNumber": 2}, 416, "InvalidPartNumber"),
        ("UploadPart", {"Key": "k", "UploadId": "none", "PartNumber": 1, "Body": b"x"}, 404, "NoSuchUpload"),
        (
            "UploadPartCopy",
            {"Key": "k", "UploadId": "none", "PartNumber": 1, "CopySource": "bucket/k"},
            404,
            "NoSuchUpload",
        ),
        (
            "CompleteMultipartUpload",
            {"Key": "k", "UploadId": "none", "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "x"}]}},
            404,
            "NoSuchUpload",
        ),
        ("ListObjectsV2", {"ContinuationToken": "none"}, 400, "InvalidArgument"),
        ("PutBucketCors", {"CORSConfiguration": {"CORSRules": []}}, 400, "MalformedXML"),
        ("PutBucketEncryption", {"ServerSideEncryptionConfiguration": {"Rules": []}}, 400, "MalformedXML"),
    ],
)
def test_missing_s3_elements_have_s3_errors(
    admin: Person, operation: str, parameters: dict[str, object], status: int, code: str
) -> None:
    """A missing part, upload, page token or body element gets S3's error for that case."""
    admin.call("s3", "CreateBucket", Bucket="bucket")
    admin.call("s3", "PutObject", Bucket="bucket", Key="k", Body=b"x")

    refused = admin.refused("s3", operation, Bucket="bucket", **parameters)

    assert (status, code) == (refused.status, refused.code)
    assert b"x" == admin.answer("s3", "GetObject", Bucket="bucket", Key="k").body
