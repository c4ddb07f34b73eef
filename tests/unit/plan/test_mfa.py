"""Each MFA code works once: which roles share an MFA session, and which need their own code."""

from __future__ import annotations

import pytest

from dsops.errors import LimitExceeded
from dsops.plan import Plan
from dsops.secret import Secret
from tests.plans import TEMPORARY, UNKNOWN, plan_of

DEVICE = "arn:aws:iam::111111111111:mfa/ada"
SESSION = f"MFA session of {DEVICE}"


def planned(first: str = "", second: str = "", **options: object) -> Plan:
    """Return the plan of two roles that use one MFA device, with these additional fields."""
    text = f"""
secretStores:
  a: {{type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/A", serial_number: "{DEVICE}"{first}}}
  b: {{type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/B", serial_number: "{DEVICE}"{second}}}
  sa: {{type: aws.ssm, credentials_from: a}}
  sb: {{type: aws.ssm, credentials_from: b}}
envs:
  e:
    A: {{from: {{store: sa, key: a}}}}
    B: {{from: {{store: sb, key: b}}}}
  one:
    A: {{from: {{store: sa, key: a}}}}
"""
    return plan_of(text, **options)  # type: ignore[arg-type]


def test_two_roles_behind_one_device_share_a_session() -> None:
    """Two roles with one MFA device share one GetSessionToken call and one code, and the plan has a note about it."""
    plan = planned()
    assert next(iter(plan.steps)) == SESSION
    session, a, b = plan.steps[SESSION], plan.steps["a"], plan.steps["b"]
    assert (session.type.name, session.settings["serial_number"]) == ("aws.sts", DEVICE)
    assert "role_arn" not in session.settings
    assert (a.credentials_from, b.credentials_from) == (SESSION, SESSION)
    assert "serial_number" not in a.settings
    assert plan.calls == 3 + 2
    assert plan.notes == (f"one MFA session of {DEVICE} serves `a`, `b`: a code works once",)


def test_a_role_assumed_with_an_mfa_session_is_a_chained_one() -> None:
    """A role assumed with an MFA session is chained: AWS counts a user's session as temporary."""
    assert planned().steps["a"].is_chained is True


def alone(fields: str = "", **options: object) -> Plan:
    """Return the plan of the only role that uses its MFA device, with these additional fields."""
    text = f"""
secretStores:
  a: {{type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/A", serial_number: "{DEVICE}"{fields}}}
  sa: {{type: aws.ssm, credentials_from: a}}
envs: {{e: {{A: {{from: {{store: sa, key: a}}}}}}}}
"""
    return plan_of(text, **options)  # type: ignore[arg-type]


def test_one_role_alone_sends_its_code_itself() -> None:
    """If only one role uses the device, AssumeRole itself sends the code."""
    plan = alone()
    assert list(plan.steps) == ["a", "sa"]
    assert plan.steps["a"].settings["serial_number"] == DEVICE
    assert plan.notes == ()


def test_a_role_that_is_needed_alone_shares_with_those_of_other_runs() -> None:
    """With an agent, roles in different environments share the MFA session."""
    plan = planned(environment="one", second=", duration_seconds: 1800")
    assert list(plan.steps) == [SESSION, "a", "sa"]
    assert plan.notes == (f"one MFA session of {DEVICE} serves `a` and 1 more of the configuration: a code works once",)
    both = planned(second=", duration_seconds: 1800")
    assert plan.steps[SESSION].fingerprint == both.steps[SESSION].fingerprint


@pytest.mark.parametrize(
    "second",
    [
        ", duration_seconds: 3601",
        ", mfa_session: false",
        ", profile: another",
        ", credentials_from: a",
        ", endpoint_url: http://127.0.0.1:1",
    ],
)
def test_a_role_that_could_not_share_is_no_reason_for_a_session(second: str) -> None:
    """A role that cannot share a session (own duration, other source) does not lead to an MFA session."""
    assert SESSION not in planned(environment="one", second=second).steps


def test_whether_a_session_stands_before_a_role_can_be_said() -> None:
    """`mfa_session: true` or `false` decides whether a role gets an MFA session."""
    assert list(alone(", mfa_session: true").steps) == [SESSION, "a", "sa"]
    assert SESSION not in planned(", mfa_session: false").steps
    assert SESSION not in planned(", mfa_session: false", lasts=True, environment="one").steps


def test_an_mfa_session_that_a_role_asks_for_lasts_a_working_day() -> None:
    """With `mfa_session: true` on one role, the session lasts 12 hours, whichever of the roles a run needs."""
    wish = ", mfa_session: true, duration_seconds: 900"
    plans = [alone(wish), planned(wish), planned(wish, environment="one"), planned(second=wish, environment="one")]
    assert {plan.steps[SESSION].settings["duration_seconds"] for plan in plans} == {12 * 3600}
    assert len({plan.steps[SESSION].fingerprint for plan in plans}) == 1
    assert [plan.notes for plan in plans[:3]] == [()] * 3
    assert plans[0].steps["a"].settings["duration_seconds"] == 900


