"""Which choices a typed text finds, in which order, and what is remembered of earlier choices."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from dsops.cli.framework.picker.matcher import Matcher
from dsops.cli.framework.picker.recent import recent_names, remember
from dsops.runtime import Choice

CHOICES = (
    Choice("shop-prod", "aws.sts arn:aws:iam::111122223333:role/Deploy eu-west-1"),
    Choice("shop-dev", "aws.sts arn:aws:iam::444455556666:role/Deploy eu-west-1"),
    Choice("prod", "environment, 3 variables"),
    Choice("data prod 📦", "profile 777788889999 ReadOnly"),
)


def names(typed: str, recent: tuple[str, ...] = ()) -> list[str]:
    """The names of the choices that match, in their order."""
    return [CHOICES[index].name for index in Matcher(CHOICES, recent).matching(typed)]


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", ["shop-prod", "shop-dev", "prod", "data prod 📦"]),
        ("   ", ["shop-prod", "shop-dev", "prod", "data prod 📦"]),
        ("prod", ["prod", "shop-prod", "data prod 📦"]),
        ("PROD shop", ["shop-prod"]),
        ("1111", ["shop-prod"]),
        ("arn:aws:iam::4444", ["shop-dev"]),
        ("readonly", ["data prod 📦"]),
        ("📦", ["data prod 📦"]),
        ("deploy dev", ["shop-dev"]),
        ("spd", ["shop-prod", "shop-dev"]),
        ("sdv", ["shop-dev"]),
        ("nothing", []),
    ],
)
def test_every_typed_word_matches(typed: str, found: list[str]) -> None:
    """A choice matches if its name or detail contains each typed word, in any case.

    If no choice matches, the list shows the choices whose names contain the typed letters in this order.
    """
    assert names(typed) == found


def test_recent_choices_come_first() -> None:
    """Among equally good matches, the most recent choice comes first; a better match comes before it."""
    recent = ("data prod 📦", "shop-dev")

    assert names("", recent) == ["data prod 📦", "shop-dev", "shop-prod", "prod"]
    assert names("prod", recent) == ["prod", "data prod 📦", "shop-prod"]


def test_two_thousand_choices_are_filtered_in_time() -> None:
    """Each typed key takes less than 30 ms of CPU time to filter, even if only letters in order match."""
    choices = [Choice(f"team-{n:04d}-prod", f"profile arn:aws:iam::{n:012d}:role/Deploy") for n in range(2000)]
    matcher = Matcher(choices)

    for text in ("team-0042-prod", "arn:aws:iam", "tm42zz"):
        for length in range(1, len(text) + 1):
            begin = time.process_time()
            matcher.matching(text[:length])
            assert time.process_time() - begin < 0.03


def test_names_are_remembered_in_a_private_file(tmp_path: Path) -> None:
    """The most recent name comes first, at most 50 names are stored, and only the user can read the file."""
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    for number in range(60):
        remember(f"store {number}", environ)
    remember("store 20", environ)
    kept = recent_names(environ)

    assert kept[:3] == ["store 20", "store 59", "store 58"]
    assert len(kept) == 50
    assert kept.count("store 20") == 1
    file = tmp_path / "dsops" / "recent"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["recent"]


def test_the_file_is_below_the_home_folder(tmp_path: Path) -> None:
    """Without XDG_STATE_HOME, the file is ~/.local/state/dsops/recent; without a home folder, there is none."""
    remember("prod", {"HOME": str(tmp_path)})
    remember("prod", {})

    assert (tmp_path / ".local" / "state" / "dsops" / "recent").read_text() == "prod\n"
    assert recent_names({}) == []


@pytest.mark.parametrize("content", [b"\xff\xfe\n", b"\n\n\n", b"x" * 5000 + b"\n"])
def test_a_broken_file_is_ignored(tmp_path: Path, content: bytes) -> None:
    """If the file of recent names contains invalid bytes, nothing fails, and the next choice replaces the file."""
    file = tmp_path / "dsops" / "recent"
    file.parent.mkdir()
    file.write_bytes(content)
    environ = {"XDG_STATE_HOME": str(tmp_path)}

    assert "prod" not in recent_names(environ)
    remember("prod", environ)
    assert recent_names(environ)[0] == "prod"


def test_a_link_is_neither_read_nor_followed(tmp_path: Path) -> None:
    """If the file of recent names is a symbolic link, its target is not changed."""
    other = tmp_path / "other"
    other.write_text("theirs\n")
    (tmp_path / "dsops").mkdir()
    os.symlink(other, tmp_path / "dsops" / "recent")
    environ = {"XDG_STATE_HOME": str(tmp_path)}

    assert recent_names(environ) == []
    remember("prod", environ)
    assert other.read_text() == "theirs\n"


def test_a_name_with_a_newline_is_not_kept(tmp_path: Path) -> None:
    """Each line of the file is one name, so a name can't add a second line."""
    remember("a\nb", {"XDG_STATE_HOME": str(tmp_path)})

    assert recent_names({"XDG_STATE_HOME": str(tmp_path)}) == []
