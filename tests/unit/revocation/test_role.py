"""The time before which sessions are denied, and the role that an ARN names."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dsops.arn import parse_arn
from dsops.endpoint import resolve_endpoint
from dsops.errors import ServiceError, UsageError
from dsops.revocation.role import cutoff, role_of_arn
from tests.fakes import NOON, make_runtime

ENDPOINT = resolve_endpoint("sts", "us-east-1", {})
SECOND = timedelta(seconds=1)


def test_the_cutoff_is_the_end_of_awss_present_second() -> None:
    """The cutoff is the end of the current second, so sessions issued in this second are denied, too.

    AWS stores issue times in whole seconds.
    """
    behind = NOON - timedelta(minutes=1)
    assert NOON + SECOND == cutoff(None, NOON, ENDPOINT, make_runtime(), applies=True)
    assert behind + SECOND == cutoff(None, behind, ENDPOINT, make_runtime(), applies=False)


def test_a_requested_time_may_not_be_in_the_future() -> None:
    """A requested time in the future is refused, since it would deny every session issued until then."""
    assert NOON == cutoff(NOON, NOON, ENDPOINT, make_runtime(), applies=True)
    with pytest.raises(UsageError, match="the time of AWS is 2026-11-24T12:00:01Z"):
        cutoff(NOON + 2 * SECOND, NOON, ENDPOINT, make_runtime(), applies=True)


def test_no_policy_is_attached_by_this_machines_clock() -> None:
    """If AWS's time is unknown, no policy with this machine's time is attached.

    The policy can be printed, or attached with a time that the user passes.
    """
    with pytest.raises(ServiceError, match="could not read the time"):
        cutoff(None, None, ENDPOINT, make_runtime(), applies=True)
    assert NOON + SECOND == cutoff(None, None, ENDPOINT, make_runtime(), applies=False)
    assert NOON == cutoff(NOON, None, ENDPOINT, make_runtime(), applies=True)


@pytest.mark.parametrize(
    "text", ["arn:aws:iam::111122223333:user/ada", "arn:aws:sts::111122223333:role/Deploy", "arn:x:iam::1:role/Deploy"]
)
def test_other_arns_are_refused(text: str) -> None:
    """An ARN that is not an IAM role's is refused."""
    arn = parse_arn(text)
    assert arn is not None
    with pytest.raises(UsageError, match="is not the ARN of a role"):
        role_of_arn(arn)


def test_a_role_has_a_region_of_its_partition() -> None:
    """STS and IAM are called in the region that the partition of the role prescribes."""
    arn = parse_arn("arn:aws-cn:iam::111122223333:role/Deploy")
    assert arn is not None
    assert role_of_arn(arn).region.startswith("cn-")
