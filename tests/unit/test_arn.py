"""Parsing of ARNs, account ids and regions."""

from __future__ import annotations

import re
from typing import Any

import pytest
from botocore.loaders import Loader
from hypothesis import given
from hypothesis import strategies as st

from dsops.arn import (
    PARTITIONS,
    Arn,
    account_of_key_id,
    is_account_id,
    is_session_of,
    parse_arn,
    partition_named,
    partition_of_region,
    role_session_arn,
)
from dsops.sandbox.state.identifiers import access_key_id

PARTITION_DATA: list[dict[str, Any]] = Loader().load_data("partitions")["partitions"]


@pytest.mark.parametrize("theirs", PARTITION_DATA, ids=[data["id"] for data in PARTITION_DATA])
def test_the_partition_table_is_botocores(theirs: dict[str, Any]) -> None:
    """Each partition's DNS suffixes and global region equal those in botocore's partitions.json."""
    ours = partition_named(theirs["id"])
    assert ours is not None
    outputs = theirs["outputs"]
    assert (outputs["dnsSuffix"], outputs["dualStackDnsSuffix"], outputs["implicitGlobalRegion"]) == (
        ours.dns_suffix,
        ours.dual_stack_suffix,
        ours.global_region,
    )


def test_no_partition_is_missing_or_invented() -> None:
    """The table contains exactly botocore's partitions, each once."""
    assert sorted(data["id"] for data in PARTITION_DATA) == sorted(partition.name for partition in PARTITIONS)


@pytest.mark.parametrize("theirs", PARTITION_DATA, ids=[data["id"] for data in PARTITION_DATA])
def test_every_region_is_found_in_its_partition(theirs: dict[str, Any]) -> None:
    """Every known region, and every future one that matches the partition's pattern, is found in its partition."""
    regions = [region for region in theirs["regions"] if not region.endswith("-global")]
    pattern = theirs["regionRegex"]
    prefixes = re.sub(r"[\\^$]|w\+|d\+", "", pattern).replace("(", "").replace(")", "").rstrip("-").split("|")
    assert regions
    for region in regions:
        assert re.match(pattern, region)
        assert partition_of_region(region).name == theirs["id"]
    for prefix in prefixes if theirs["id"] != "aws" else ():
        assert partition_of_region(f"{prefix.rstrip('-')}-nowhere-9").name == theirs["id"]


def test_an_unknown_region_is_taken_for_the_main_partition() -> None:
    """An unknown region is assigned to the main partition, because AWS adds most new regions to it."""
    assert partition_of_region("xx-new-1").name == "aws"
    assert partition_of_region("").name == "aws"


def test_an_unknown_partition_has_no_entry() -> None:
    """Looking up an unknown partition name returns None."""
    assert partition_named("aws-moon") is None


def test_an_arn_is_read_and_written_back() -> None:
    """An ARN is parsed into six parts and written back unchanged; the resource keeps its colons."""
    text = "arn:aws:secretsmanager:us-east-1:098765432109:secret:prod/db:x-AbCdEf"
    arn = parse_arn(text)
    assert arn == Arn("aws", "secretsmanager", "us-east-1", "098765432109", "secret:prod/db:x-AbCdEf")
    assert str(arn) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "arn",
        "arn:aws:iam::1",
        "ARN:aws:iam::1:role/x",
        "arn::iam::1:role/x",
        "arn:aws:::1:role/x",
        "arn:aws:iam::1:",
    ],
)
def test_a_text_with_a_missing_part_is_no_arn(text: str) -> None:
    """A text without partition, service or resource is not parsed as an ARN."""
    assert parse_arn(text) is None


@pytest.mark.parametrize(
    ("resource", "kind", "name"),
    [
        ("role/path/Name", "role", "Name"),
        ("secret:name-AbCdEf", "secret", "secret:name-AbCdEf"),
        ("root", "root", "root"),
        ("parameter/a/b", "parameter", "b"),
    ],
)
def test_type_and_name_of_a_resource(resource: str, kind: str, name: str) -> None:
    """A resource's type ends at the first slash or colon, and its name starts after the last slash."""
    arn = Arn("aws", "iam", "", "123456789012", resource)
    assert (kind, name) == (arn.resource_type, arn.resource_name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123456789012", True),
        ("098765432109", True),
        ("12345678901", False),
        ("1234567890123", False),
        ("12345678901a", False),
        ("١٢٣٤٥٦٧٨٩٠١٢", False),
        ("", False),
    ],
)
def test_account_ids_are_twelve_ascii_digits(text: str, *, expected: bool) -> None:
    """An account id is twelve ASCII digits, including leading zeros."""
    assert expected == is_account_id(text)


def test_a_session_arn_drops_the_roles_path() -> None:
    """The ARN of a session does not contain the role's path, as in the answer of GetCallerIdentity."""
    role = parse_arn("arn:aws-cn:iam::123456789012:role/team/a/Deploy")
    assert role is not None
    assert role_session_arn(role, "me") == "arn:aws-cn:sts::123456789012:assumed-role/Deploy/me"


def test_sessions_of_a_role_are_told_by_their_arn() -> None:
    """A session belongs to the role with the same name, account and partition, whatever the role's path is."""
    role = parse_arn("arn:aws:iam::123456789012:role/team/Deploy")
    assert role is not None
    others = (
        "",
        "arn:aws:sts::123456789012:assumed-role/Deployer/ada",
        "arn:aws:sts::210987654321:assumed-role/Deploy/ada",
        "arn:aws-cn:sts::123456789012:assumed-role/Deploy/ada",
        "arn:aws:iam::123456789012:role/team/Deploy",
    )

    assert is_session_of("arn:aws:sts::123456789012:assumed-role/Deploy/ada", role)
    assert [] == [arn for arn in others if is_session_of(arn, role)]


@given(st.integers(0, 10**12 - 1), st.sampled_from(["AKIA", "ASIA"]))
def test_a_key_id_names_its_account(number: int, prefix: str) -> None:
    """An access key id contains its account, as in the sandbox, moto and AWS."""
    account = f"{number:012d}"

    assert account_of_key_id(access_key_id(prefix, account)) == account


@pytest.mark.parametrize("key_id", ["", "AKIA", "AKIAI44QH8DHBEXAMPLE", "AKIARTXV5AHDS6WLS3E", "AKIARTXV5aHDS6WLS3E7"])
def test_what_names_no_account(key_id: str) -> None:
    """A key ID contains no account if it is from before 2019, too short, or not base32."""
    assert account_of_key_id(key_id) == ""