def test_a_session_that_would_cost_a_role_its_hours_is_told_with_its_price() -> None:
    """`mfa_session: true` with a duration over an hour is refused.

    The MFA session would make the role chained, which limits it to one hour.
    """
    with pytest.raises(LimitExceeded) as caught:
        alone(", mfa_session: true, duration_seconds: 7200")
    assert "the most that a chained role gets" in caught.value.problems[0].message


def test_without_a_later_prompt_an_mfa_session_of_hours_stands_before_it() -> None:
    """For `exec --serve` the role uses a long MFA session, so its renewal needs no other MFA code."""
    plan = alone(lasts=True)
    assert list(plan.steps) == [SESSION, "a", "sa"]
    assert plan.steps[SESSION].settings["duration_seconds"] == 12 * 3600
    assert "serial_number" not in plan.steps["a"].settings
    assert plan.notes == (f"one MFA session of {DEVICE} serves `a`: for 12 hours",)
    assert list(alone(", duration_seconds: 3601", lasts=True).steps) == ["a", "sa"]


def test_two_stores_that_make_the_same_session_need_no_further_call() -> None:
    """Two stores of the same session need one code and no MFA session."""
    text = f"""
secretStores:
  us: {{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111111111111:role/A", serial_number: "{DEVICE}"}}
  eu: {{type: aws.sts, region: eu-west-1, role_arn: "arn:aws:iam::111111111111:role/A", serial_number: "{DEVICE}"}}
envs: {{e: {{A: {{from: {{store: us, key: all}}}}, B: {{from: {{store: eu, key: all}}}}}}}}
"""
    plan = plan_of(text)
    assert list(plan.steps) == ["us", "eu"]
    assert plan.calls == 1
    assert list(plan_of(text, store="us").steps) == ["us"]


def test_a_longer_session_asks_for_a_code_of_its_own() -> None:
    """A role of more than one hour uses a code of its own, since chaining would limit the role to one hour."""
    plan = planned(first=", duration_seconds: 3601")
    assert SESSION not in plan.steps
    assert plan.steps["a"].settings["serial_number"] == DEVICE
    assert plan.steps["b"].settings["serial_number"] == DEVICE


def test_the_shared_session_lives_no_longer_than_what_it_serves() -> None:
    """The shared MFA session lasts no longer than the longest role that uses it."""
    session = planned(", duration_seconds: 900", ", duration_seconds: 1800").steps[SESSION]
    assert session.settings["duration_seconds"] == 1800


def test_temporary_base_credentials_share_nothing() -> None:
    """With temporary base credentials there is no MFA session: AWS refuses GetSessionToken to temporary credentials."""
    assert SESSION not in planned(ambient=TEMPORARY).steps
    assert SESSION in planned(ambient=UNKNOWN).steps


def test_the_shared_session_takes_the_code_from_any_store_that_has_one() -> None:
    """The shared MFA session uses the code of any role that has a code."""
    session = planned(second=", token_code: '012345'").steps[SESSION]
    assert session.settings["token_code"] == Secret("012345")
    assert "token_code" not in planned(second=", token_code: '012345'").steps["b"].settings


def test_the_same_fixed_code_for_two_is_refused() -> None:
    """If two roles each need a code but have the same fixed code, the plan refuses them.

    The error does not show the code.
    """
    code = ", duration_seconds: 7200, token_code: '012345'"
    with pytest.raises(LimitExceeded, match="environment `e`") as caught:
        planned(code, code)
    (problem,) = caught.value.problems
    assert problem.message == "the same code would be sent for `a` and `b`, and AWS takes it once"
    assert problem.where.line == 4
    assert planned(code, code.replace("012345", "543210")).steps
    assert "012345" not in str(caught.value.problems)


def test_two_devices_are_two_codes() -> None:
    """Roles with two MFA devices need two codes."""
    other = f', tags: {{a: b}}, external_id: "{DEVICE}"'
    text = f"""
secretStores:
  a: {{type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/A", serial_number: "{DEVICE}"{other}}}
  b: {{type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/B", serial_number: "{DEVICE}2"}}
envs: {{e: {{A: {{from: {{store: a, key: all}}}}, B: {{from: {{store: b, key: all}}}}}}}}
"""
    assert list(plan_of(text).steps) == ["a", "b"]


def test_a_code_behind_a_role_is_pointed_out() -> None:
    """The plan has a note if a chained role has an MFA code.

    AWS checks MFA for the calling user, and a role has no device.
    """
    text = f"""
secretStores:
  a: {{type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/A"}}
  b: {{type: aws.sts, role_arn: "arn:aws:iam::222222222222:role/B", serial_number: "{DEVICE}", credentials_from: a}}
"""
    (note,) = plan_of(text, store="b").notes
    assert note.startswith("store `b` sends an MFA code as the session of `a`")
