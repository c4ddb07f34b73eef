"""Throttling that is switched on: a bucket for each service, account and region; clients' own retries get through."""

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
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def passed(throttle: Throttle, number: int, account: str = ACCOUNT, region: str = "us-east-1") -> int:
    """How many of so many requests got through."""
    through = 0
    for _ in range(number):
        try:
            throttle.check("sts", account, region)
        except SandboxRefusal:
            continue
        through += 1
    return through


def test_a_bucket_fills_as_time_goes() -> None:
    """A second's worth to begin with, and never more than that."""
    clock = Seconds()
    throttle = Throttle(clock)
    throttle.limit({"sts": 5})

    assert passed(throttle, 20) == 5
    clock.now += 0.4
    assert passed(throttle, 20) == 2
    clock.now += 3600
    assert passed(throttle, 20) == 5


def test_less_than_one_a_second_is_one_now_and_then() -> None:
    """Half a request a second: every other second."""
    clock = Seconds()
    throttle = Throttle(clock)
    throttle.limit({"sts": 0.5})

    assert passed(throttle, 5) == 1
    clock.now += 1
    assert passed(throttle, 5) == 0
    clock.now += 1
    assert passed(throttle, 5) == 1


def test_accounts_regions_and_services_have_their_own() -> None:
    """One that is empty leaves the others full."""
    throttle = Throttle(Seconds())
    throttle.limit({"sts": 1})

    assert passed(throttle, 3) == 1
    assert passed(throttle, 3, account=OTHER) == 1
    assert passed(throttle, 3, region="eu-west-1") == 1
    throttle.check("iam", ACCOUNT, "us-east-1")
    throttle.limit({"sts": 0})
    assert passed(throttle, 50) == 50


def test_buckets_don_t_grow_without_end() -> None:
    """Those that are full again are let go of; one that isn't is kept."""
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
def test_a_rate_is_a_number_of_requests(text: str, rate: float | None) -> None:
    """From 0 on, and finite."""
    assert read_rate(text) == rate


def test_a_throttled_call_has_each_services_words(make_lab: LabFactory) -> None:
    """400, in the shape of its protocol; and the trail has it. Without a limit nothing is throttled."""
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


def test_who_is_not_known_takes_nothing_from_the_bucket(make_lab: LabFactory) -> None:
    """A wrong signature is refused as such, however often it comes."""
    from dataclasses import replace

    lab = make_lab("accounts: {'111111111111': {}}")
    lab.sandbox.throttle.limit({"sts": 1})
    admin = lab.user("admin")
    stranger = lab.with_keys(replace(admin.keys, secret_access_key="wrong"))

    for _ in range(5):
        assert stranger.refused("sts", "GetCallerIdentity").code == "SignatureDoesNotMatch"
    assert admin.arn


def test_a_token_is_throttled_by_the_roles_account(make_lab: LabFactory) -> None:
    """Nobody signs AssumeRoleWithWebIdentity."""
    lab = make_lab("accounts: {'111111111111': {}}")
    lab.sandbox.throttle.limit({"sts": 1})
    wanted = {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/R", "RoleSessionName": "s1", "WebIdentityToken": "x" * 9}

    codes = [lab.user("admin").refused("sts", "AssumeRoleWithWebIdentity", **wanted).code for _ in range(2)]
    assert codes == ["InvalidIdentityToken", "Throttling"]


def test_the_seed_and_the_endpoint_set_limits(make_lab: LabFactory) -> None:
    """`throttle:` and `POST /_sandbox/throttle`; what is no limit is refused."""
    lab = make_lab("throttle: {sts: 5, secretsmanager: 0.5}\naccounts: {'111111111111': {}}")
    control = Control(lab.sandbox)

    assert ask(control, "throttle")[1] == {"requests_per_second": {"sts": 5, "secretsmanager": 0.5}}
    assert ask(control, "throttle", "POST", {"sts": 0})[1] == {"requests_per_second": {"secretsmanager": 0.5}}
    wishes: list[Any] = [None, {}, [], {"sts": "x"}, {"sts": -1}, {"sts": None}, {"sts": 1e9}, {"sst": 1}]
    for wish in wishes:
        assert ask(control, "throttle", "POST", wish)[0] == 400
    assert ask(control, "throttle")[1] == {"requests_per_second": {"secretsmanager": 0.5}}
    told = problems("throttle: {sts: fast}\naccounts: {'111111111111': {}}")
    assert told == ["1 throttle.sts: this must be a number of requests a second (such as 5 or 0.5)"]
    told = problems("throttle: {secretmanager: 1}\naccounts: {'111111111111': {}}")
    assert told == [
        "1 throttle.secretmanager: the sandbox has no service `secretmanager`: did you mean `secretsmanager`?"
    ]
