"""Encrypted content is readable only with its KMS key: a key that stops a caller is named, and so is an unknown one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.access.changes.compare import compare
from dsops.access.facts.world import OrganizationFacts, PolicyDocument, Resource
from dsops.access.questions.answer import AccessAnswer, ContentKeyCondition
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.caller import caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.outside import public_uses
from dsops.access.questions.topic import Topic
from dsops.access.questions.what_can import what_can
from dsops.cli.access.answers import condition_texts, reason_text
from tests.unit.access.worlds import ACCOUNT, NOW, OTHER, READ, SECRET, ask, policy, ways_of, world_of

KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/app"
PARAMETER = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/prod/license"
BUCKET = "arn:aws:s3:::payroll"
OBJECT = f"{BUCKET}/2026.csv"
ALICE, BOB = (f"arn:aws:iam::{ACCOUNT}:user/{name}" for name in ("alice", "bob"))
READS = policy({"Action": [READ, "ssm:GetParameter", "s3:GetObject"]})
DECRYPTS = policy({"Action": "kms:Decrypt"})
DELEGATED = policy({"Principal": {"AWS": ACCOUNT}, "Action": "kms:*"})


def world(key_policy: dict[str, Any] | None = DELEGATED, **more: Any) -> OrganizationFacts:
    """Return a world in which alice may read, bob may read and decrypt, and one key encrypts all."""
    account: dict[str, Any] = {
        "users": {"alice": {"policies": [READS]}, "bob": {"policies": [READS, DECRYPTS]}},
        "secrets": {"prod/db": "x"},
        "parameters": {"/prod/license": "x", "/prod/names": ["a", "b"]},
        "keys": {"app": {"policy": key_policy} if key_policy is not None else {}},
        "secret_keys": {"prod/db": "app"},
        "parameter_keys": {"/prod/license": "app"},
        **more,
    }
    facts = world_of({ACCOUNT: account, OTHER: {"users": {"carol": {"policies": [READS, DECRYPTS]}}}})
    return facts._replace(resources={**facts.resources, BUCKET: Resource(BUCKET, ACCOUNT, kms_key=KEY)})


def answer_of(facts: OrganizationFacts, user: str = ALICE, action: str = READ, resource: str = SECRET) -> AccessAnswer:
    """Return the answer for a user."""
    return Evaluator(facts, NOW).ask(caller_of(facts.identities[user]), Topic(action, resource))


@pytest.mark.parametrize(("action", "resource"), [(READ, SECRET), ("ssm:GetParameter", PARAMETER)])
def test_who_may_not_use_the_key_is_stopped_by_it(action: str, resource: str) -> None:
    """The reader without kms:Decrypt is listed with the key that stops it; the one with it can read."""
    answer = ask(world(), action, resource)

    assert {"user/bob": "yes"} == ways_of(answer)
    assert {ALICE: KEY} == {entry.caller.name: entry.answer.stopped_by_key for entry in answer.stopped}
    (stopped,) = answer.stopped
    assert f"no identity-based policy allows kms:Decrypt with KMS key {KEY}" == reason_text(stopped.answer)


def test_a_key_policy_can_name_the_reader_itself() -> None:
    """A reader that the key's policy names needs no kms:Decrypt in its own policies."""
    direct = policy({"Principal": {"AWS": ALICE}, "Action": "kms:Decrypt"})

    assert {"user/alice": "yes"} == ways_of(ask(world(direct)))


