"""S3 authorization: bucket owners, bucket policies, and operations that need several permissions."""

from __future__ import annotations

import json

import pytest
from moto.s3.models import PublicAccessBlock, s3_backends

from dsops.errors import SandboxRefusal
from tests.questions import ANONYMOUS, Desk
from tests.sandboxes import ACCOUNT, OTHER
from tests.unit.sandbox.conftest import LabFactory

SEED = f"""
accounts:
  "{ACCOUNT}":
    users:
      nobody: {{}}
      reader:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: ["s3:GetObject", "s3:GetObjectAttributes"],
           Resource: "arn:aws:s3:::shelf/open/*"}}}}
      writer:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "s3:PutObject",
           Resource: "arn:aws:s3:::shelf/*"}}}}
      lister:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "s3:ListBucket", Resource: "arn:aws:s3:::shelf",
           Condition: {{StringLike: {{"s3:prefix": "open/*"}}}}}}}}
      taster:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "s3:*", Resource: "arn:aws:s3:::shelf/*",
           Condition: {{StringEquals: {{"s3:ExistingObjectTag/color": "blue"}}}}}}}}
  "{OTHER}":
    users: {{stranger: {{}}}}
"""


@pytest.fixture
def desk(make_lab: LabFactory) -> Desk:
    """The authorization of an account with the bucket `shelf` and an object, and of another account."""
    lab = make_lab(SEED)
    backend = s3_backends[ACCOUNT]["aws"]
    backend.create_bucket("shelf", "us-east-1")
    backend.put_object("shelf", "open/book", b"text")
    return Desk(lab)


