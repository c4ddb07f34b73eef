"""What `--generalise` replaces by wildcards, and what it leaves."""

from __future__ import annotations

import pytest

from dsops.recording.call import ANY_ONE, ANY_RUN
from dsops.recording.generalise import Generalise, covers, generalised
from dsops.recording.permissions import KeyCondition, NeededPermission
from tests.unit.recording.calls import ACCOUNT

S3 = "arn:aws:s3:::"
IN = f"eu-west-1:{ACCOUNT}"


def texts(level: Generalise, *resources: str, action: str = "s3:GetObject") -> list[str]:
    """Return the generalised resources, in the order given, without repetition."""
    return [
        each.resource.replace(ANY_RUN, "*").replace(ANY_ONE, "?")
        for each in generalised([NeededPermission(action, resource) for resource in resources], level)
    ]


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (f"{S3}b/7f3c2a10-1111-2222-3333-444455556666.json", f"{S3}b/*.json"),
        (f"{S3}b/out-2026-11-28T20:30:00Z/x", f"{S3}b/out-*/x"),
        (f"{S3}b/2026/11/28/20/x.gz", f"{S3}b/*/x.gz"),
        (f"{S3}b/sha/0a1b2c3d4e5f", f"{S3}b/sha/*"),
        (f"{S3}app-20261128203000123400000001", f"{S3}app-*"),
        (
            f"arn:aws:cloudformation:{IN}:stack/app/0a1b2c3d-1111-2222-3333-444455556666",
            f"arn:aws:cloudformation:{IN}:stack/app/*",
        ),
        (f"arn:aws:iam::{ACCOUNT}:role/app-Role-1A2B3C4D5E6F", f"arn:aws:iam::{ACCOUNT}:role/app-Role-*"),
        (f"arn:aws:ec2:{IN}:instance/i-0abc1234def567890", f"arn:aws:ec2:{IN}:instance/i-*"),
        (f"arn:aws:secretsmanager:{IN}:secret:app/db-AbCd12", f"arn:aws:secretsmanager:{IN}:secret:app/db-??????"),
        (f"arn:aws:logs:{IN}:log-group:g:log-stream:2026/11/28/[1]x", f"arn:aws:logs:{IN}:log-group:g:log-stream:*"),
        (f"{S3}b/k/x1y2z3a4b5c6", f"{S3}b/k/*"),
    ],
)
def test_a_random_name_becomes_a_wildcard(resource: str, expected: str) -> None:
    """Ids, hashes, dates and suffixes differ in each run."""
    assert [expected] == texts("names", resource)


@pytest.mark.parametrize(
    "resource",
    [
        f"{S3}data/reports/v1beta1/summary.csv",
        f"{S3}prod2026/deadbeef/feedback",
        f"{S3}build-{ACCOUNT}-eu-west-1/app.zip",
        f"arn:aws:kms:{IN}:key/7f3c2a10-1111-2222-3333-444455556666",
        f"arn:aws:dynamodb:{IN}:table/orders-v2",
        f"arn:aws:ssm:{IN}:parameter/app/prod/url",
        f"arn:aws:lambda:{IN}:function:resize-image-large",
        "*",
    ],
)
def test_a_stable_name_stays(resource: str) -> None:
    """Words, versions, account ids and KMS keys are the same in each run of one account."""
    assert [resource] == texts("names", resource)


def test_nothing_changes_without_generalisation() -> None:
    """`none` keeps each resource."""
    resources = [f"{S3}b/a/{number}" for number in range(5)]

    assert resources == texts("none", *resources)


def test_objects_of_one_folder_become_the_folder() -> None:
    """Two objects below one prefix become all objects below it; a single object stays."""
    assert [f"{S3}b/in/*", f"{S3}b/out/x", f"{S3}c/in/one"] == texts(
        "names", f"{S3}b/in/one", f"{S3}b/in/two", f"{S3}b/out/x", f"{S3}c/in/one"
    )


