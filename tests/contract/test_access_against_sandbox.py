"""What `dsops access` answers is what a request gets: sampled answers are asked of the sandbox by real calls.

The seeds are random: users and roles of two accounts that trust each other, with boundaries, control policies and
conditions. For each pair of a caller and a role, and for each caller with the secret and the parameter, which have KMS
keys, the answer is compared with a signed request. `yes` and `conditional` must succeed, the latter with the context
that the answer contains; `no` must fail.
"""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsops.access.facts.world import PolicyDocument, Resource
from dsops.access.questions.answer import AccessAnswer
from dsops.access.questions.caller import caller_of
from dsops.access.questions.evaluator import Evaluator
from dsops.access.questions.topic import Topic
from tests.groups import IS_NIGHTLY
from tests.sandboxes import Lab, Person, RefusedError
from tests.unit.access.random_seeds import KEY_ID, ROLES, USERS, seeds
from tests.unit.access.worlds import ACCOUNT, NOW, OTHER, READ, SECRET, policy, world_of

CONDITIONS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {},
        {},
        {},
        {"Condition": {"StringEquals": {"sts:ExternalId": "right-one"}}},
        {"Condition": {"StringLike": {"sts:RoleSessionName": "ada-*"}}},
        {"Condition": {"StringNotLike": {"sts:RoleSessionName": "ada-*"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": ["198.51.100.0/24"]}}},
        {"Condition": {"NotIpAddress": {"aws:SourceIp": ["198.51.100.0/24"]}}},
        {"Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}}},
        {"Condition": {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/A"}}},
        {"Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}},
        {"Condition": {"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}},
        {"Condition": {"Null": {"sts:ExternalId": "true"}}},
    ]
)
PARAMETERS = {"sts:externalid": "ExternalId", "sts:rolesessionname": "RoleSessionName"}
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY_ID}"
PARAMETER = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/prod/license"
STAGE = "secretsmanager:versionstage"
PRODUCIBLE = {*PARAMETERS, "aws:sourceip", STAGE}
"""The condition keys that a test can put into a request; the others, such as MFA, need more than a request."""

EXAMPLES = 400 if IS_NIGHTLY else 40


def test_sampled_answers_are_what_requests_get() -> None:
    """Every answer for which a request can be made agrees with the sandbox, and all three verdicts occur."""
    counts: Counter[str] = Counter()

    @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=EXAMPLES)
    @given(seeds(CONDITIONS))
    def holds(seed: dict[str, Any]) -> None:
        evaluator = Evaluator(world_of(**seed), NOW)
        lab = Lab.of(json.dumps(seed))
        for arn in USERS:
            _, _, _, _, account, name = arn.split(":")
            user = lab.user(name.removeprefix("user/"), account)
            counts.update(_compared(evaluator, arn, user))

    holds()
    assert min(counts[verdict] for verdict in ("yes", "conditional", "no")) > 0, counts
    assert sum(counts.values()) >= EXAMPLES * 20, counts


def _compared(evaluator: Evaluator, arn: str, person: Person) -> list[str]:
    """Compare the answers for a user with requests, and those for the sessions of the roles that it assumes."""
    verdicts = [_read(evaluator, arn, person), _read_parameter(evaluator, arn, person)]
    for role in ROLES:
        answer = evaluator.ask(caller_of(evaluator.world.identities[arn]), Topic("sts:AssumeRole", role))
        session = _assume(answer, role, person)
        verdicts.append(answer.verdict if _can_be_made(answer) else "not asked")
        if session is not None:
            verdicts.append(_read(evaluator, role, session))
    return [verdict for verdict in verdicts if verdict != "not asked"]


def _assume(answer: AccessAnswer, role: str, person: Person) -> Person | None:
    """Send the request that the answer contains; the session if it is allowed."""
    if not _can_be_made(answer):
        return None
    parameters = {PARAMETERS[key]: values[0] for key, values in answer.needed.items() if key in PARAMETERS}
    name = parameters.pop("RoleSessionName", "session")
    caller = _from(person, answer)
    session: Person | None = None
    with suppress(RefusedError):
        session = caller.assume(role, name, **parameters)
    assert answer.is_possible == (session is not None), answer
    return Person(person.lab, session.keys) if session is not None else None


def _read(evaluator: Evaluator, arn: str, person: Person) -> str:
    answer = evaluator.ask(caller_of(evaluator.world.identities[arn]), Topic(READ, SECRET))
    if not _can_be_made(answer):
        return "not asked"
    stage = {"VersionStage": answer.needed[STAGE][0]} if STAGE in answer.needed else {}
    try:
        identifier = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:prod/db"
        _from(person, answer).call("secretsmanager", "GetSecretValue", SecretId=identifier, **stage)
    except RefusedError as refused:
        is_allowed = refused.code == "ResourceNotFoundException"  # a stage that no version has
    else:
        is_allowed = True
    assert is_allowed == answer.is_possible, answer
    return answer.verdict


def _read_parameter(evaluator: Evaluator, arn: str, person: Person) -> str:
    answer = evaluator.ask(caller_of(evaluator.world.identities[arn]), Topic("ssm:GetParameter", PARAMETER))
    if not _can_be_made(answer) or arn.split(":")[4] != ACCOUNT:
        return "not asked"  # GetParameter by name reads the caller's own account.
    is_allowed = True
    try:
        _from(person, answer).call("ssm", "GetParameter", Name="/prod/license", WithDecryption=True)
    except RefusedError:
        is_allowed = False
    assert is_allowed == answer.is_possible, answer
    return answer.verdict


def _can_be_made(answer: AccessAnswer) -> bool:
    return answer.verdict != "unknown" and answer.if_key is None and answer.needed.keys() <= PRODUCIBLE


def _from(person: Person, answer: AccessAnswer) -> Person:
    """Return the caller at the address that the answer needs."""
    address = answer.needed.get("aws:sourceip", ("203.0.113.9",))[0]
    return Person(person.lab, person.keys, person.region, address)


def test_the_key_of_content_decides_as_in_a_request() -> None:
    """For a secret, a parameter and an object with one key, the answers for four readers are those of requests."""
    reads = policy({"Action": [READ, "ssm:GetParameter", "s3:GetObject"]})
    decrypts = policy({"Action": "kms:Decrypt", "Resource": KEY})
    no_decrypt = policy({"Effect": "Deny", "Action": "kms:*"})
    statements = (
        {"Principal": {"AWS": ACCOUNT}, "Action": "kms:*"},
        {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/named"}, "Action": "kms:Decrypt"},
    )
    policies = {"reader": [reads], "both": [reads, decrypts], "named": [reads], "denied": [reads, decrypts, no_decrypt]}
    users = {name: {"policies": of_user} for name, of_user in policies.items()}
    account = {
        "users": users,
        "keys": {"app": {"id": KEY.rpartition("/")[2], "policy": policy(*statements)}},
        "secrets": {"prod/db": "x"},
        "parameters": {"/prod/license": "x"},
        "secret_keys": {"prod/db": "app"},
        "parameter_keys": {"/prod/license": "app"},
    }
    lab = Lab.of(json.dumps({"accounts": {ACCOUNT: account}}))
    admin = lab.user("admin")
    admin.call("s3", "CreateBucket", Bucket="payroll")
    by_default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": KEY}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": by_default}]}
    admin.call("s3", "PutBucketEncryption", Bucket="payroll", ServerSideEncryptionConfiguration=rules)
    admin.call("s3", "PutObject", Bucket="payroll", Key="2026.csv", Body=b"x")
    facts = world_of({ACCOUNT: account})
    bucket = Resource("arn:aws:s3:::payroll", ACCOUNT, kms_key=KEY)
    evaluator = Evaluator(facts._replace(resources={**facts.resources, bucket.arn: bucket}), NOW)
    read: dict[str, tuple[str, dict[str, Any], str]] = {}
    read["secretsmanager"] = ("GetSecretValue", {"SecretId": "prod/db"}, SECRET)
    read["ssm"] = ("GetParameter", {"Name": "/prod/license", "WithDecryption": True}, PARAMETER)
    read["s3"] = ("GetObject", {"Bucket": "payroll", "Key": "2026.csv"}, f"{bucket.arn}/2026.csv")

    for name in users:
        caller = caller_of(facts.identities[f"arn:aws:iam::{ACCOUNT}:user/{name}"])
        for service, (operation, parameters, arn) in read.items():
            answer = evaluator.ask(caller, Topic(f"{service}:{operation}", arn))
            is_allowed = True
            try:
                lab.user(name).call(service, operation, **parameters)
            except RefusedError:
                is_allowed = False
            is_stopped = KEY in (answer.stopped_by_key, answer.if_key and answer.if_key.key)
            assert (name in ("both", "named"), not is_allowed) == (is_allowed, is_stopped), (name, service, answer)


def test_a_blocked_public_bucket_is_closed_as_for_a_request() -> None:
    """RestrictPublicBuckets closes a public policy to another account, and leaves its own account in."""
    reads = {"policies": [policy({"Action": "s3:GetObject"})]}
    accounts = {ACCOUNT: {"users": {"alice": reads}}, OTHER: {"users": {"carol": reads}}}
    lab = Lab.of(json.dumps({"accounts": accounts}))
    admin = lab.user("admin")
    document = json.dumps(policy({"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::papers/*"}))
    admin.call("s3", "CreateBucket", Bucket="papers")
    admin.call("s3", "PutObject", Bucket="papers", Key="x", Body=b"x")
    admin.call("s3", "PutBucketPolicy", Bucket="papers", Policy=document)
    for restricts in (False, True):
        block = {"RestrictPublicBuckets": restricts}
        admin.call("s3", "PutPublicAccessBlock", Bucket="papers", PublicAccessBlockConfiguration=block)
        bucket = Resource(
            "arn:aws:s3:::papers",
            ACCOUNT,
            PolicyDocument("the bucket's policy", "resource", document),
            kms_key="",
            restricts_public=restricts,
        )
        facts = world_of(accounts)._replace(resources={bucket.arn: bucket})
        for name, account in (("alice", ACCOUNT), ("carol", OTHER)):
            caller = caller_of(facts.identities[f"arn:aws:iam::{account}:user/{name}"])
            answer = Evaluator(facts, NOW).ask(caller, Topic("s3:GetObject", "arn:aws:s3:::papers/x"))
            is_allowed = True
            try:
                lab.user(name, account).call("s3", "GetObject", Bucket="papers", Key="x")
            except RefusedError:
                is_allowed = False
            assert (name == "alice" or not restricts, answer.verdict == "yes") == (is_allowed, is_allowed)
