"""`Collector`: an organization in a sandbox becomes a folder of facts, whatever is denied or interrupted."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from moto.s3control.models import s3control_backends

from dsops.access.collect.collection import DEFAULT_ROLE
from dsops.access.collect.permissions import ACCOUNT_ACTIONS, ORGANIZATION_ACTIONS
from dsops.access.facts.folder import read_folder
from dsops.access.facts.last_collected import default_folder, last_collected
from dsops.access.facts.world import Gap, OrganizationFacts
from dsops.errors import Unreachable
from tests.fakes import Acts
from tests.unit.access.estate import MANAGEMENT, PRODUCTION, REGION, STAGING, Estate, policy, running, seed

DEPLOY = f"arn:aws:iam::{PRODUCTION}:role/app/Deploy"
ADA = f"arn:aws:iam::{PRODUCTION}:user/ada"
# The permission's name differs from the action's in these cases (Service Authorization Reference).
PERMISSIONS = {
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "tagging:GetResources": "tag:GetResources",
}


def gaps_of(world: OrganizationFacts) -> list[Gap]:
    """The gaps of the world, without those about other regions and services."""
    return [gap for gap in world.gaps if not gap.known_services]


def fill(estate: Estate) -> None:
    """Create a queue, a topic, a bucket and a function with policies in the production account."""
    anyone = {"Principal": "*", "Resource": "*"}
    queue = json.dumps(policy("sqs:SendMessage", **anyone))
    estate.client("sqs").create_queue(QueueName="jobs", Attributes={"Policy": queue}, tags={"stage": "prod"})
    estate.client("sns").create_topic(Name="news", Tags=[{"Key": "stage", "Value": "prod"}])
    s3 = estate.client("s3")
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="papers", CreateBucketConfiguration=place)
    s3.create_bucket(Bucket="plain", CreateBucketConfiguration=place, ObjectOwnership="ObjectWriter")
    s3.put_bucket_policy(
        Bucket="papers", Policy=json.dumps(policy("s3:GetObject", Principal="*", Resource="arn:aws:s3:::papers/*"))
    )
    block = {"BlockPublicPolicy": True, "RestrictPublicBuckets": True}
    s3.put_public_access_block(Bucket="papers", PublicAccessBlockConfiguration=block)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("a.py", "def b(*_): pass")
    estate.client("lambda").create_function(
        FunctionName="f", Runtime="python3.12", Role=DEPLOY, Handler="a.b", Code={"ZipFile": code.getvalue()}
    )
    estate.client("lambda").add_permission(
        FunctionName="f", StatementId="x", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com"
    )


def test_everything_is_collected_with_the_documented_policy(tmp_path: Path) -> None:
    """With the permissions of `--policy`, all facts of all accounts are collected, and nothing is missing."""
    with running() as estate:
        fill(estate)
        collected = estate.collect(tmp_path)
    world = read_folder(str(tmp_path))

    assert (collected.accounts, collected.gaps) == ((MANAGEMENT, PRODUCTION, STAGING), ())
    assert gaps_of(world) == []
    assert world.accounts[PRODUCTION].name == "shop"
    assert world.accounts[PRODUCTION].path.count("/ou-") == 2
    names = [[document.name for document in level] for level in world.accounts[PRODUCTION].service_control]
    assert [len(level) for level in names] == [2, 1, 1, 1]
    assert names[0][1].startswith("NoLeaving (p-")
    assert len(world.accounts[PRODUCTION].resource_control) == 4
    assert world.accounts[MANAGEMENT].is_management
    assert [document.name for document in world.identities[DEPLOY].policies] == [
        f"own of {DEPLOY}",
        "arn:aws:iam::aws:policy/ReadOnlyAccess",
    ]
    assert world.identities[DEPLOY].tags == {"stage": "prod"}
    ada = world.identities[ADA]
    assert (ada.groups, ada.tags, len(ada.policies)) == (("people",), {"team": "blue"}, 1)
    assert ada.unique_id.startswith("AIDA")
    provider = f"arn:aws:iam::{PRODUCTION}:oidc-provider/token.actions.githubusercontent.com"
    assert world.providers == {provider}


def test_resources_of_each_service_have_their_policies(tmp_path: Path) -> None:
    """Secrets, keys, queues, topics, buckets and functions have policies, tags and roles."""
    with running() as estate:
        fill(estate)
        estate.collect(tmp_path)
    resources = {arn.split(":", 2)[2]: value for arn, value in read_folder(str(tmp_path)).resources.items()}

    with_policy = {name for name, resource in resources.items() if resource.policy is not None}
    kinds = Counter(name.partition(":")[0] for name in with_policy)
    assert kinds == {"kms": 2, "secretsmanager": 1, "sqs": 1, "sns": 1, "s3": 1, "lambda": 1}
    assert set(resources) - with_policy == {"s3:::plain"}
    assert resources[f"sns:{REGION}:{PRODUCTION}:news"].tags == {"stage": "prod"}
    assert resources[f"lambda:{REGION}:{PRODUCTION}:function:f"].role == DEPLOY
    buckets = json.loads((tmp_path / f"accounts/{PRODUCTION}/resources/s3.json").read_text())["Resources"]
    blocks = {bucket["Arn"]: bucket["PublicAccessBlock"] for bucket in buckets}
    assert blocks["arn:aws:s3:::plain"] == {}
    assert blocks["arn:aws:s3:::papers"]["BlockPublicPolicy"] is True
    assert (resources["s3:::papers"].restricts_public, resources["s3:::plain"].restricts_public) == (True, False)
    assert (resources["s3:::papers"].may_have_acls, resources["s3:::plain"].may_have_acls) == (False, True)


def test_the_public_access_block_of_an_account_counts_for_its_buckets(tmp_path: Path) -> None:
    """A bucket without a block of its own is restricted by that of its account; the call is an S3 Control request."""
    with running() as estate:
        fill(estate)
        # boto3 would put the account into the host name, even in front of an address.
        settings = s3control_backends[PRODUCTION]["aws"]
        settings.put_public_access_block(PRODUCTION, {"RestrictPublicBuckets": True})
        estate.collect(tmp_path)
    content = json.loads((tmp_path / f"accounts/{PRODUCTION}/resources/s3.json").read_text())

    assert content["AccountPublicAccessBlock"]["RestrictPublicBuckets"] is True
    assert read_folder(str(tmp_path)).resources["arn:aws:s3:::plain"].restricts_public is True


def test_a_denied_public_access_block_of_an_account_leaves_its_buckets_unknown(tmp_path: Path) -> None:
    """The file says that the setting is missing, and that no bucket's policy is."""
    with running(seed(denied=["s3:GetAccountPublicAccessBlock"])) as estate:
        fill(estate)
        collected = estate.collect(tmp_path)
    world = read_folder(str(tmp_path))

    assert {(gap.place, gap.service, gap.arn) for gap in collected.gaps} == {("context", "s3", "")}
    assert all("Block Public Access" in gap.why for gap in collected.gaps)
    assert world.resources["arn:aws:s3:::plain"].restricts_public is None
    assert world.resources["arn:aws:s3:::papers"].restricts_public is True


