"""The four metrics of roles: which identities are one principal, and which sessions cross accounts."""

from __future__ import annotations

from dsops.openmetrics import Registry
from dsops.openmetrics.roles import RoleMetrics
from tests.metrics import Told, read_metrics

HOME, AWAY = "111111111111", "222222222222"
ROLE, OTHERS = f"arn:aws:iam::{HOME}:role/Deploy", f"arn:aws:iam::{AWAY}:role/Target"
ALICE = f"arn:aws:iam::{HOME}:user/alice"
KEY_OF_HOME = "AKIARTXV5AHDS6WLS3E7"


def told(roles: RoleMetrics) -> Told:
    """Return the name of each sample -> its labels and values."""
    registry = Registry()
    registry.add(*roles.metrics)
    return read_metrics(registry.text())


def test_issued_sessions_are_counted_by_operation_and_role() -> None:
    """Issued sessions are counted by operation and role, with the requested duration.

    A session without an end is not in the histogram.
    """
    roles = RoleMetrics("dsops")
    for seconds in (900, 3600, 3600, 0):
        roles.count_issued("AssumeRole", ROLE, ALICE, "AKIA", seconds)

    found = told(roles)

    assert found["dsops_sessions_issued_total"] == [({"operation": "AssumeRole", "role": ROLE}, 4)]
    buckets = {labels["le"]: value for labels, value in found["dsops_session_duration_seconds_bucket"]}
    assert (buckets["900.0"], buckets["1800.0"], buckets["3600.0"], buckets["+Inf"]) == (1, 1, 3, 3)
    assert found["dsops_session_duration_seconds_sum"] == [({}, 8100)]


def test_failures_are_counted_by_code_and_role() -> None:
    """Failures are counted by error code and role, and not as issued sessions."""
    roles = RoleMetrics("dsops")
    roles.count_failed("sts.access-denied", OTHERS)

    found = told(roles)

    assert found["dsops_issue_failures_total"] == [({"code": "sts.access-denied", "role": OTHERS}, 1)]
    assert "dsops_sessions_issued_total" not in found


def test_a_principal_is_a_user_or_a_role_whatever_its_session_is_called() -> None:
    """All sessions of a user or role count as one principal, whatever the sessions' names are.

    A caller without an ARN is counted by its access key ID. A caller that has neither is not counted.
    """
    roles = RoleMetrics("dsops")
    for caller, key in (
        (ALICE, "AKIA1"),
        (ALICE, "AKIA2"),
        (f"arn:aws:sts::{HOME}:assumed-role/Jump/run-1", ""),
        (f"arn:aws:sts::{HOME}:assumed-role/Jump/run-2", ""),
        (f"arn:aws:sts::{HOME}:assumed-role/Other/run-1", ""),
        ("", "AKIA3"),
        ("", ""),
    ):
        roles.count_issued("AssumeRole", ROLE, caller, key, 900)

    assert told(roles)["dsops_principals"] == [({}, 4)]


def test_a_border_is_crossed_where_the_accounts_differ() -> None:
    """A session counts as cross-account if the accounts of caller and role are known and differ.

    The caller's account comes from its ARN, or else from its access key ID.
    """
    roles = RoleMetrics("dsops")
    for role, caller, key in (
        (ROLE, ALICE, ""),
        (OTHERS, ALICE, ""),
        (OTHERS, "", KEY_OF_HOME),
        (OTHERS, "", "AKIAI44QH8DHBEXAMPLE"),
        ("", ALICE, ""),
        (f"{AWAY}/Reader", ALICE, ""),
        (OTHERS, f"arn:aws:sts::{AWAY}:assumed-role/Jump/s", ""),
    ):
        roles.count_issued("AssumeRole", role, caller, key, 900)

    pair = {"from_account": HOME, "to_account": AWAY}
    assert told(roles)["dsops_cross_account_sessions_total"] == [(pair, 2)]