def test_sibling_folders_become_their_parent() -> None:
    """Three folders with several objects become the folder above them, but never the whole bucket."""
    nested = [f"{S3}b/top/{folder}/{name}" for folder in "xyz" for name in "12"]
    at_top = [f"{S3}b/{folder}/{name}" for folder in "xyz" for name in "12"]

    assert [f"{S3}b/top/*"] == texts("names", *nested)
    assert [f"{S3}b/x/*", f"{S3}b/y/*", f"{S3}b/z/*"] == texts("names", *at_top)


def test_many_objects_at_the_top_become_the_bucket() -> None:
    """Ten objects directly in a bucket become all its objects; nine stay."""
    assert [f"{S3}b/*"] == texts("names", *[f"{S3}b/file-{letter}" for letter in "abcdefghij"])
    assert 9 == len(texts("names", *[f"{S3}b/file-{letter}" for letter in "abcdefghi"]))


def test_an_odd_word_is_random_only_if_it_varies() -> None:
    """`a1b2c` in one name may be a word; two names that differ only there are random."""
    one, two = (f"arn:aws:sqs:{IN}:work-{suffix}" for suffix in ("x7k2pq", "m3n8rs"))

    assert [one] == texts("names", one, action="sqs:SendMessage")
    assert [f"arn:aws:sqs:{IN}:work-*"] == texts("names", one, two, action="sqs:SendMessage")


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (f"arn:aws:sqs:{IN}:work", "arn:aws:sqs:*:*:work"),
        (f"arn:aws:iam::{ACCOUNT}:role/app-{ACCOUNT}-eu-west-1", "arn:aws:iam::*:role/app-*-*"),
        (f"{S3}build-{ACCOUNT}-us-gov-west-1/app.zip", f"{S3}build-*-*/app.zip"),
        (f"arn:aws:kms:{IN}:key/7f3c2a10-1111-2222-3333-444455556666", "arn:aws:kms:*:*:key/*"),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        (f"arn:aws:sqs:{IN}:my-service-1", "arn:aws:sqs:*:*:my-service-1"),
        ("*", "*"),
    ],
)
def test_accounts_and_regions_become_wildcards(resource: str, expected: str) -> None:
    """`accounts` replaces the account and the region, also in names; a name that only looks like a region stays."""
    assert [expected] == texts("accounts", resource)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (KeyCondition("StringEquals", "aws:RequestedRegion", ("eu-west-1",)), []),
        (
            KeyCondition("StringEquals", "kms:ViaService", ("s3.eu-west-1.amazonaws.com",)),
            [KeyCondition("StringLike", "kms:ViaService", (f"s3.{ANY_RUN}.amazonaws.com",))],
        ),
        (
            KeyCondition("ArnEquals", "iam:PolicyARN", (f"arn:aws:iam::{ACCOUNT}:policy/p",)),
            [KeyCondition("ArnLike", "iam:PolicyARN", (f"arn:aws:iam::{ANY_RUN}:policy/p",))],
        ),
        (
            KeyCondition("StringEquals", "lambda:Principal", (ACCOUNT,)),
            [KeyCondition("StringEquals", "lambda:Principal", (ACCOUNT,))],
        ),
    ],
)
def test_conditions_are_generalised_and_never_emptied(condition: KeyCondition, expected: list[KeyCondition]) -> None:
    """A value that would become `*` stays, because such a condition would not narrow anything."""
    [permission] = generalised([NeededPermission("kms:Decrypt", "*", (condition,))], "accounts")

    assert expected == list(permission.conditions)


def test_a_pattern_covers_what_it_matches_and_nothing_else() -> None:
    """`covers` compares patterns, with the wildcards of the covered one as characters."""
    assert covers(f"a/{ANY_RUN}", f"a/{ANY_RUN}.csv")
    assert covers(f"a{ANY_ONE}", "ab")
    assert not covers(f"a/{ANY_RUN}", "b/x")
    assert not covers(f"a{ANY_ONE}{ANY_RUN}", f"a{ANY_RUN}")