@pytest.mark.parametrize(
    ("condition", "verdict"),
    [
        ({"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}, "yes"),
        ({"StringEquals": {"kms:ViaService": "ssm.us-east-1.amazonaws.com"}}, "no"),
        ({"StringEquals": {"kms:EncryptionContext:SecretARN": SECRET}}, "yes"),
        ({"StringLike": {"kms:EncryptionContext:SecretARN": "*:secret:other/*"}}, "no"),
        ({"StringEquals": {"kms:CallerAccount": OTHER}}, "no"),
        ({"Null": {"kms:ViaService": "true"}}, "no"),
        ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, "conditional"),
    ],
)
def test_conditions_of_the_key_policy(condition: dict[str, Any], verdict: str) -> None:
    """The service, the secret and the caller's account are known; MFA is up to the request."""
    answer = answer_of(world(policy({"Principal": {"AWS": ALICE}, "Action": "kms:Decrypt", "Condition": condition})))

    assert verdict == answer.verdict
    assert (verdict == "conditional") == ("aws:multifactorauthpresent" in answer.needed)


def test_one_request_has_to_meet_the_conditions_of_both() -> None:
    """The secret's reader needs MFA, and the key allows only requests without it: no request reads the secret."""
    own = policy({"Action": READ, "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}})
    without = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
    users = {"alice": {"policies": [own]}}
    for condition, verdict in ((without, "no"), ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, "conditional")):
        key = policy({"Principal": {"AWS": ALICE}, "Action": "kms:Decrypt", "Condition": condition})
        assert verdict == answer_of(world(key, users=users)).verdict


def test_the_address_of_the_service_is_not_known() -> None:
    """A service calls KMS from its own address, so a condition on the caller's address leaves the answer open."""
    near = {"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}
    answer = answer_of(world(policy({"Principal": {"AWS": ALICE}, "Action": "kms:Decrypt", "Condition": near})))

    assert ("conditional", ContentKeyCondition("kms:Decrypt", KEY, is_refused=False)) == (answer.verdict, answer.if_key)
    assert [KEY] == [gap.arn for gap in answer.gaps]


def test_the_key_of_aws_is_for_its_own_account() -> None:
    """Without a key of its own, a secret is readable in its account, and in another one never."""
    shared = policy({"Principal": "*", "Action": READ})
    facts = world(secret_policies={"prod/db": shared}, secret_keys={"prod/db": "app"})
    managed = f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/aws/secretsmanager"
    facts = facts._replace(resources={**facts.resources, SECRET: facts.resources[SECRET]._replace(kms_key=managed)})
    answer = ask(facts)

    assert {"user/alice": "yes", "user/bob": "yes"} == ways_of(answer)
    evaluator = Evaluator(facts, NOW)
    assert not [use for use in public_uses(evaluator, Assumptions(evaluator)) if use.action == READ]


def test_a_key_that_is_not_among_the_facts_is_named() -> None:
    """An own permission may suffice by the unknown key policy: the answer is conditional and names the key."""
    foreign = f"arn:aws:kms:us-east-1:{OTHER}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    facts = world(secret_keys={"prod/db": foreign})
    able, unable = answer_of(facts, BOB), answer_of(facts, ALICE)

    assert "conditional" == able.verdict
    assert (f"if KMS key {foreign} allows kms:Decrypt",) == condition_texts([able])
    assert any("its policy is not among the facts" in gap.why and gap.arn == foreign for gap in able.gaps)
    assert ("no", foreign) == (unable.verdict, unable.stopped_by_key)  # a key of another account needs both


def test_an_unknown_key_is_a_condition() -> None:
    """For a secret that is not among the facts, the answer says that its key decides."""
    other = SECRET.replace("prod/db", "other")
    answer = ask(world(), READ, other)

    assert {"user/alice": "conditional", "user/bob": "conditional"} == ways_of(answer)
    (way,) = [way for way in answer.ways if way.caller.name == ALICE]
    assert ("if its KMS key allows kms:Decrypt",) == condition_texts([way.steps[-1].answer])
    assert [f"which KMS key encrypts {other} is not among the facts"] == [gap.why for gap in way.gaps]


def test_objects_may_have_another_encryption_than_their_bucket() -> None:
    """The bucket's key stops the reader only for the objects that it encrypts; no key is needed without it."""
    refused = answer_of(world(), ALICE, "s3:GetObject", OBJECT)

    assert ("conditional", ContentKeyCondition("kms:Decrypt", KEY, is_refused=True)) == (
        refused.verdict,
        refused.if_key,
    )
    assert (f"only what KMS key {KEY} does not encrypt: it refuses kms:Decrypt",) == condition_texts([refused])
    assert "yes" == answer_of(world(), BOB, "s3:GetObject", OBJECT).verdict
    plain = Resource(BUCKET, ACCOUNT, kms_key="")
    assert "yes" == answer_of(world()._replace(resources={BUCKET: plain}), ALICE, "s3:GetObject", OBJECT).verdict


def test_no_key_is_for_anonymous_callers() -> None:
    """KMS refuses requests without credentials, whatever the key's policy says."""
    anyone = policy({"Principal": "*", "Action": "kms:*"})
    document = json.dumps(policy({"Principal": "*", "Action": "s3:GetObject", "Resource": f"{BUCKET}/*"}))
    bucket = Resource(BUCKET, ACCOUNT, PolicyDocument("the bucket's policy", "resource", document), kms_key=KEY)
    facts = world(anyone)
    evaluator = Evaluator(facts._replace(resources={**facts.resources, BUCKET: bucket}), NOW)
    (use,) = [use for use in public_uses(evaluator, Assumptions(evaluator)) if use.action == "s3:GetObject"]

    assert ("anonymous", "conditional") == (use.caller.name, use.answer.verdict)
    assert use.answer.if_key is not None
    assert use.answer.if_key.is_refused


def test_what_can_leaves_out_what_the_key_refuses() -> None:
    """The list of a principal's uses has the secret only with the key; a list of strings is not encrypted."""
    facts = world()
    evaluator = Evaluator(facts, NOW)
    used = {
        user: {
            use.resource for use in what_can(evaluator, Assumptions(evaluator), caller_of(facts.identities[user])).uses
        }
        for user in (ALICE, BOB)
    }

    names = PARAMETER.replace("license", "names")
    assert {BUCKET, names} == used[ALICE]
    assert {BUCKET, names, SECRET, PARAMETER, KEY} == used[BOB]


def test_a_change_of_the_key_opens_the_secret() -> None:
    """The comparison asks about the secret if only its key's policy, or only its key, changes."""
    narrow = policy({"Principal": {"AWS": ACCOUNT}, "Action": "kms:DescribeKey"})
    before, after = world(narrow), world()
    other = before._replace(resources={**before.resources, SECRET: before.resources[SECRET]._replace(kms_key="")})

    for changed in (after, other):
        opened = compare(before, changed, NOW).opened
        assert BOB in {change.caller.name for change in opened if (change.action, change.resource) == (READ, SECRET)}
    assert () == compare(before, before, NOW).opened


def test_an_alias_stands_for_its_key() -> None:
    """A secret whose key is named by an alias has the key with this alias; an unknown alias is named."""
    facts = world()
    by_alias = facts.resources[SECRET]._replace(kms_key=f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/app")
    assert KEY == answer_of(facts._replace(resources={**facts.resources, SECRET: by_alias})).stopped_by_key

    unknown = by_alias._replace(kms_key=f"arn:aws:kms:us-east-1:{ACCOUNT}:alias/old")
    answer = answer_of(facts._replace(resources={**facts.resources, SECRET: unknown}))
    assert "conditional" == answer.verdict
    assert any("alias/old" in gap.why for gap in answer.gaps)