def test_the_keys_of_content_are_collected(tmp_path: Path) -> None:
    """Secrets, parameters and buckets have their KMS keys, and keys their aliases; a list of strings has no key."""
    with running() as estate:
        fill(estate)
        key = estate.client("kms").describe_key(KeyId="alias/app")["KeyMetadata"]["Arn"]
        estate.client("secretsmanager").create_secret(Name="own", SecretString="hush-value", KmsKeyId="alias/app")
        for name, kind, more in (
            ("/a", "SecureString", {"KeyId": "alias/app"}),
            ("/b", "SecureString", {}),
            ("/c", "String", {}),
        ):
            estate.client("ssm").put_parameter(Name=name, Type=kind, Value="hush-value", **more)
        rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}}
        estate.client("s3").put_bucket_encryption(Bucket="papers", ServerSideEncryptionConfiguration={"Rules": [rule]})
        estate.collect(tmp_path)
    resources = read_folder(str(tmp_path)).resources
    keys = {arn.split(":", 5)[5].partition("-")[0]: known.kms_key for arn, known in resources.items()}

    prefix = f"arn:aws:kms:{REGION}:{PRODUCTION}:alias"
    assert keys["secret:own"] == key or keys["secret:own"] == f"{prefix}/app"
    assert (keys["parameter/a"], keys["parameter/b"], keys["parameter/c"]) == (f"{prefix}/app", f"{prefix}/aws/ssm", "")
    assert (keys["papers"], keys["plain"]) == (key, "")
    assert resources[key].aliases == (f"{prefix}/app",)