def policy(principal: object, *actions: str, effect: str = "Allow", **more: object) -> str:
    """Return a bucket policy of one statement."""
    statement = {"Effect": effect, "Principal": principal, "Action": actions, "Resource": "arn:aws:s3:::shelf*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def put_policy(text: str, *, restrict: bool = False, block: bool = False) -> None:
    """Set the policy and public access block of `shelf`."""
    bucket = s3_backends[ACCOUNT]["aws"].buckets["shelf"]
    bucket.policy = text.encode()
    bucket.public_access_block = PublicAccessBlock(
        block_public_acls=None, ignore_public_acls=None, block_public_policy=block, restrict_public_buckets=restrict
    )


ARN_OF_STRANGER = f"arn:aws:iam::{OTHER}:user/stranger"
ARN_OF_OTHER_ADMIN = f"arn:aws:iam::{OTHER}:user/admin"


# --- accounts of resources ---------------------------------------------------------------------------------------


def test_full_permissions_end_at_the_account(desk: Desk) -> None:
    """An administrator may not use another account's bucket, even though a name is enough to find it."""
    assert desk.allows(desk.caller("admin"), "s3", "GetObject", Bucket="shelf", Key="open/book")
    assert not desk.allows(desk.caller("admin", OTHER), "s3", "GetObject", Bucket="shelf", Key="open/book")
    assert not desk.allows(desk.caller("admin", OTHER), "s3", "DeleteBucket", Bucket="shelf")


def test_operations_happen_in_the_owners_account(desk: Desk) -> None:
    """An operation runs in the bucket owner's account; a missing bucket counts as the caller's own."""
    stranger = desk.caller("stranger", OTHER)

    assert desk.questions(stranger, "s3", "PutObject", Bucket="shelf", Key="x")[0].account == ACCOUNT
    assert desk.questions(stranger, "s3", "PutObject", Bucket="unknown", Key="x")[0].account == OTHER


def test_across_accounts_bucket_and_caller_must_both_allow(desk: Desk) -> None:
    """Across accounts the bucket policy and the caller's policy must both allow."""
    put_policy(policy({"AWS": [ARN_OF_STRANGER, ARN_OF_OTHER_ADMIN]}, "s3:GetObject"))

    assert desk.allows(desk.caller("admin", OTHER), "s3", "GetObject", Bucket="shelf", Key="open/book")
    assert not desk.allows(desk.caller("stranger", OTHER), "s3", "GetObject", Bucket="shelf", Key="open/book")
    assert not desk.allows(desk.caller("admin", OTHER), "s3", "PutObject", Bucket="shelf", Key="open/book")


def test_within_an_account_the_bucket_alone_is_enough(desk: Desk) -> None:
    """Within an account a bucket policy that names the user is enough to allow."""
    assert not desk.allows(desk.caller("nobody"), "s3", "GetObject", Bucket="shelf", Key="open/book")
    put_policy(policy({"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"}, "s3:GetObject"))
    assert desk.allows(desk.caller("nobody"), "s3", "GetObject", Bucket="shelf", Key="open/book")


def test_a_bucket_policy_can_deny_its_administrator(desk: Desk) -> None:
    """A Deny in the bucket policy also applies to the administrator of the account."""
    put_policy(policy("*", "s3:DeleteObject", effect="Deny"))

    assert not desk.allows(desk.caller("admin"), "s3", "DeleteObject", Bucket="shelf", Key="open/book")
    assert desk.allows(desk.caller("admin"), "s3", "PutObject", Bucket="shelf", Key="open/book")


def test_anonymous_access_needs_a_public_policy(desk: Desk) -> None:
    """An anonymous caller needs a bucket policy with `Principal: *`."""
    assert not desk.allows(ANONYMOUS, "s3", "GetObject", Bucket="shelf", Key="open/book")
    put_policy(policy({"AWS": ACCOUNT}, "s3:GetObject"))
    assert not desk.allows(ANONYMOUS, "s3", "GetObject", Bucket="shelf", Key="open/book")
    put_policy(policy("*", "s3:GetObject"))
    assert desk.allows(ANONYMOUS, "s3", "GetObject", Bucket="shelf", Key="open/book")
    assert not desk.allows(ANONYMOUS, "s3", "ListObjectsV2", Bucket="shelf")


# --- public access -----------------------------------------------------------------------------------------------


def test_restricted_public_buckets_are_for_their_account_only(desk: Desk) -> None:
    """With RestrictPublicBuckets a public policy applies only within the bucket's own account."""
    put_policy(policy("*", "s3:GetObject"), restrict=True)

    assert not desk.allows(ANONYMOUS, "s3", "GetObject", Bucket="shelf", Key="open/book")
    assert not desk.allows(desk.caller("admin", OTHER), "s3", "GetObject", Bucket="shelf", Key="open/book")
    assert desk.allows(desk.caller("nobody"), "s3", "GetObject", Bucket="shelf", Key="open/book")


def test_a_policy_for_certain_accounts_is_not_public(desk: Desk) -> None:
    """A policy for certain accounts is not public, so RestrictPublicBuckets does not affect it."""
    put_policy(policy({"AWS": OTHER}, "s3:GetObject"), restrict=True)

    assert desk.allows(desk.caller("admin", OTHER), "s3", "GetObject", Bucket="shelf", Key="open/book")


@pytest.mark.parametrize(
    ("condition", "is_public"),
    [
        ({}, True),
        ({"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}, False),
        ({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-91237329"}}, True),
        ({"StringLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/*"}}, True),
        ({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}, False),
        ({"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}, True),
        ({"StringEquals": {"aws:UserAgent": "mine"}}, True),
        ({"StringEquals": {"s3:x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:..."}}, False),
    ],
)
def test_block_public_policy_refuses_public_policies(desk: Desk, condition: object, *, is_public: bool) -> None:
    """BlockPublicPolicy refuses a policy for everyone without a restricting condition (S3 User Guide)."""
    put_policy(policy({"AWS": ACCOUNT}, "s3:GetObject"), block=True)
    text = policy("*", "s3:GetObject", Condition=condition)

    if is_public:
        with pytest.raises(SandboxRefusal, match="BlockPublicPolicy"):
            desk.allows(desk.caller("admin"), "s3", "PutBucketPolicy", Bucket="shelf", Policy=text)
    else:
        assert desk.allows(desk.caller("admin"), "s3", "PutBucketPolicy", Bucket="shelf", Policy=text)


# --- actions and resources --------------------------------------------------------------------------------------


def test_objects_are_authorized_by_key(desk: Desk) -> None:
    """Object operations are authorized on the whole object key."""
    reader = desk.caller("reader")

    assert desk.allows(reader, "s3", "GetObject", Bucket="shelf", Key="open/book")
    assert not desk.allows(reader, "s3", "GetObject", Bucket="shelf", Key="closed/book")
    assert not desk.allows(reader, "s3", "GetObject", Bucket="other", Key="open/book")


def test_versions_have_separate_actions(desk: Desk) -> None:
    """An operation with a version id needs the version's own action, not only the object's."""
    version = {"Bucket": "shelf", "Key": "open/book", "VersionId": "3sL4k"}

    assert desk.refused(desk.caller("reader"), "s3", "GetObject", **version) == "s3:GetObjectVersion"
    assert desk.asked(
        desk.caller("admin"),
        "s3",
        "DeleteObjects",
        Bucket="shelf",
        Delete={"Objects": [{"Key": "a"}, {"Key": "b", "VersionId": "3sL4k"}]},
    ) == [("s3:DeleteObject", "arn:aws:s3:::shelf/a"), ("s3:DeleteObjectVersion", "arn:aws:s3:::shelf/b")]


def test_only_callers_who_may_list_get_no_such_key(desk: Desk) -> None:
    """Only a caller with s3:ListBucket learns that an object does not exist."""
    nothing = {"Bucket": "shelf", "Key": "open/nothing"}

    assert desk.refused(desk.caller("reader"), "s3", "GetObject", **nothing) == "s3:ListBucket"
    assert desk.refused(desk.caller("reader"), "s3", "HeadObject", **nothing) == "s3:ListBucket"
    assert desk.allows(desk.caller("admin"), "s3", "GetObject", **nothing)


@pytest.mark.parametrize(
    ("more", "action"),
    [
        ({}, ""),
        ({"ACL": "public-read"}, "s3:PutObjectAcl"),
        ({"GrantRead": "id=0123"}, "s3:PutObjectAcl"),
        ({"Tagging": "color=blue"}, "s3:PutObjectTagging"),
        ({"ObjectLockMode": "GOVERNANCE"}, "s3:PutObjectRetention"),
        ({"ObjectLockLegalHoldStatus": "ON"}, "s3:PutObjectLegalHold"),
    ],
)
def test_acl_tags_and_locks_of_an_object_need_separate_permissions(
    desk: Desk, more: dict[str, str], action: str
) -> None:
    """ACL, tags and locks that PutObject sets each need a separate permission."""
    assert desk.refused(desk.caller("writer"), "s3", "PutObject", Bucket="shelf", Key="x", **more) == action


def test_a_copy_needs_read_permission(desk: Desk) -> None:
    """A copy needs read permission on its source, whichever account owns the source."""
    source = "shelf/open/book"
    backend = s3_backends[OTHER]["aws"]
    backend.create_bucket("theirs", "us-east-1")

    assert desk.refused(desk.caller("writer"), "s3", "CopyObject", Bucket="shelf", Key="x", CopySource=source) == (
        "s3:GetObject"
    )
    assert desk.allows(desk.caller("admin"), "s3", "CopyObject", Bucket="shelf", Key="x", CopySource=source)
    theirs = desk.caller("admin", OTHER)
    assert desk.refused(theirs, "s3", "CopyObject", Bucket="theirs", Key="x", CopySource=source) == "s3:GetObject"
    first = desk.questions(theirs, "s3", "UploadPartCopy", Bucket="theirs", Key="x", CopySource=source)[0]
    assert (first.account, first.resource) == (OTHER, "arn:aws:s3:::theirs/x")


def test_a_copy_source_is_unescaped_once(desk: Desk) -> None:
    """The authorization percent-decodes a copy source exactly once, as the copy operation does."""
    questions = desk.asked(
        desk.caller("admin"),
        "s3",
        "CopyObject",
        Bucket="shelf",
        Key="x",
        CopySource="/shelf/open%2Fa%2520b?versionId=3sL4k",
    )

    assert questions[1] == ("s3:GetObjectVersion", "arn:aws:s3:::shelf/open/a%20b")


@pytest.mark.parametrize(
    "source",
    [
        "",
        "shelf",
        "shelf/",
        "//elsewhere/shelf/open/book",
        "s3:shelf/open/book",
        "shelf/a#b",
        "shelf/a;b",
        "shelf/a?b",
        "%2Fshelf/open/book",
        "shelf/a?versionId=1&versionId=2",
        "arn:aws:s3:::shelf/open/book",
        " shelf/a",
        "\tshelf/a",
    ],
)
def test_an_ambiguous_copy_source_is_refused(desk: Desk, source: str) -> None:
    """An ambiguous copy source is refused, because moto parses it as a URL."""
    with pytest.raises(SandboxRefusal, match="sourcebucket/sourcekey"):
        desk.allows(desk.caller("admin"), "s3", "CopyObject", Bucket="shelf", Key="x", CopySource=source)


def test_an_access_point_needs_permission_on_everything(desk: Desk) -> None:
    """An access point's ARN needs permission on `*`, since the sandbox does not support access points."""
    arn = f"arn:aws:s3:us-east-1:{ACCOUNT}:accesspoint/mine"

    assert desk.asked(desk.caller("reader"), "s3", "GetObject", Bucket=arn, Key="open/book") == [("s3:GetObject", "*")]


# --- conditions --------------------------------------------------------------------------------------------------


def test_a_prefix_is_a_condition_key(desk: Desk) -> None:
    """s3:prefix is set only if the request has a prefix parameter."""
    lister = desk.caller("lister")

    assert desk.allows(lister, "s3", "ListObjectsV2", Bucket="shelf", Prefix="open/")
    assert not desk.allows(lister, "s3", "ListObjectsV2", Bucket="shelf", Prefix="closed/")
    assert not desk.allows(lister, "s3", "ListObjectsV2", Bucket="shelf")


def test_an_objects_tags_are_condition_keys(desk: Desk) -> None:
    """s3:ExistingObjectTag has the object's current tags."""
    backend = s3_backends[ACCOUNT]["aws"]
    taster = desk.caller("taster")

    assert not desk.allows(taster, "s3", "GetObject", Bucket="shelf", Key="open/book")
    backend.put_object_tagging(backend.buckets["shelf"].keys["open/book"], {"color": "blue"})
    assert desk.allows(taster, "s3", "GetObject", Bucket="shelf", Key="open/book")


def test_passed_tags_are_condition_keys(desk: Desk) -> None:
    """s3:RequestObjectTag is set from PutObject's header and PutObjectTagging's body."""
    admin = desk.caller("admin")
    expected = {"s3:RequestObjectTag/color": ("blue",), "s3:RequestObjectTagKeys": ("color",)}
    body = {"TagSet": [{"Key": "color", "Value": "blue"}]}

    for operation, tagging in (("PutObject", "color=blue"), ("PutObjectTagging", body)):
        question = desk.questions(admin, "s3", operation, Bucket="shelf", Key="x", Tagging=tagging)[0]
        assert expected.items() <= dict(question.context).items()


def test_headers_are_condition_keys(desk: Desk) -> None:
    """Request headers set condition keys; a key is absent if its header is absent."""
    parameters = {"ACL": "private", "ServerSideEncryption": "AES256", "StorageClass": "STANDARD_IA"}
    context = desk.questions(desk.caller("admin"), "s3", "PutObject", Bucket="shelf", Key="x", **parameters)[0].context

    assert context["s3:x-amz-acl"] == ("private",)
    assert context["s3:x-amz-server-side-encryption"] == ("AES256",)
    assert context["s3:x-amz-storage-class"] == ("STANDARD_IA",)
    assert "s3:x-amz-server-side-encryption-aws-kms-key-id" not in context


def test_a_customer_managed_key_must_be_allowed(desk: Desk) -> None:
    """A customer managed key needs kms:GenerateDataKey to write and kms:Decrypt to read; S3's own keys do not."""
    parameters = {"Bucket": "shelf", "Key": "x", "ServerSideEncryption": "aws:kms"}
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"

    assert desk.allows(desk.caller("writer"), "s3", "PutObject", **parameters)
    assert (
        desk.refused(desk.caller("writer"), "s3", "PutObject", **parameters, SSEKMSKeyId=key) == "kms:GenerateDataKey"
    )
    assert desk.allows(desk.caller("admin"), "s3", "PutObject", **parameters, SSEKMSKeyId=key)
    s3_backends[ACCOUNT]["aws"].put_object("shelf", "open/closed", b"x", encryption="aws:kms", kms_key_id=key)
    assert desk.refused(desk.caller("reader"), "s3", "GetObject", Bucket="shelf", Key="open/closed") == "kms:Decrypt"
    assert desk.allows(desk.caller("reader"), "s3", "HeadObject", Bucket="shelf", Key="open/closed")


def test_default_encryption_needs_its_key(desk: Desk) -> None:
    """A request that names no encryption needs permission on the bucket's default KMS key."""
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
    s3_backends[ACCOUNT]["aws"].buckets["shelf"].encryption = {"Rule": rule}
    writer = desk.caller("writer")

    assert desk.refused(writer, "s3", "PutObject", Bucket="shelf", Key="x") == "kms:GenerateDataKey"
    assert desk.allows(writer, "s3", "PutObject", Bucket="shelf", Key="x", ServerSideEncryption="AES256")
