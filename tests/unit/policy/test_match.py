"""Wildcards and ARN patterns."""

from __future__ import annotations

import pytest

from dsops.policy.language.match import compile_arn, compile_glob, split_arn
from dsops.policy.language.tokens import PolicyVariable, tokenize


def glob(pattern: str, text: str) -> bool:
    """Whether the pattern matches the text."""
    tokens = tokenize(pattern, has_variables=False, has_wildcards=True)
    return compile_glob([token for token in tokens if not isinstance(token, PolicyVariable)])(text)


def arn(pattern: str, text: str) -> bool:
    """Whether the ARN pattern matches the ARN."""
    tokens = tokenize(pattern, has_variables=False, has_wildcards=True)
    test = compile_arn([token for token in tokens if not isinstance(token, PolicyVariable)])
    parts = split_arn(text)
    return test is not None and parts is not None and test(parts)


@pytest.mark.parametrize(
    ("pattern", "hit", "miss"),
    [
        ("abc", "abc", "abcd"),
        ("", "", "a"),
        ("ab*", "ab", "a"),
        ("*bc", "abc", "abcd"),
        ("a*c", "ac", "cac"),
        ("a*a", "aba", "a"),
        ("*b*", "abc", "ac"),
        ("a*b*c", "aXbYc", "acb"),
        ("a**c", "abc", "ab"),
        ("*ab*ab*", "abab", "aba"),
        ("?", "a", ""),
        ("a?c", "abc", "ac"),
        ("a??", "abc", "abcd"),
        ("*?", "a", ""),
        ("**?", "a", ""),
        ("?*?", "ab", "a"),
        ("a*?b*c", "aXbc", "abc"),
        ("*a?b*", "xxaabxx", "xaa"),
        ("secret:db-??????", "secret:db-AbCdEf", "secret:db-AbCdE"),
        ("a.c", "a.c", "abc"),
        ("[ab]", "[ab]", "a"),
        ("a\nb*", "a\nbc", "a b"),
    ],
)
def test_star_is_any_run_and_question_mark_any_one_character(pattern: str, hit: str, miss: str) -> None:
    """A pattern must match the whole text.

    `*` matches any text, `?` matches one character, and any other character matches itself.
    """
    assert glob(pattern, hit)
    assert not glob(pattern, miss)


def test_wildcards_cross_slashes_and_line_ends() -> None:
    """`*` and `?` match any character, also slashes and line ends."""
    assert glob("a*z", "a/b:c\nz")
    assert glob("a?z", "a\nz")


class CountedText(str):
    """A string that records where searches in it start."""

    __slots__ = ("looked_at", "starts")

    def __init__(self, _value: str) -> None:
        self.starts: list[int] = []
        self.looked_at = 0

    def find(self, sub: str, start: object = 0, end: object = None, /) -> int:
        """Search as `str.find` does, and record the start."""
        assert isinstance(start, int)
        assert isinstance(end, int)
        self.starts.append(start)
        return super().find(sub, start, end)

    def __getitem__(self, index: object, /) -> str:
        self.looked_at += 1
        assert isinstance(index, int)
        return super().__getitem__(index)


def test_each_literal_piece_is_looked_for_once_and_only_forward() -> None:
    """A pattern with 2000 `*` needs 2000 searches, each from the end of the previous match: matching is linear."""
    text = CountedText("a" * 50_000 + "b")
    pattern = "*a" * 2_000 + "*c*b"
    assert not glob(pattern, text)
    assert len(text.starts) == 2_001
    assert text.starts == sorted(text.starts)


def test_pieces_with_question_marks_look_at_each_character_once() -> None:
    """A pattern part with `?` checks each character of the text once, so matching is linear."""
    text = CountedText("a" * 20_000)
    pattern = "*a?a?b" * 200 + "*"
    assert not glob(pattern, text)
    assert text.looked_at <= len(text)


def test_a_pattern_of_many_pieces_with_question_marks_is_found() -> None:
    """The matcher finds pattern parts with `?` at their earliest position."""
    assert glob("*a?c*e?g*i", "xxabcaacdefgghi")
    assert not glob("*a?c*e?g*i", "xxabdefghi")


@pytest.mark.parametrize(
    ("pattern", "hit", "miss"),
    [
        ("arn:aws:iam::111122223333:role/*", "arn:aws:iam::111122223333:role/a/b", "arn:aws:iam::111122223333:user/a"),
        ("arn:aws:iam::*:role/App", "arn:aws:iam::111122223333:role/App", "arn:aws:iam::111122223333:role/Apps"),
        ("arn:*:iam::1:r", "arn:aws-cn:iam::1:r", "arn:aws-cn:sts::1:r"),
        ("arn:aws:sqs:us-*-1:1:q", "arn:aws:sqs:us-east-1:1:q", "arn:aws:sqs:us-east-2:1:q"),
        ("arn:aws:log:*:*:group:*:s", "arn:aws:log:r:1:group:a:b:s", "arn:aws:log:r:1:group:a:b"),
    ],
)
def test_each_part_of_an_arn_is_matched_on_its_own(pattern: str, hit: str, miss: str) -> None:
    """Wildcards in one of an ARN's first five parts do not match into the next part."""
    assert arn(pattern, hit)
    assert not arn(pattern, miss)


def test_a_wildcard_does_not_cross_from_region_to_account() -> None:
    """An ARN comparison rejects a match across region and account that StringLike would accept (AWS's example)."""
    pattern = "arn:aws:someservice:*:111122223333:finance/*"
    text = "arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"
    assert glob(pattern, text)
    assert not arn(pattern, text)


@pytest.mark.parametrize("text", ["", "arn", "arn:aws:iam::1", "urn:aws:iam::1:role/a", "arn:aws:s3"])
def test_what_has_not_six_parts_is_no_arn(text: str) -> None:
    """A string with fewer than six parts, or without the scheme `arn`, is not an ARN and not an ARN pattern."""
    assert split_arn(text) is None
    assert compile_arn([text] if text else []) is None
