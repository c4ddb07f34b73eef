"""Repository -> site: which Markdown files become pages, and the rewriting of the links between them."""

from __future__ import annotations

import os
import posixpath
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

PLACES: Mapping[str, str] = {
    "README.md": "index.md",
    "docs/README.md": "contents.md",
    "docs/reference/cli.md": "reference/cli/index.md",
}
"""Files whose page is not simply at their own path."""

INSTALL = "install.md"
README_SECTIONS = ("install", "platforms")
"""The sections of README.md that are on the page `install.md`; `website/landing.md` replaces the rest."""

PROJECT = (
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CODE_OF_CONDUCT.md",
    "CHANGELOG.md",
    "bench/README.md",
    "tests/promises.md",
)
"""Pages about the project, as far as the repository has them."""

FENCE = re.compile(r"^ *(`{3,}|~{3,})")
LINK = re.compile(r"(?<=\])\(([^)\s]+)\)")
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")


class LinkError(Exception):
    """A link of a page has no target in the repository."""


def sources() -> list[str]:
    """Paths in the repository of every Markdown file that becomes a page."""
    found = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md")]
    found += [ROOT / name for name in ("README.md", *PROJECT) if (ROOT / name).exists()]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def place(source: str) -> str:
    """The path on the site of a file of the repository: `docs/how-to/mfa.md` -> `how-to/mfa.md`."""
    if source in PLACES:
        return PLACES[source]
    folder, name = posixpath.split(source.removeprefix("docs/"))
    if name.endswith(".md"):
        return posixpath.join(folder, "index.md" if name == "README.md" else name.lower())
    # Zensical leaves out a folder with the name `templates`.
    return posixpath.join(folder if source.startswith("docs/") else f"files/{folder}", name)


def prose(text: str) -> Iterator[tuple[str, bool]]:
    """Each line of a Markdown text, and whether it is outside code blocks."""
    fence = ""
    for line in text.splitlines(keepends=True):
        opened = FENCE.match(line)
        if opened and (not fence or line.strip() == fence):
            fence = "" if fence else opened[1]
            yield line, False
        else:
            yield line, not fence and not line.startswith("    ")


def with_links(text: str, change: Callable[[str], str]) -> str:
    """The text with the target of every link changed; code keeps what looks like a link."""
    lines = []
    for line, is_prose in prose(text):
        if not is_prose:
            lines.append(line)
            continue
        code = [match.span() for match in CODE.finditer(line)]

        def changed(match: re.Match[str], code: list[tuple[int, int]] = code) -> str:
            target = match[1]
            is_code = any(start <= match.start() < end for start, end in code)
            return match[0] if is_code or ":" in target.partition("#")[0] else f"({change(target)})"

        lines.append(LINK.sub(changed, line))
    return "".join(lines)


class Site:
    """A folder of Markdown for Zensical. `commands` has the page for the anchor of each command."""

    def __init__(self, folder: Path, commands: Mapping[str, str]) -> None:
        self.folder = folder
        self.pages: list[str] = []
        self._sources = frozenset(sources())
        self._linked: set[str] = set()
        self._commands = commands

    def write(self, page: str, text: str, source: str = "") -> None:
        """Write a page; the links in its text are relative to `source`, a file of the repository."""
        if source:
            text = with_links(text, lambda target: self._target(target, source, page))
        file = self.folder / page
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        self.pages.append(page)

    def copy_files(self) -> None:
        """Copy the files to which pages link."""
        for source in sorted(self._linked):
            file = self.folder / place(source)
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / source, file)

    def _target(self, target: str, source: str, page: str) -> str:
        path, _, anchor = target.partition("#")
        wanted = posixpath.normpath(posixpath.join(posixpath.dirname(source), path)) if path else source
        if wanted == "docs/reference/cli.md" and anchor in self._commands:
            wanted_page, anchor = self._commands[anchor], ""
        elif wanted == "README.md" and anchor in README_SECTIONS:
            wanted_page, anchor = INSTALL, "" if anchor == "install" else anchor
        elif wanted in self._sources:
            wanted_page = place(wanted)
        elif (ROOT / wanted).is_file():
            self._linked.add(wanted)
            wanted_page = place(wanted)
        else:
            raise LinkError(f"{source}: the link to {target} leads to no file of the repository")
        relative = os.path.relpath(wanted_page, posixpath.dirname(page) or ".") if wanted_page != page else ""
        return f"{relative}#{anchor}" if anchor else relative or posixpath.basename(page)
