"""Every Python example in docs/reference/python-policy.md runs unchanged and prints what the page shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "python-policy.md"


class Use(NamedTuple):
    """A section of the page: its example files, the program, and the program's output."""

    title: str
    files: dict[str, str]
    program: str
    printed: str


def uses() -> Iterator[Use]:
    """Yield the sections of the page that contain a program."""
    for section in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        files = {text.partition("\n")[0].removeprefix("# "): text for kind, text in blocks if kind == "yaml"}
        program, printed = (next(text for kind, text in blocks if kind == wanted) for wanted in ("python", "text"))
        yield Use(section.partition("\n")[0], files, program, printed)


USES = {use.title: use for use in uses()}


@pytest.mark.parametrize("title", USES)
def test_the_program_prints_what_the_page_shows(
    title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each program prints the output that the page shows, run in a folder with the section's example files."""
    use = USES[title]
    for name, text in use.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    exec(compile(use.program, str(PAGE), "exec"), {"__name__": "page"})  # noqa: S102 - a page of ours

    assert capsys.readouterr().out == use.printed


def test_the_page_lists_its_five_uses() -> None:
    """The page lists its five uses, each with a link to its section."""
    links = re.findall(r"^- \[(.*?)\]\(#(.*?)\)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert [title for title, _ in links] == list(USES)
    assert [target for _, target in links] == [title.lower().replace(" ", "-") for title in USES]
    assert len(USES) == 5
