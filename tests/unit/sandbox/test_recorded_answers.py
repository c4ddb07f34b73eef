"""Answers and refusals that were recorded on live AWS, where moto alone answers otherwise."""

from __future__ import annotations

import hashlib

import pytest

from tests.sandboxes import ACCOUNT, OTHER, Person
from tests.unit.sandbox.conftest import LabFactory

SEED = f'accounts: {{"{ACCOUNT}": {{secrets: {{prod/db: first}}}}, "{OTHER}": {{}}}}'


@pytest.fixture
def admin(make_lab: LabFactory) -> Person:
    """The administrator of an account with one secret."""
    return make_lab(SEED).user("admin")


def test_s3_encrypts_each_new_object(admin: Person) -> None:
    """S3 names its encryption in the answers about an object, and the type of a checksum."""
    admin.call("s3", "CreateBucket", Bucket="recorded")
    admin.headers = {"x-amz-sdk-checksum-algorithm": "CRC32", "x-amz-checksum-crc32": "NSRBwg=="}
    stored = admin.call("s3", "PutObject", Bucket="recorded", Key="a", Body=b"abc")
    admin.headers = {}
    read = admin.call("s3", "GetObject", Bucket="recorded", Key="a", ChecksumMode="ENABLED")
    copied = admin.call("s3", "CopyObject", Bucket="recorded", Key="b", CopySource="recorded/a")
    upload = admin.call("s3", "CreateMultipartUpload", Bucket="recorded", Key="c")

    assert ["AES256"] * 4 == [answer["ServerSideEncryption"] for answer in (stored, read, copied, upload)]
    assert ["FULL_OBJECT"] * 2 == [answer["ChecksumType"] for answer in (stored, read)]
    assert "FULL_OBJECT" == copied["CopyObjectResult"]["ChecksumType"]


def test_s3_lists_objects_with_their_checksums(admin: Person) -> None:
    """The three lists have algorithm and type of a checksum, and no owner has a DisplayName."""
    admin.call("s3", "CreateBucket", Bucket="recorded")
    admin.headers = {"x-amz-sdk-checksum-algorithm": "CRC32", "x-amz-checksum-crc32": "NSRBwg=="}
    admin.call("s3", "PutObject", Bucket="recorded", Key="a b", Body=b"abc")
    admin.headers = {}
    lists = (("ListObjects", "Contents"), ("ListObjectsV2", "Contents"), ("ListObjectVersions", "Versions"))
    entries = [admin.call("s3", operation, Bucket="recorded", EncodingType="url")[name] for operation, name in lists]

    assert [[(["CRC32"], "FULL_OBJECT")]] * 3 == [
        [(entry["ChecksumAlgorithm"], entry["ChecksumType"]) for entry in listed] for listed in entries
    ]
    buckets = admin.call("s3", "ListBuckets")
    assert "arn:aws:s3:::recorded" == buckets["Buckets"][0]["BucketArn"]
    assert "DisplayName" not in str((entries, buckets))


@pytest.mark.parametrize("owner", ["0000", "0000000000020", "abcdefghijkl", "11111111111\u0661"])
def test_s3_refuses_an_owner_that_is_no_account(admin: Person, owner: str) -> None:
    """ExpectedBucketOwner is an AWS account id, or the request is wrong."""
    admin.call("s3", "CreateBucket", Bucket="recorded")
    admin.headers = {"x-amz-expected-bucket-owner": owner} if owner.isascii() else {}
    if not owner.isascii():
        refused = admin.refused("s3", "GetBucketPolicy", Bucket="recorded", ExpectedBucketOwner="1111")
    else:
        refused = admin.refused("s3", "GetBucketPolicy", Bucket="recorded")

    assert (400, "InvalidBucketOwnerAWSAccountID") == (refused.status, refused.code)


def test_kms_describes_a_key(admin: Person) -> None:
    """A symmetric key has a usage and a key material; a key for MACs has only their algorithm."""
    symmetric = admin.call("kms", "CreateKey")["KeyMetadata"]
    mac = admin.call("kms", "CreateKey", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]

    assert ("ENCRYPT_DECRYPT", False) == (symmetric["KeyUsage"], symmetric["MultiRegion"])
    assert 64 == len(symmetric["CurrentKeyMaterialId"])
    assert "SigningAlgorithms" not in symmetric
    assert ["HMAC_SHA_256"] == mac["MacAlgorithms"]
    assert not {"EncryptionAlgorithms", "SigningAlgorithms", "CurrentKeyMaterialId"} & mac.keys()


def test_kms_refuses_a_key_in_the_wrong_state(admin: Person) -> None:
    """A disabled key, and one that will be deleted, encrypts and decrypts nothing, by whatever name it is called."""
    key = admin.call("kms", "CreateKey")["KeyMetadata"]["Arn"]
    admin.call("kms", "CreateAlias", AliasName="alias/app", TargetKeyId=key)
    blob = admin.call("kms", "Encrypt", KeyId=key, Plaintext=b"text")["CiphertextBlob"]
    calls = (
        ("Encrypt", {"KeyId": "alias/app", "Plaintext": b"text"}),
        ("Decrypt", {"CiphertextBlob": blob}),
        ("GenerateDataKey", {"KeyId": key, "KeySpec": "AES_256"}),
        ("ReEncrypt", {"CiphertextBlob": blob, "DestinationKeyId": key}),
    )

    admin.call("kms", "DisableKey", KeyId=key)
    assert ["DisabledException"] * 4 == [admin.refused("kms", name, **more).code for name, more in calls]
    admin.call("kms", "ScheduleKeyDeletion", KeyId=key)
    assert ["KMSInvalidStateException"] * 4 == [admin.refused("kms", name, **more).code for name, more in calls]
    assert "KMSInvalidStateException" == admin.refused("kms", "ScheduleKeyDeletion", KeyId=key).code
    admin.call("kms", "CancelKeyDeletion", KeyId=key)
    admin.call("kms", "EnableKey", KeyId=key)
    assert b"text" == admin.call("kms", "Decrypt", CiphertextBlob=blob)["Plaintext"]


