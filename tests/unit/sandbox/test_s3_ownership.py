"""Object ownership of buckets: whether a bucket accepts ACLs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandboxes import Lab, Person

PUBLIC = {"ACL": "public-read"}
GRANT = {"GrantRead": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'}


@pytest.fixture
def admin(lab: Lab) -> Person:
    """The administrator, with a bucket and an object."""
    person = lab.user("admin")
    person.call("s3", "CreateBucket", Bucket="bucket")
    person.call("s3", "PutObject", Bucket="bucket", Key="k", Body=b"x")
    return person


def ownership(person: Person, bucket: str = "bucket") -> str:
    """Return the bucket's object ownership."""
    controls = person.call("s3", "GetBucketOwnershipControls", Bucket=bucket)["OwnershipControls"]
    return str(controls["Rules"][0]["ObjectOwnership"])


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("PutBucketAcl", PUBLIC),
    ("PutBucketAcl", {"ACL": "private"}),
    ("PutObjectAcl", {"Key": "k", **PUBLIC}),
    ("PutObject", {"Key": "k", **PUBLIC}),
    ("PutObject", {"Key": "k", **GRANT}),
    ("CopyObject", {"Key": "k2", "CopySource": "bucket/k", **PUBLIC}),
    ("CreateMultipartUpload", {"Key": "k", **PUBLIC}),
]


@pytest.mark.parametrize(("operation", "parameters"), CALLS)
def test_a_new_bucket_does_not_allow_acls(admin: Person, operation: str, parameters: dict[str, Any]) -> None:
    """BucketOwnerEnforced is the default, which refuses ACLs; a bucket with another ownership accepts them."""
    assert "BucketOwnerEnforced" == ownership(admin)
    refused = admin.refused("s3", operation, Bucket="bucket", **parameters)
    assert ("AccessControlListNotSupported", 400) == (refused.code, refused.status)

    rules = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    admin.call("s3", "PutBucketOwnershipControls", Bucket="bucket", OwnershipControls=rules)
    admin.call("s3", operation, Bucket="bucket", **parameters)


def test_the_owners_own_acl_is_accepted(admin: Person) -> None:
    """An object may be stored with `bucket-owner-full-control`, which gives what the owner has anyway."""
    admin.call("s3", "PutObject", Bucket="bucket", Key="k", ACL="bucket-owner-full-control")


def test_without_ownership_controls_acls_are_accepted(admin: Person) -> None:
    """A bucket whose ownership controls were deleted accepts ACLs."""
    admin.call("s3", "DeleteBucketOwnershipControls", Bucket="bucket")

    admin.call("s3", "PutObject", Bucket="bucket", Key="k", **PUBLIC)
    assert "OwnershipControlsNotFoundError" == admin.refused("s3", "GetBucketOwnershipControls", Bucket="bucket").code


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (PUBLIC, "InvalidBucketAclWithObjectOwnership"),
        (GRANT, "InvalidBucketAclWithObjectOwnership"),
        (PUBLIC | {"ObjectOwnership": "BucketOwnerEnforced"}, "InvalidBucketAclWithObjectOwnership"),
        (PUBLIC | {"ObjectOwnership": "BucketOwnerPreferred"}, ""),
        ({"ACL": "private"}, ""),
        ({"ACL": "mine"}, "InvalidArgument"),
    ],
)
def test_a_bucket_is_created_with_an_acl_and_its_ownership(
    admin: Person, parameters: dict[str, Any], code: str
) -> None:
    """CreateBucket refuses an ACL unless the request has an object ownership that allows ACLs."""
    if code:
        assert code == admin.refused("s3", "CreateBucket", Bucket="other", **parameters).code
    else:
        admin.call("s3", "CreateBucket", Bucket="other", **parameters)
        assert parameters.get("ObjectOwnership", "BucketOwnerEnforced") == ownership(admin, "other")