def test_only_lists_and_policies_are_read(tmp_path: Path) -> None:
    """Every call is one of those in the policy of `--policy`, and no call reads a secret, object or message."""
    with running() as estate:
        fill(estate)
        before = len(estate.calls())
        estate.collect(tmp_path)
        calls = set(estate.calls()[before:])

    allowed = {*ORGANIZATION_ACTIONS, *ACCOUNT_ACTIONS, "sts:AssumeRole", "sts:GetCallerIdentity"}
    assert {PERMISSIONS.get(call, call) for call in calls} <= allowed
    assert len(calls) > 20
    assert all(
        action.partition(":")[2].startswith(("Get", "List", "Describe")) for action in allowed - {"sts:AssumeRole"}
    )
    forbidden = ("GetSecretValue", "GetObject", "ReceiveMessage", "GetParameter", "GetFunction", "Decrypt")
    assert not any(action.endswith(forbidden) for action in allowed)
    assert all("hush-value" not in file.read_text() for file in tmp_path.rglob("*.json"))


def test_files_are_private(tmp_path: Path) -> None:
    """Only the user can read the folder and its files."""
    with running() as estate:
        estate.collect(tmp_path / "facts")

    paths = [tmp_path / "facts", *(tmp_path / "facts").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}


@pytest.mark.parametrize(
    ("action", "account", "place", "service"),
    [
        ("iam:GetAccountAuthorizationDetails", PRODUCTION, "identities", ""),
        ("iam:ListSAMLProviders", PRODUCTION, "identities", ""),
        ("kms:ListKeys", PRODUCTION, "resources", "kms"),
        ("secretsmanager:ListSecrets", PRODUCTION, "resources", "secretsmanager"),
        ("s3:ListAllMyBuckets", PRODUCTION, "resources", "s3"),
        ("sqs:ListQueues", PRODUCTION, "resources", "sqs"),
        ("ssm:DescribeParameters", PRODUCTION, "resources", "ssm"),
        ("kms:ListAliases", PRODUCTION, "context", ""),
        ("kms:ListGrants", PRODUCTION, "context", ""),
        ("sns:ListTopics", PRODUCTION, "resources", "sns"),
        ("lambda:ListFunctions", PRODUCTION, "resources", "lambda"),
        ("tag:GetResources", PRODUCTION, "context", ""),
        ("organizations:ListPolicies", "", "scp", ""),
        ("organizations:DescribePolicy", "", "rcp", ""),
        ("organizations:ListAccountsForParent", "", "identities", ""),
        ("sso:ListInstances", "", "identities", ""),
    ],
)
def test_a_denied_list_is_a_gap(tmp_path: Path, action: str, account: str, place: str, service: str) -> None:
    """A denied call becomes a gap with AWS's reason; everything else is collected."""
    with running(seed(denied=[action])) as estate:
        collected = estate.collect(tmp_path)
    world = read_folder(str(tmp_path))

    gaps = [gap for gap in gaps_of(world) if (gap.account, gap.place, gap.service) == (account, place, service)]
    assert gaps, world.gaps
    assert "is not authorized to perform" in gaps[0].why
    assert set(gaps_of(world)) >= set(collected.gaps)
    assert collected.accounts[0] == MANAGEMENT


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("secretsmanager:GetResourcePolicy", "secretsmanager"),
        ("kms:GetKeyPolicy", "kms"),
        ("s3:GetBucketPolicy", "s3"),
        ("s3:GetBucketPublicAccessBlock", "s3"),
        ("s3:GetBucketOwnershipControls", "s3"),
        ("sns:GetTopicAttributes", "sns"),
        ("lambda:GetPolicy", "lambda"),
    ],
)
def test_a_denied_policy_is_a_gap_of_its_resource(tmp_path: Path, action: str, resource: str) -> None:
    """A resource whose policy may not be read is listed, and its policy is unknown."""
    with running(seed(denied=[action])) as estate:
        fill(estate)
        estate.collect(tmp_path)
    world = read_folder(str(tmp_path))

    arns = {gap.arn for gap in gaps_of(world) if gap.place == "resource"}
    assert arns
    assert arns <= set(world.resources)
    assert {arn.split(":")[2] for arn in arns} == {resource}


