"""Which keys read AWS's record of a denial, and what the finding reports if none of them may."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.aws.apis.sts import CallerIdentity
from dsops.explain.evidence.record_reader import RecordReader
from dsops.explain.evidence.recorded import Recorded
from dsops.explain.finding import Fact
from dsops.explain.questions.chain import ChainKeys, Chains
from dsops.explain.questions.sentence import read_refusal
from tests.plans import plan_of
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.aws.scene import SESSION, USER, Scene
from tests.unit.aws.test_iam_toolbox import DETAILS, ID

ACCOUNT, OTHER = "111122223333", "444455556666"
MANAGED = "arn:aws:iam::aws:policy/AWSDenyAll"
LINK = f"https://eu-west-1.console.aws.amazon.com/iam/home?region=eu-west-1#/authorization-details/{ID}"
SENTENCE = f"User: arn:aws:iam::{ACCOUNT}:user/ada is not authorized to perform: iam:GetUser"
MESSAGE = f"{SENTENCE}. Go to {LINK} for complete details, or call the API with the following authorization id: {ID}"
DENIED = Answer(403, b'{"message": "no"}', (("x-amzn-ErrorType", "AccessDeniedException"),))
NOT_YET = Answer(404, b'{"message": "no"}', (("x-amzn-ErrorType", "ResourceNotFoundException"),))


class Toolbox:
    """A stub of AWS that answers by signing key; a list gives one answer after another."""

    def __init__(self, **by_key: list[Answer]) -> None:
        self.by_key = by_key
        self.asked: list[str] = []

    def __call__(self, request: Seen) -> Answer:
        """Return the key's next answer; every policy is empty."""
        key = "user" if USER.access_key_id in request.header("authorization") else "session"
        is_policy = "/policy?" in request.target
        self.asked.append(f"{key} {'policy' if is_policy else 'details'}")
        if is_policy:
            return Answer(body=b'{"policyDocument": {"Version": "2012-10-17", "Statement": []}}')
        return self.by_key[key].pop(0)


def answer(content: dict[str, Any] | None = None) -> Answer:
    """Return AWS's answer with a record of a denial."""
    return Answer(body=json.dumps(content or DETAILS).encode())


def keys(account: str = ACCOUNT, *, is_user: bool = False) -> ChainKeys:
    """Return keys of a user or session in this account."""
    arn = f"arn:aws:iam::{account}:user/ada" if is_user else f"arn:aws:sts::{account}:assumed-role/App/s"
    return ChainKeys(USER if is_user else SESSION, CallerIdentity(account, arn, "AIDAEXAMPLE"), None)


def read(
    toolbox: Toolbox, *chain: ChainKeys, message: str = MESSAGE, is_fresh: bool = True
) -> tuple[Recorded | Fact, list[float], list[Seen]]:
    """Return the result, the pauses and the requests."""
    scene = Scene()
    with StubServer(toolbox) as server:
        plan = plan_of(
            f"""
secretStores:
  app: {{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::{ACCOUNT}:role/App", endpoint_url: "{server.url}"}}
envs: {{dev: {{}}}}
""",
            store="app",
        )
        chains = Chains(plan, scene.client, {}, {})
        reader = RecordReader(chains)
        found = scene.run(reader.read(read_refusal(message), plan.steps["app"], chain, is_fresh=is_fresh))
        return found, scene.paused, server.seen


def test_the_account_that_was_refused_is_asked_first() -> None:
    """dsops reads the record with the denied account's keys first, and tries other keys only if they fail.

    The request goes to the region in the link.
    """
    toolbox = Toolbox(user=[answer()], session=[])

    looked_up, _, seen = read(toolbox, keys(is_user=True), keys(OTHER))

    assert isinstance(looked_up, Recorded)
    assert toolbox.asked == ["user details", "user policy"]
    assert "/eu-west-1/iam/aws4_request" in seen[0].header("authorization")


def test_a_record_that_is_still_to_come_is_waited_for() -> None:
    """For a fresh denial dsops retries a missing record for some seconds; for an old message it does not retry."""
    late = Toolbox(session=[NOT_YET, NOT_YET, answer()])
    looked_up, paused, _ = read(late, keys())
    never, all_pauses, _ = read(Toolbox(session=[NOT_YET] * 4), keys())
    old, none, _ = read(Toolbox(session=[NOT_YET]), keys(), is_fresh=False)

    assert isinstance(looked_up, Recorded)
    assert (sum(paused), sum(all_pauses), none) == (1.5, 3.5, [])
    assert isinstance(never, Fact)
    assert isinstance(old, Fact)
    assert never.why == "AWS has no such record for the keys here, or none any more"


def test_the_keys_of_other_accounts_do_not_wait() -> None:
    """If only another account's keys may read records, dsops does not wait, since that account has no record."""
    looked_up, paused, _ = read(Toolbox(user=[NOT_YET], session=[DENIED]), keys(OTHER, is_user=True), keys())

    assert isinstance(looked_up, Fact)
    assert paused == []
    assert looked_up.why == "not allowed to iam:GetRequestAuthorizationDetails"


def test_who_may_look_it_up_is_told_with_link_and_command() -> None:
    """If no credentials can read AWS's record, the finding has the permission, account, console link and command."""
    looked_up, _, _ = read(Toolbox(session=[DENIED]), keys())

    assert looked_up == Fact(
        f"AWS's own record of the refusal, {ID}",
        "not allowed to iam:GetRequestAuthorizationDetails",
        f"a caller with iam:GetRequestAuthorizationDetails in account {ACCOUNT} or its organization, "
        f"who may also open {LINK},",
        f"aws iam-toolbox get-request-authorization-details --region eu-west-1 --authorization-id {ID}",
    )


@pytest.mark.parametrize("region", ["cn-north-1", "us-gov-west-1"])
def test_a_message_sends_no_keys_into_another_partition(region: str) -> None:
    """A region of another partition in a message is ignored, so dsops sends no keys to that partition."""
    message = MESSAGE.replace("eu-west-1", region)

    _, _, seen = read(Toolbox(session=[answer()]), keys(), message=message)

    assert "/us-east-1/iam/aws4_request" in seen[0].header("authorization")


def test_a_record_without_a_refusal_proves_nothing() -> None:
    """An AWS record without a denial proves no cause."""
    allowed = [{**DETAILS["evaluations"][0], "evaluatedEffect": "ALLOW"}]

    looked_up, _, _ = read(Toolbox(session=[answer({**DETAILS, "evaluations": allowed})]), keys())

    assert isinstance(looked_up, Fact)
    assert looked_up.why == "AWS's record says of nothing that it was refused"


def test_without_keys_no_record_is_read() -> None:
    """Without keys the finding reports that the record is unread, and dsops sends no request."""
    looked_up, _, seen = read(Toolbox())

    assert isinstance(looked_up, Fact)
    assert (looked_up.why, seen) == ("no keys here can ask for it", [])
