"""The documentation shows the actual output of its commands.

README.md, the tutorial and the how-to pages are run from top to bottom: a ``` block whose first line is
`# NAME.yaml` (or .sh, .yml, .py) is a file, and each `$ command` of a ```console block runs among those files and must
print what the page says. For a page that does not show `dsops allow` itself, the files are allowed in advance, as
README.md shows. `$ export NAME=VALUE` applies to the commands after it. On other pages `$ dsops ... --help` is
compared. DSOPS_UPDATE_GOLDEN=1 rewrites the outputs.
"""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from dsops import cli
from tests import functions
from tests.permission import allow_found
from tests.scripts.script import PLACEHOLDERS, Step, run
from tests.scripts.test_scripts import UPDATE

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLAYED = [ROOT / "README.md", *(page for page in PAGES if page.parent.name in {"tutorial", "how-to"})]
SCRIPTS = sorted((ROOT / "examples").rglob("*.sh"))
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# ([\w./-]+\.(?:yaml|yml|sh|py))\n")
SETTING = re.compile(r"export (\w+)=(.*)")

VARYING = [
    *(PLACEHOLDERS[name] for name in ("uuid", "time", "stamp", "port", "authorization-id")),
    r"A[SK]IA(?:[A-Z0-9]{16}|\.\.\.[A-Z0-9]{4})",
    r"A(?:ROA|IDA)[A-Z0-9]{17}",
    r"(?<=:secret:)[\w/+=.@-]+-[A-Za-z0-9]{6}(?!\w)",
    r"[A-Z][a-z]{2} \d{1,2}, \d{4}, \d{1,2}:\d\d:\d\d [AP]M",
    r"(?<=  )\d+s(?=\s)",  # how long a session of a test was used
]
"""What differs from run to run; a page shows values that were real once."""


DSOPS_KEEPS = (".local/state/dsops", ".local/share/dsops", ".config/dsops", ".cache/dsops")
"""What dsops itself keeps in a home folder, on any page."""

SCRATCH_HOME = re.compile(r"""^\s*(?:\$ )?export HOME=["']?(?:\$PWD/|\$\(mktemp -d)|\bHOME=\$\(mktemp -d""")
_OUTSIDE = r"(?P<place>~|\$\{?HOME\b|/(?!dev/(?:null|stderr|stdout)))"
WRITES = re.compile(
    rf"""(?:>>?\s*|\b(?:rm|mkdir|rmdir|mv|tee|touch|chmod|truncate|sed\s+-i)\b[^|;&<>\n]*?\s)["']?{_OUTSIDE}"""
    rf"""|\b(?:cp|ln|install)\b[^|;&<>\n]*\s["']?{_OUTSIDE.replace("place", "last")}[^\s|;&<>]*\s*(?=$|[|;&<>)])"""
)
"""A redirection, or a command that writes, to a place outside the working folder; for a copy, its destination."""


class Shown(NamedTuple):
    """A command of a page, and the output that the page shows."""

    page: Path
    command: str
    output: str