def test_kms_refuses_what_a_key_is_not_made_for(admin: Person) -> None:
    """Usage, algorithm, length of the message and of the digest are those of the key."""
    symmetric = admin.call("kms", "CreateKey")["KeyMetadata"]["Arn"]
    signing = admin.call("kms", "CreateKey", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    mac = admin.call("kms", "CreateKey", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["Arn"]
    rsa = admin.call("kms", "CreateKey", KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["Arn"]
    sign: dict[str, object] = {"SigningAlgorithm": "ECDSA_SHA_256", "MessageType": "DIGEST"}
    digest = hashlib.sha256(b"text").digest()

    signed_by_wrong = admin.refused("kms", "Sign", KeyId=symmetric, Message=digest, **sign)
    assert f"{symmetric} key usage is ENCRYPT_DECRYPT which is not valid for Sign." == signed_by_wrong.message
    assert "ValidationException" == admin.refused("kms", "Sign", KeyId=signing, Message=b"short", **sign).code
    signature = admin.call("kms", "Sign", KeyId=signing, Message=digest, **sign)["Signature"]
    other = hashlib.sha256(b"other").digest()
    wrong = admin.refused("kms", "Verify", KeyId=signing, Message=other, Signature=signature, **sign)
    assert "KMSInvalidSignatureException" == wrong.code
    mac_call: dict[str, object] = {"KeyId": mac, "Message": b"text", "MacAlgorithm": "HMAC_SHA_512"}
    assert "InvalidKeyUsageException" == admin.refused("kms", "GenerateMac", **mac_call).code
    long: dict[str, object] = {"KeyId": rsa, "Plaintext": b"x" * 191, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    assert "190 bytes" in admin.refused("kms", "Encrypt", **long).message


def test_kms_refuses_wrong_tags(admin: Person) -> None:
    """Tag keys are unique and not AWS's own, and a key has at most 50 of them."""
    lists = ([("a", "1"), ("a", "2")], [("AWS:a", "1")], [(f"k{number}", "") for number in range(51)])
    tags = [[{"TagKey": key, "TagValue": value} for key, value in pairs] for pairs in lists]

    assert ["TagException"] * 3 == [admin.refused("kms", "CreateKey", Tags=wrong).code for wrong in tags]


def test_secrets_manager_tells_the_day_of_the_last_access(make_lab: LabFactory) -> None:
    """LastAccessedDate is missing until the value is read, and has no time of day."""
    admin = make_lab(SEED).user("admin")
    assert "LastAccessedDate" not in admin.call("secretsmanager", "DescribeSecret", SecretId="prod/db")
    admin.call("secretsmanager", "GetSecretValue", SecretId="prod/db")

    described = admin.call("secretsmanager", "DescribeSecret", SecretId="prod/db")
    version = admin.call("secretsmanager", "ListSecretVersionIds", SecretId="prod/db")["Versions"][0]

    assert described["LastAccessedDate"] == version["LastAccessedDate"]
    assert 0 == described["LastAccessedDate"].timestamp() % (24 * 3600)


def test_a_default_key_is_for_its_own_account(make_lab: LabFactory) -> None:
    """Another account can't write a secret that its owner's default key encrypts, whatever the secret's policy says."""
    lab = make_lab(SEED)
    stranger = lab.user("admin", OTHER)
    arn = lab.user("admin").call("secretsmanager", "DescribeSecret", SecretId="prod/db")["ARN"]
    policy = (
        f'{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Principal": {{"AWS": "{stranger.arn}"}}, '
        '"Action": "secretsmanager:*", "Resource": "*"}}'
    )
    lab.user("admin").call("secretsmanager", "PutResourcePolicy", SecretId="prod/db", ResourcePolicy=policy)

    refused = stranger.refused("secretsmanager", "PutSecretValue", SecretId=arn, SecretString="other")

    assert ("InvalidRequestException", 400) == (refused.code, refused.status)
    assert "default KMS service key" in refused.message


def test_s3_encodes_keys_if_the_client_asks(admin: Person) -> None:
    """A list of versions names its encoding and has encoded keys; HeadBucket names the bucket's ARN."""
    admin.call("s3", "CreateBucket", Bucket="recorded")
    admin.call("s3", "PutObject", Bucket="recorded", Key="a b", Body=b"abc")

    encoded = admin.call("s3", "ListObjectVersions", Bucket="recorded", EncodingType="url")
    plain = admin.call("s3", "ListObjectVersions", Bucket="recorded")

    assert ("url", "a%20b") == (encoded["EncodingType"], encoded["Versions"][0]["Key"])
    assert (None, "a b") == (plain.get("EncodingType"), plain["Versions"][0]["Key"])
    assert "arn:aws:s3:::recorded" == admin.call("s3", "HeadBucket", Bucket="recorded")["BucketArn"]


def test_sqs_tells_only_the_reason(admin: Person) -> None:
    """The message of an invalid parameter has no text of a client library before it."""
    url = admin.call("sqs", "CreateQueue", QueueName="recorded")["QueueUrl"]

    refused = admin.refused("sqs", "ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=11)

    expected = "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided."
    assert ("InvalidParameterValue", expected) == (refused.code, refused.message)