def test_a_queue_whose_policy_is_denied_leaves_its_service_incomplete(tmp_path: Path) -> None:
    """Without its attributes, a queue has no ARN, so the list of queues is incomplete."""
    with running(seed(denied=["sqs:GetQueueAttributes"])) as estate:
        fill(estate)
        estate.collect(tmp_path)

    (gap,) = gaps_of(read_folder(str(tmp_path)))
    assert (gap.account, gap.place, gap.service) == (PRODUCTION, "resources", "sqs")
    assert "jobs" in gap.why


def test_an_account_without_the_role_is_a_gap(tmp_path: Path) -> None:
    """An account that can't be entered has no facts, and the reason is written down."""
    with running(seed(roles=[STAGING])) as estate:
        collected = estate.collect(tmp_path)
    world = read_folder(str(tmp_path))

    assert {(gap.account, gap.place) for gap in gaps_of(world)} == {
        (PRODUCTION, "identities"),
        (PRODUCTION, "resources"),
    }
    assert all("OrganizationAccountAccessRole" in gap.why for gap in collected.gaps)
    assert any(identity.account == STAGING for identity in world.identities.values())


def test_only_the_named_accounts_are_collected(tmp_path: Path) -> None:
    """With some accounts named, the others are gaps, and no call is made in them."""
    with running() as estate:
        collected = estate.collect(tmp_path, accounts=(STAGING,))
        assert estate.calls().count("iam:GetAccountAuthorizationDetails") == 1

    assert collected.accounts == (STAGING,)
    without_folder = {gap.account for gap in gaps_of(read_folder(str(tmp_path)))}
    assert without_folder == {MANAGEMENT, PRODUCTION}


def test_an_account_in_no_organization_is_collected_alone(tmp_path: Path) -> None:
    """An account in no organization is known to be in none: no control policy is missing."""
    content = seed()
    del content["organization"]
    with running(content) as estate:
        collected = estate.collect(tmp_path)
    world = read_folder(str(tmp_path))

    assert (collected.accounts, gaps_of(world)) == ((MANAGEMENT,), [])
    assert world.accounts[MANAGEMENT].organization_id == ""


def test_a_second_collection_keeps_what_is_young(tmp_path: Path) -> None:
    """Complete and young accounts need no call; with a lower age they are collected again."""
    with running() as estate:
        estate.collect(tmp_path)
        before = len(estate.calls())
        again = estate.collect(tmp_path)
        assert len(estate.calls()) == before
        afresh = estate.collect(tmp_path, max_age=0.0)
        assert len(estate.calls()) > before

    assert (again.kept, again.gaps) == ((MANAGEMENT, PRODUCTION, STAGING), ())
    assert afresh.kept == ()


def test_a_second_collection_repeats_what_was_denied(tmp_path: Path) -> None:
    """After a permission was added, only the files with gaps are collected again."""
    with running(seed(denied=["kms:ListKeys"])) as estate:
        estate.collect(tmp_path)
    with running() as estate:
        collected = estate.collect(tmp_path)
        calls = set(estate.calls())

    assert collected.gaps == ()
    assert "kms:ListKeys" in calls
    assert not calls & {"iam:GetAccountAuthorizationDetails", "sqs:ListQueues", "organizations:ListRoots"}
    assert gaps_of(read_folder(str(tmp_path))) == []


def test_other_regions_are_collected_later(tmp_path: Path) -> None:
    """A collection of another region reads that region, and the folder has both."""
    with running() as estate:
        estate.collect(tmp_path)
        estate.collect(tmp_path, regions=(REGION, "us-east-1"))
        estate.client("sns").create_topic(Name="unseen")
        collected = estate.collect(tmp_path)

    about = json.loads((tmp_path / f"accounts/{PRODUCTION}/account.json").read_text())
    assert about["Regions"] == [REGION, "us-east-1"]
    assert collected.kept == (MANAGEMENT, PRODUCTION, STAGING)
    assert (tmp_path / f"accounts/{PRODUCTION}/resources/sqs.us-east-1.json").exists()