def shown(page: Path, block: str) -> list[Shown]:
    """The commands of a console block, in order; a backslash at the end continues a line.

    The output of `make` may contain commands, so `make` has a block to itself.
    """
    if block.startswith("$ make "):
        command, _, output = block.removeprefix("$ ").partition("\n")
        return [Shown(page, command, output)]
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    split = (re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", part, re.DOTALL) for part in parts)
    return [Shown(page, match[1], match[2]) for match in split if match]


def console(page: Path, text: str) -> list[Shown]:
    """The commands of all console blocks of a page."""
    return [entry for kind, block in BLOCK.findall(text) if kind == "console" for entry in shown(page, block)]


def settled(text: str) -> str:
    """The text without the parts that differ from run to run."""
    for varying in VARYING:
        text = re.sub(varying, "<...>", text)
    return text.rstrip("\n")


HELP = [
    entry
    for page in PAGES
    if page not in PLAYED
    for entry in console(page, page.read_text(encoding="utf-8"))
    if entry.command.endswith(" --help")
]


@pytest.mark.clients
@pytest.mark.parametrize("page", PLAYED, ids=lambda page: page.name)
def test_a_page_shows_what_happens(page: Path, tmp_path: Path) -> None:
    """Each command on a page prints what the page says, run with the page's files and in the page's order."""
    if page.name == "sandbox-functions.md" and functions.why_not():
        pytest.skip(functions.why_not())
    folder = tmp_path / "home" / "project"
    folder.mkdir(parents=True)
    text = page.read_text(encoding="utf-8")
    wrong = []
    shows_allow = "\n$ dsops allow" in text
    environ: dict[str, str] = {}
    for kind, block in BLOCK.findall(text):
        if file := FILE.match(block):
            path = folder / file[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block, encoding="utf-8")
            if not shows_allow:
                allow_found(path.parent, {"HOME": str(folder.parent)})
        for entry in shown(page, block) if kind == "console" else ():
            if setting := SETTING.fullmatch(entry.command):
                value = play(f"printf %s {setting[2]}", folder, environ)
                environ[setting[1]] = value.replace("<folder>", str(folder)).replace("<home>", str(folder.parent))
                continue
            before = outside(folder)
            printed = play(entry.command, folder, environ)
            wrong += [f"$ {entry.command}\nwrites {path}" for path in outside(folder) ^ before]
            if settled(printed) == settled(entry.output):
                continue
            if UPDATE:
                old, new = (f"$ {entry.command}\n{output}" for output in (entry.output, printed))
                text = text.replace(old, new.rstrip("\n") + "\n" * (2 if old.endswith("\n\n") else 1), 1)
                page.write_text(text, encoding="utf-8")
            else:
                wrong.append(f"$ {entry.command}\n{printed}")

    assert [] == wrong


def outside(folder: Path) -> set[str]:
    """The reader's files around the page's folder, each with its modification time; a page must not change them.

    Dsops' own folders are left out.
    """
    home = folder.parent
    paths = {path.relative_to(home): path for path in home.rglob("*") if path.is_file()}
    own = {name for name in paths if name.parts[0] == folder.name or any(map(name.is_relative_to, DSOPS_KEEPS))}
    return {f"~/{name} ({path.stat().st_mtime_ns})" for name, path in paths.items() if name not in own}


def written_outside(text: str) -> list[str]:
    """Commands of a text that write to the reader's home or to an absolute path, before HOME is changed."""
    collected = []
    has_own_home = False
    for line in text.splitlines():
        has_own_home = has_own_home or SCRATCH_HOME.search(line) is not None
        written = [
            match for match in WRITES.finditer(line) if not has_own_home or "/" in (match["place"], match["last"])
        ]
        collected += [one[0] for one in written]
    return collected


def play(command: str, folder: Path, environ: dict[str, str]) -> str:
    """A command's output in that folder as a person sees it: both streams in one."""
    if command == "make demo":
        # A test does not install anything; it runs the command that follows the installation.
        command = f"cd {ROOT} && {sys.executable} examples/demo/run.py"
    step = Step(line=0, command=f"exec 2>&1\n{command}", environ=environ)
    return run(step, folder.parent, folder).stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_writes_to_no_place_outside_of_its_folder(page: Path) -> None:
    """A page writes neither to an absolute path nor to the reader's home, unless the page has set another home."""
    lines = []
    for kind, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "sh":
            lines.append(block)
        elif kind == "console":
            lines += [entry.command for entry in shown(page, block)]

    assert written_outside("\n".join(lines)) == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_an_example_writes_to_no_place_outside_of_its_folder(script: Path) -> None:
    """The scripts of the examples write neither to an absolute path nor to the reader's home folder."""
    assert written_outside(script.read_text(encoding="utf-8")) == []


def test_a_page_that_would_write_outside_is_found() -> None:
    """`written_outside` finds commands that change files at home or at absolute paths, not in a page's own home."""
    bad = ["rm -r ~/.aws; x", "cp a ~/b; x", "mv ~/a b", "cat > ~/.aws/config <<EOF", 'x >> "$HOME/b"', "cp a /etc/x"]
    good = ["rm -r .aws", "cat ~/.aws/config", "dsops plan > /dev/null 2>/dev/stderr", "ls $HOME; echo > x", "cp ~/a b"]
    for command in bad:
        assert len(written_outside(f"$ {command}\n")) == 1, command
        own = written_outside(f'$ export HOME="$PWD/home"\n$ {command}\n')
        assert len(own) == ("/etc" in command), command
    assert [command for command in good if written_outside(command)] == []


def test_a_page_that_wrote_outside_is_found(tmp_path: Path) -> None:
    """`outside` finds changed files even if the command does not name them, and leaves out dsops' own folders."""
    folder = tmp_path / "home" / "project"
    folder.mkdir(parents=True)
    before = outside(folder)
    play("touch here; mkdir -p ../.local/state/dsops; touch ../.local/state/dsops/audit.jsonl", folder, {})
    assert outside(folder) == before
    play("touch ../there", folder, {})
    assert [path.partition(" ")[0] for path in outside(folder) - before] == ["~/there"]


@pytest.mark.parametrize("entry", HELP, ids=lambda entry: f"{entry.page.name}: {entry.command}")
def test_help_is_shown_as_it_is_printed(entry: Shown, capfd: pytest.CaptureFixture[str]) -> None:
    """The help on the page equals what the program prints, line by line."""
    program, *words = shlex.split(entry.command)
    code = cli.main(words)
    printed = capfd.readouterr()

    if UPDATE:
        old, new = (f"$ {entry.command}\n{text}" for text in (entry.output, printed.out))
        entry.page.write_text(entry.page.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    else:
        assert printed.out == entry.output
    assert ("dsops", 0, "") == (program, code, printed.err)


def test_the_readme_plays_demo_commands_and_a_first_run() -> None:
    """The README plays the demo, the list of commands and a first run."""
    page = ROOT / "README.md"
    commands = [entry.command for entry in console(page, page.read_text(encoding="utf-8"))]

    assert {"make demo", "dsops --help"} <= set(commands)
    assert any(command.startswith("dsops sandbox run --from dsops.yaml") for command in commands)


def test_commands_are_separated_from_their_outputs() -> None:
    """One block can contain several commands, and one command can have several lines."""
    block = "$ dsops plan\nx\n\ny\n$ a \\\n    b \\\n    c\nz\n$ true\n"

    expected = [("dsops plan", "x\n\ny\n"), ("a \\\n    b \\\n    c", "z\n"), ("true", "")]
    assert expected == [(entry.command, entry.output) for entry in shown(PAGES[0], block)]


def test_only_what_differs_from_run_to_run_may_differ() -> None:
    """A page's output equals the program's output except for times, ids and ports."""
    one = "ASIA...AB2C at 2026-11-24T12:00:00Z as ada-20261124T120000Z on http://127.0.0.1:4566\n"
    other = "ASIA...ZZ9Z at 2027-01-01T00:00:00Z as ada-20270101T000000Z on http://127.0.0.1:1\n"

    assert settled(one) == settled(other)
    assert settled(one) != settled(one.replace("as ada", "as bob"))
    assert settled("3 calls") != settled("4 calls")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every link between pages of the repository names an existing file."""
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))

    assert [] == [link for link in links if "://" not in link and not (page.parent / link).exists()]


def test_every_page_is_in_the_index() -> None:
    """docs/README.md links to every page; decisions are linked from their own list."""
    for index in (ROOT / "docs" / "README.md", ROOT / "docs" / "decisions" / "README.md"):
        text = index.read_text(encoding="utf-8")
        linked = {(index.parent / link).resolve() for link in re.findall(r"\]\(([^)#\s]+)", text)}
        pages = {page for page in PAGES if index.parent in page.parents and page.name != "README.md"}
        own = {page for page in pages if page.parent.name != "decisions" or page.parent == index.parent}

        assert set() == own - linked
