"""Numbers, durations, times and names in readable form."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from dsops.audit.page.formatting import LONGEST_TITLE, compact, count, counted, duration, moment, name, share, shortened
from tests.markup import read

ROLE = "arn:aws:iam::123456789012:role/ci/Deploy"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (900, "15 min"),
        (712, "11 min 52 s"),
        (3600, "1 h"),
        (3601, "1 h"),
        (5400, "1 h 30 min"),
        (43_199, "11 h 59 min"),
        (86_400, "1 d"),
        (97_200, "1 d 3 h"),
        (-5, "0 s"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: int, words: str) -> None:
    """A duration is shown in its largest unit and, if that is not zero, the next smaller unit."""
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1000, "1k"), (1299, "1.2k"), (35_999, "35k"), (999_999, "999k"), (2_150_000, "2.1M")],
)
def test_a_compact_number_never_rounds_up(number: int, text: str) -> None:
    """A compact number is rounded down: 999,999 is not shown as 1M."""
    assert compact(number) == text


def test_numbers_have_commas_and_nouns_their_number() -> None:
    """Numbers have thousands separators, and nouns after numbers are singular or plural."""
    assert (count(12_345), counted(1, "call"), counted(0, "call"), counted(2, "reply", "replies")) == (
        "12,345",
        "1 call",
        "0 calls",
        "2 replies",
    )


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (73, 2674, "2.7 %"),
        (1, 1_000_000, "under 0.1 %"),
        (0, 0, "0 %"),
        (999_999, 1_000_000, "over 99.9 %"),
        (1, 2, "50 %"),
    ],
)
def test_a_share_is_never_rounded_to_none_or_all(part: int, whole: int, text: str) -> None:
    """A share is shown as 0 % or 100 % only if it is exactly 0 or 1."""
    assert share(part, whole) == text


def test_times_are_utc_and_whole_seconds() -> None:
    """Times are shown in UTC with whole seconds, and have a machine-readable attribute."""
    time = datetime(2026, 11, 20, 12, 0, 0, 999, tzinfo=timezone(timedelta(hours=1)))
    shown_text = read(moment(time)).one("time")
    assert (shown_text.text, shown_text["datetime"]) == ("2026-11-20 11:00:00", "2026-11-20T11:00:00Z")
    assert read(moment(datetime(1, 1, 1, tzinfo=UTC))).text == "0001-01-01 00:00:00"


def test_a_role_is_named_by_its_path_and_account() -> None:
    """A role is shown by path, name and account; the element's title has the full ARN."""
    shown_text = read(name(ROLE))
    assert shown_text.text == "ci/Deploy 123456789012"
    assert shown_text.all("span")[0]["title"] == ROLE


def test_a_role_of_identity_center_keeps_the_name_that_tells_it_apart() -> None:
    """A role of IAM Identity Center is shown with AWS's path shortened and its full name.

    Other roles are shown unchanged.
    """
    reserved = "aws-reserved/sso.amazonaws.com/eu-west-1/AWSReservedSSO_AdministratorAccess_efee0f83d1c158a9"
    shown_text = read(name(f"arn:aws:iam::123456789012:role/{reserved}"))
    assert shown_text.text == "aws-reserved/…/AWSReservedSSO_AdministratorAccess_efee0f83d1c158a9 123456789012"
    own = read(name("arn:aws:iam::123456789012:role/AWSReservedSSO_AdministratorAccess_efee0f83d1c158a9"))
    assert own.text == "AWSReservedSSO_AdministratorAccess_efee0f83d1c158a9 123456789012"


@pytest.mark.parametrize(
    "text",
    ["arn:aws:s3::123456789012:role/Deploy", "arn:aws:iam::12345:role/Deploy", "arn:aws:iam::123456789012:", "Deploy"],
)
def test_what_is_no_arn_of_iam_is_shown_as_it_is(text: str) -> None:
    """A text that is no IAM role ARN is shown unchanged, so that it cannot be mistaken for a role."""
    assert read(name(text)).text == text


def test_a_long_name_is_shortened_in_the_middle() -> None:
    """A long name is shortened in the middle; the element's title has the full text, up to a limit."""
    assert shortened("a" * 80) == "a" * 80
    assert shortened("a" * 41 + "b" * 41) == "a" * 40 + "…" + "b" * 39
    whole = "a" * 100
    assert read(name(whole)).one("span")["title"] == whole
    assert read(name("a" * (LONGEST_TITLE + 1))).one("span")["title"].endswith("a… (1 more character)")


def test_no_name_is_a_dash() -> None:
    """An empty name is shown as a dash."""
    assert read(name(" ")).one("span", "none").text == "\N{EN DASH}"
