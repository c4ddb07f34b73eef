"""What the answers make of facts that a folder lacks: `unknown` where it matters, and only there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsops.access.facts.folder import read_folder
from dsops.access.facts.gaps import MEMBERSHIP_KEYS
from dsops.access.facts.world import Gap, MemberAccount, PolicyDocument, Resource
from tests.unit.access.facts_folder import MEMBER, ROLE, USER, FactsFolder, details, organization
from tests.unit.access.worlds import ACCOUNT, OTHER, ask, policy, ways_of, world_of

TABLE = f"arn:aws:dynamodb:eu-west-1:{MEMBER}:table/orders"
QUEUE = f"arn:aws:sqs:eu-west-1:{MEMBER}:jobs"
US_QUEUE = f"arn:aws:sqs:us-east-1:{MEMBER}:jobs"
BUCKET = "arn:aws:s3:::papers"
S3 = f"accounts/{MEMBER}/resources/s3.json"


@pytest.fixture
def folder(tmp_path: Path) -> FactsFolder:
    """A complete folder in which a role and a user may read objects."""
    folder = FactsFolder(tmp_path)
    folder.write(
        S3, {"Resources": [{"Arn": BUCKET, "Policy": None, "ObjectOwnership": "BucketOwnerEnforced"}], "Gaps": []}
    )
    content = organization()
    content["Policies"][0]["Targets"].append("ou-ab12-2")  # otherwise a level without a policy denies everything
    folder.write("organization.json", content)
    return folder


def verdicts(folder: FactsFolder, action: str, resource: str) -> dict[str, str]:
    """The verdict for each principal in the answer of who-can."""
    return ways_of(ask(read_folder(folder.name), action, resource))


def test_an_action_without_resource_has_no_unknown_policy(folder: FactsFolder) -> None:
    """Resources that were not collected can't matter to an action on `*`, or to a role."""
    assert verdicts(folder, "s3:ListAllMyBuckets", "*") == {}
    assert verdicts(folder, "iam:PassRole", ROLE) == {}


def test_the_policy_of_another_service_is_unknown(folder: FactsFolder) -> None:
    """A table may have a policy that was not collected, so nothing is a no."""
    assert verdicts(folder, "dynamodb:GetItem", TABLE) == {"role/app/Deploy": "unknown", "user/ada": "unknown"}


def test_a_resource_in_a_complete_list_is_known_to_be_missing(folder: FactsFolder) -> None:
    """A queue that is not in the complete list of queues has no policy."""
    assert verdicts(folder, "sqs:SendMessage", QUEUE) == {}


def test_a_resource_of_another_region_is_unknown(folder: FactsFolder) -> None:
    """If not all regions were collected, a queue of another region may have a policy, but no bucket can be missing."""
    about = {"Id": MEMBER, "Regions": ["eu-west-1"], "HasAllRegions": False}
    folder.write(f"accounts/{MEMBER}/account.json", about)

    assert set(verdicts(folder, "sqs:SendMessage", US_QUEUE).values()) == {"unknown"}
    assert verdicts(folder, "s3:PutObject", "arn:aws:s3:::other/x") == {}


@pytest.mark.parametrize("resource", [BUCKET, f"{BUCKET}/2026.csv"])
def test_an_unread_policy_of_a_bucket_is_unknown_for_its_objects(folder: FactsFolder, resource: str) -> None:
    """The policy of a bucket decides about its objects, too."""
    action = "s3:ListBucket" if resource == BUCKET else "s3:PutObject"
    assert verdicts(folder, action, resource) == {}
    gap = {"Place": "resource", "Why": "denied", "Arn": BUCKET}
    folder.write(
        S3, {"Resources": [{"Arn": BUCKET, "Policy": None, "ObjectOwnership": "BucketOwnerEnforced"}], "Gaps": [gap]}
    )

    assert verdicts(folder, action, resource) == {"role/app/Deploy": "unknown", "user/ada": "unknown"}


def test_an_unread_account_makes_the_list_of_principals_incomplete(folder: FactsFolder) -> None:
    """Identities that were not collected are named in the answer."""
    content: dict[str, Any] = details()
    del content["UserDetailList"]
    folder.write(f"accounts/{MEMBER}/authorization-details.json", content)

    found = ask(read_folder(folder.name), "s3:GetObject", f"{BUCKET}/x")

    assert [gap.account for gap in found.gaps] == [MEMBER]
    assert ROLE in {way.caller.name for way in found.ways}
    assert USER not in {way.caller.name for way in found.ways}


@pytest.mark.parametrize("owner", [ACCOUNT, OTHER])
def test_unread_tags_and_membership_matter_in_the_resources_account(owner: str) -> None:
    """A condition on a resource's tags or organization depends on the facts of its account, not on the caller's."""
    found = {}
    for key, keys in (("aws:ResourceTag/team", ("aws:resourcetag/",)), ("aws:ResourceOrgID", MEMBERSHIP_KEYS)):
        grant = policy({"Action": "sqs:SendMessage", "Condition": {"StringEquals": {key: "x"}}})
        facts = world_of({ACCOUNT: {}, OTHER: {"users": {"carol": {"policies": [grant]}}}})
        document = json.dumps(policy({"Principal": {"AWS": OTHER}, "Action": "sqs:SendMessage"}))
        queue = Resource(f"arn:aws:sqs:us-east-1:{ACCOUNT}:jobs", ACCOUNT, PolicyDocument("p", "resource", document))
        accounts = {**facts.accounts, owner: MemberAccount(owner, organization_id=None)}
        gap = Gap(owner, "context", "not collected", keys=keys)
        answer = ask(
            facts._replace(resources={queue.arn: queue}, accounts=accounts, gaps=(gap,)), "sqs:SendMessage", queue.arn
        )
        found[key] = [(way.verdict, [gap.why for gap in way.gaps]) for way in answer.ways if "carol" in way.caller.name]

    told = ["not collected"]
    assert [("unknown", told)] * (owner == ACCOUNT) == found["aws:ResourceTag/team"]
    assert [("conditional", told)] * (owner == ACCOUNT) == found["aws:ResourceOrgID"]