def test_all_regions_are_those_of_each_account(tmp_path: Path) -> None:
    """With `all`, every region that is enabled for the account is collected, and none is missing."""
    with running() as estate:
        estate.client("sns").create_topic(Name="seen")
        estate.collect(tmp_path, regions=("all",), accounts=(PRODUCTION,))
    about = json.loads((tmp_path / f"accounts/{PRODUCTION}/account.json").read_text())
    gaps = [gap for gap in read_folder(str(tmp_path)).gaps if gap.account == PRODUCTION]

    assert about["HasAllRegions"] is True
    assert {REGION, "us-east-1"} <= set(about["Regions"])
    assert gaps == []


def test_unknown_regions_are_a_gap(tmp_path: Path) -> None:
    """If an account's regions may not be listed, the region of the session is collected, and others are missing."""
    with running(seed(denied=["ec2:DescribeRegions"])) as estate:
        estate.collect(tmp_path, regions=("all",), accounts=(PRODUCTION,))
    about = json.loads((tmp_path / f"accounts/{PRODUCTION}/account.json").read_text())
    whys = [gap.why for gap in read_folder(str(tmp_path)).gaps if gap.account == PRODUCTION]

    assert (about["HasAllRegions"], about["Regions"]) == (False, [REGION])
    assert any("ec2:DescribeRegions" in why for why in whys)


def test_old_files_of_other_regions_do_not_stay(tmp_path: Path) -> None:
    """Files of a region that is no longer collected stay while they are young, and are removed when they are old."""
    us = tmp_path / f"accounts/{PRODUCTION}/resources/sqs.us-east-1.json"
    about = tmp_path / f"accounts/{PRODUCTION}/account.json"
    with running() as estate:
        estate.collect(tmp_path, regions=("us-east-1",))
        estate.collect(tmp_path)
        assert (json.loads(about.read_text())["Regions"], us.exists()) == ([REGION, "us-east-1"], True)
        estate.collect(tmp_path, max_age=0.0)

    assert (json.loads(about.read_text())["Regions"], us.exists()) == ([REGION], False)
    assert gaps_of(read_folder(str(tmp_path))) == []


def test_a_caller_of_a_member_account_collects_its_own_account(tmp_path: Path) -> None:
    """A member account may not list the organization: its control policies are unknown, its own facts are collected."""
    with running() as estate:
        collected = estate.collect(tmp_path, caller=f"admin@{PRODUCTION}")
    world = read_folder(str(tmp_path))

    assert collected.accounts == (PRODUCTION,)
    assert DEPLOY in world.identities
    assert {gap.place for gap in gaps_of(world) if gap.account in ("", PRODUCTION)} >= {"scp", "rcp", "context"}
    assert not any(gap.place == "resources" for gap in gaps_of(world))


def test_an_interrupted_collection_is_usable_and_continues(tmp_path: Path) -> None:
    """Ctrl-C leaves complete files and gaps; the next collection needs only the rest."""

    def interrupt(done: int, _total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with running() as estate:
        with pytest.raises(KeyboardInterrupt):
            estate.collect(tmp_path, report=interrupt)
        interrupted = read_folder(str(tmp_path))
        written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("authorization-details.json")}
        estate.collect(tmp_path)

    assert gaps_of(interrupted)
    assert not list(tmp_path.rglob("*.part"))
    assert written
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert gaps_of(read_folder(str(tmp_path))) == []


def test_a_lost_connection_ends_the_collection(tmp_path: Path) -> None:
    """If AWS can't be reached, the collection ends with that error instead of a gap in every account."""
    with running() as estate:
        broken = Estate(estate.server, url="http://127.0.0.1:9")
        with pytest.raises(Unreachable):
            broken.collect(tmp_path, accounts=(PRODUCTION,))


