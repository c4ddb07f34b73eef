"""The navigation of the site, read from the indexes that the documentation has: docs/README.md and the others."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from website import api, commands
from website.sources import INSTALL, ROOT, place, sources

Nav = list[dict[str, "str | Nav"]]

_TABLE = re.compile(r"^\| (How to \.\.\.|Reference|Explanation) \| \|\n\|---\|---\|\n((?:\|.*\n)+)", re.MULTILINE)
_ROW = re.compile(r"^\| \[(.+?)\]\((\S+?)\)", re.MULTILINE)
_DECISION = re.compile(r"^\| \[(\d+)\]\((\S+?)\) \| (.+) \|$", re.MULTILINE)


def navigation(pages: list[str]) -> Nav:
    """The tabs of the site with their pages. Raises ValueError if a page is in none."""
    tables = dict(_TABLE.findall(_text("docs/README.md")))
    nav: Nav = [
        {"Home": "index.md"},
        {"Start": [{"Install": INSTALL}, {"A first run": "tutorial/first-run.md"}]},
        {"How-to guides": [{"Guides by use case": "how-to/index.md"}, *_rows(tables["How to ..."])]},
        {"Reference": [*_rows(tables["Reference"], without="reference/cli.md"), *_generated()]},
        {"Explanation": _rows(tables["Explanation"], without="decisions/README.md")},
        {"Examples": [{"All examples": "examples/index.md"}, *_titled("examples/")]},
        {"Decisions": [{"All decisions": "decisions/index.md"}, *_decisions()]},
        {"Project": [{"All pages": "contents.md"}, *_project()]},
    ]
    missing = sorted({*pages} - {*targets(nav)})
    if missing:
        raise ValueError(f"no entry of docs/README.md or another index leads to {', '.join(missing)}")
    return nav


def targets(nav: Nav) -> Iterator[str]:
    """The page of every entry."""
    for entry in nav:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else targets(value)


def _text(source: str) -> str:
    return (ROOT / source).read_text(encoding="utf-8")


def _plain(title: str) -> str:
    """A title without Markdown, that begins with a capital letter unless it is the name `dsops`."""
    plain = title.replace("`", "")
    return plain if plain.startswith("dsops") else plain[0].upper() + plain[1:]


def _rows(table: str, *, without: str = "") -> Nav:
    return [{_plain(title): place(f"docs/{target}")} for title, target in _ROW.findall(table) if target != without]


def _generated() -> Nav:
    text = _text("docs/reference/cli.md")
    groups: Nav = [{"All commands": f"{commands.FOLDER}/index.md"}]
    for group, names in commands.groups(text).items():
        groups.append({_plain(group): [{f"dsops {name}": commands.page_of(name)} for name in names]})
    return [{"The command line": groups}, {"The Python API": [{title: path} for path, title, _ in api.pages()]}]


def _decisions() -> Nav:
    rows = _DECISION.findall(_text("docs/decisions/README.md"))
    return [{f"{number} {title}": f"decisions/{target}"} for number, target, title in rows]


def _titled(folder: str) -> Nav:
    """The pages of a folder except its index, by their own titles."""
    found = [source for source in sources() if source.startswith(folder) and source != f"{folder}README.md"]
    return [{_title(source): place(source)} for source in found]


def _project() -> Nav:
    found = [source for source in sources() if posixpath.dirname(source) in {"", "bench", "tests"}]
    return [{_title(source): place(source)} for source in found if source != "README.md"]


def _title(source: str) -> str:
    return _plain(_text(source).split("\n", maxsplit=1)[0].removeprefix("# "))
