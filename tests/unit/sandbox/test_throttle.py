"""Throttling: a token bucket for each service, account and region, and its limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.errors import SandboxRefusal
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.state.rate_limits import Throttle, read_rate
from tests.sandboxes import ACCOUNT, OTHER
from tests.unit.sandbox.conftest import LabFactory
from tests.unit.sandbox.test_control import ask
from tests.unit.sandbox.test_seedfile import problems


class Seconds:
    """A clock controlled by the test."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now


def passed(throttle: Throttle, number: int, account: str = ACCOUNT, region: str = "us-east-1") -> int:
    """Try that number of requests; return how many the throttle allowed."""
    through = 0
    for _ in range(number):
        try:
            throttle.check("sts", account, region)
        except SandboxRefusal:
            continue
        through += 1
    return through


def test_a_bucket_refills_with_time() -> None:
    """A bucket starts with as many tokens as its rate allows per second, and refills up to that number."""
    clock = Seconds()
    throttle = Throttle(clock)
    throttle.limit({"sts": 5})

    assert passed(throttle, 20) == 5
    clock.now += 0.4
    assert passed(throttle, 20) == 2
    clock.now += 3600
    assert passed(throttle, 20) == 5


def test_a_rate_may_be_below_one() -> None:
    """A rate of 0.5 allows one request every two seconds."""
    clock = Seconds()
    throttle = Throttle(clock)
    throttle.limit({"sts": 0.5})

    assert passed(throttle, 5) == 1
    clock.now += 1
    assert passed(throttle, 5) == 0
    clock.now += 1
    assert passed(throttle, 5) == 1


def test_accounts_regions_and_services_have_separate_buckets() -> None:
    """Each account, region and service has a separate bucket."""
    throttle = Throttle(Seconds())
    throttle.limit({"sts": 1})

    assert passed(throttle, 3) == 1
    assert passed(throttle, 3, account=OTHER) == 1
    assert passed(throttle, 3, region="eu-west-1") == 1
    throttle.check("iam", ACCOUNT, "us-east-1")
    throttle.limit({"sts": 0})
    assert passed(throttle, 50) == 50


def test_full_buckets_are_dropped() -> None:
    """Full buckets are removed from memory, and other buckets are kept."""
    clock = Seconds()
    throttle = Throttle(clock)
    throttle.limit({"sts": 1})
    for number in range(5000):
        throttle.check("sts", f"{number:012d}", "us-east-1")
    clock.now += 10
    assert passed(throttle, 3) == 1
    assert throttle.buckets == 1
    assert passed(throttle, 3) == 0


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("0", 0),
        ("-1", None),
        ("x", None),
        ("", None),
        ("inf", None),
        ("nan", None),
        ("1e9", None),
    ],
)
def test_a_rate_is_a_finite_number(text: str, rate: float | None) -> None:
    """A rate limit that is negative or not finite is refused."""
    assert read_rate(text) == rate


def test_a_throttled_call_gets_the_error_of_the_service(make_lab: LabFactory) -> None:
    """A throttled call gets the error of its service with status 400 and is recorded.

    Without a limit no call is throttled.
    """
    lab = make_lab("accounts: {'111111111111': {secrets: {db: x}}}")
    admin = lab.user("admin")
    for _ in range(30):
        assert admin.arn
    lab.sandbox.throttle.limit({"sts": 1, "secretsmanager": 1})
    admin.call("secretsmanager", "ListSecrets")
    assert admin.arn

    refused = admin.refused("sts", "GetCallerIdentity")
    assert (refused.code, refused.message, refused.status) == ("Throttling", "Rate exceeded", 400)
    answer = admin.answer("secretsmanager", "ListSecrets")
    assert (answer.status, json.loads(answer.body)) == (
        400,
        {"__type": "ThrottlingException", "message": "Rate exceeded"},
    )
    assert [record.get("errorCode") for record in lab.sandbox.events.records()][-2:] == ["Throttling", "Throttling"]
    assert admin.call("iam", "ListUsers")["Users"]


def test_unauthenticated_requests_take_no_tokens(make_lab: LabFactory) -> None:
    """Requests with an invalid signature do not consume tokens."""
    from dataclasses import replace

    lab = make_lab("accounts: {'111111111111': {}}")
    lab.sandbox.throttle.limit({"sts": 1})
    admin = lab.user("admin")
    stranger = lab.with_keys(replace(admin.keys, secret_access_key="wrong"))

    for _ in range(5):
        assert stranger.refused("sts", "GetCallerIdentity").code == "SignatureDoesNotMatch"
    assert admin.arn


def test_web_identity_is_throttled_in_the_account_of_the_role(make_lab: LabFactory) -> None:
    """AssumeRoleWithWebIdentity, which is unsigned, is throttled in the role's account."""
    lab = make_lab("accounts: {'111111111111': {}}")
    lab.sandbox.throttle.limit({"sts": 1})
    parameters = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/R", "RoleSessionName": "s1", "WebIdentityToken": "x" * 9}

    codes = [lab.user("admin").refused("sts", "AssumeRoleWithWebIdentity", **parameters).code for _ in range(2)]
    assert codes == ["InvalidIdentityToken", "Throttling"]


def test_the_seed_and_the_endpoint_set_limits(make_lab: LabFactory) -> None:
    """Limits are set by the seed's `throttle` and by `POST /_sandbox/throttle`; invalid limits are refused."""
    lab = make_lab("throttle: {sts: 5, secretsmanager: 0.5}\naccounts: {'111111111111': {}}")
    control = Control(lab.sandbox)

    assert ask(control, "throttle")[1] == {"requests_per_second": {"sts": 5, "secretsmanager": 0.5}}
    assert ask(control, "throttle", "POST", {"sts": 0})[1] == {"requests_per_second": {"secretsmanager": 0.5}}
    wishes: list[Any] = [None, {}, [], {"sts": "x"}, {"sts": -1}, {"sts": None}, {"sts": 1e9}, {"sst": 1}]
    for wish in wishes:
        assert ask(control, "throttle", "POST", wish)[0] == 400
    assert ask(control, "throttle")[1] == {"requests_per_second": {"secretsmanager": 0.5}}
    reported = problems("throttle: {sts: fast}\naccounts: {'111111111111': {}}")
    assert reported == ["1 throttle.sts: this must be a number of requests a second (such as 5 or 0.5)"]
    reported = problems("throttle: {secretmanager: 1}\naccounts: {'111111111111': {}}")
    assert reported == [
        "1 throttle.secretmanager: the sandbox has no service `secretmanager`: did you mean `secretsmanager`?"
    ]