def test_sessions_are_in_the_audit_trail(tmp_path: Path) -> None:
    """Each role that was assumed, or denied, is an act with its caller, role and session."""
    acts = Acts()
    with running(seed(roles=[STAGING])) as estate:
        estate.collect(tmp_path, journal=acts)

    by_role = {str(act.asked["roleArn"]): act for act in acts.acts}
    assert list(by_role) == [f"arn:aws:iam::{account}:role/{DEFAULT_ROLE}" for account in (PRODUCTION, STAGING)]
    denied, issued = by_role.values()
    assert denied.error is not None
    assert (issued.name, issued.error, issued.caller) == ("AssumeRole", None, f"arn:aws:iam::{MANAGEMENT}:user/audit")
    assert "ASIA" in str(issued.answer)
    assert "secret" not in str(issued.answer).lower()


def test_progress_counts_accounts(tmp_path: Path) -> None:
    """The progress goes from 0 to the number of accounts."""
    counts: list[tuple[int, int]] = []
    with running() as estate:
        estate.collect(tmp_path, report=lambda done, total: counts.append((done, total)))

    assert counts == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_assignments_of_identity_center_have_names(tmp_path: Path) -> None:
    """Permission sets and assignments are collected with the names of users and groups."""
    with running() as estate:
        center, store = (estate.client(service, MANAGEMENT) for service in ("sso-admin", "identitystore"))
        instance = center.list_instances()["Instances"][0]
        directory = instance["IdentityStoreId"]
        group = store.create_group(IdentityStoreId=directory, DisplayName="admins")["GroupId"]
        arn = instance["InstanceArn"]
        created: Any = center.create_permission_set(InstanceArn=arn, Name="Admin")["PermissionSet"]
        center.create_account_assignment(
            InstanceArn=arn,
            TargetId=MANAGEMENT,
            TargetType="AWS_ACCOUNT",
            PermissionSetArn=created["PermissionSetArn"],
            PrincipalType="GROUP",
            PrincipalId=group,
        )
        # AWS provisions a permission set with its first assignment. moto needs a call, in the caller's account.
        center.provision_permission_set(
            InstanceArn=arn, PermissionSetArn=created["PermissionSetArn"], TargetId=MANAGEMENT, TargetType="AWS_ACCOUNT"
        )
        estate.collect(tmp_path)

    (assignment,) = read_folder(str(tmp_path)).assignments
    assert assignment == ("GROUP", "admins", "Admin", MANAGEMENT)


def test_identity_center_is_searched_in_all_regions(tmp_path: Path) -> None:
    """The first region with an instance counts; a region that fails before it leaves no gap."""
    with running() as estate:
        estate.client("sso-admin", MANAGEMENT).list_instances()
        estate.collect(tmp_path, regions=("nowhere-1", REGION, "us-east-1"), accounts=(STAGING,))
        calls = estate.calls()

    content = json.loads((tmp_path / "identity-center.json").read_text())
    assert content["Gaps"] == []
    assert calls.count("sso:ListPermissionSets") == 1


def test_a_policy_type_that_is_off_is_not_listed(tmp_path: Path) -> None:
    """Policies of a type that the organization has not enabled have no effect, and are not asked for."""
    with running() as estate:
        organizations = estate.client("organizations", MANAGEMENT)
        root = organizations.list_roots()["Roots"][0]["Id"]
        organizations.disable_policy_type(RootId=root, PolicyType="RESOURCE_CONTROL_POLICY")
        estate.collect(tmp_path)
        listed = estate.calls().count("organizations:ListPolicies")
    world = read_folder(str(tmp_path))

    assert (listed, gaps_of(world)) == (1, [])
    assert world.accounts[PRODUCTION].resource_control == ()
    assert world.accounts[PRODUCTION].service_control


def test_the_last_collected_folder_is_found(tmp_path: Path) -> None:
    """The newest folder in the user's data folder counts; without one there is none."""
    environ = {"HOME": str(tmp_path)}
    assert last_collected(environ) is None
    older, newer = (Path(default_folder(environ, name)) for name in ("o-older", "o-newer"))
    for folder in (newer, older):
        (folder / "accounts").mkdir(parents=True)
    os.utime(older, (1, 1))
    os.utime(older / "accounts", (1, 1))
    (older.parent / "a-file").write_text("")

    assert last_collected(environ) == str(newer)
    assert last_collected({}) is None
