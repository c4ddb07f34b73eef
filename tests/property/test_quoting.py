"""Shells and other programs read the output of `render` back unchanged, and execute no value."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TypeVar

import pytest
import yaml
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsops.render import FORMATS, renderer
from dsops.secret import Secret
from tests.groups import examples

T = TypeVar("T")

FRAGMENTS = (
    "'",
    '"',
    "\\",
    "`",
    "$",
    "${",
    "}",
    "$(",
    ")",
    "${A}",
    "${A:-b}",
    "$V",
    "!",
    "!!",
    "#",
    " #",
    ";",
    "&",
    "|",
    "\n",
    "\r",
    "\r\n",
    "\t",
    " ",
    "=",
    "==ls",
    "~",
    "~/",
    "*",
    "%s",
    "\\n",
    "\\'",
    '\\"',
    "\\\\",
    "\x1b[0m",
    "\x7f",
    "\x85",
    "\u2028",
    "\ufeff",
    "\U0001f511",
    "touch MARK",
    "$(touch MARK)",
    "`touch MARK`",
    "'$(touch MARK)'",
    '"$(touch MARK)"',
    "';touch MARK;'",
    '";touch MARK;"',
    "\ntouch MARK\n",
    "EOF",
    "-n",
    "--",
)
"""Text with a special meaning to some program."""

texts = st.lists(st.sampled_from(FRAGMENTS) | st.characters(codec="utf-8", exclude_characters="\0"), max_size=12).map(
    "".join
)
byte_strings = st.lists(st.sampled_from(FRAGMENTS).map(str.encode) | st.binary(max_size=3), max_size=12).map(
    lambda parts: b"".join(parts).replace(b"\0", b"")
)

several = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def named(values: list[T]) -> dict[str, T]:
    """Each value under its own name."""
    return {f"VALUE_{index}": value for index, value in enumerate(values)}


def read_by(shell: str, text: bytes, folder: Path) -> dict[str, bytes]:
    """Let a shell read the file; returns the environment of the shell's child. The shell prints nothing."""
    file = folder / "rendered"
    file.write_bytes(text)
    source = "source" if shell == "fish" else "."
    options = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["--no-config"]}.get(shell, [])
    done = subprocess.run(
        [shell, *options, "-c", f"{source} ./rendered; env -0"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == b""
    assert not (folder / "MARK").exists()
    pairs = (entry.partition(b"=") for entry in done.stdout.split(b"\0"))
    return {name.decode(): value for name, _, value in pairs if name.startswith(b"VALUE_")}


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "ksh"])
@several
@given(values=st.lists(byte_strings, min_size=20, max_size=40))
def test_shells_read_back_what_the_shell_format_says(shell: str, values: list[bytes], tmp_path: Path) -> None:
    """Each Bourne shell reads every value, also binary values, unchanged from the `shell` format."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    secrets = named([Secret.from_bytes(value) for value in values])
    assert read_by(shell, renderer("shell")(secrets), tmp_path) == named(values)


@several
@given(values=st.lists(texts, min_size=20, max_size=40))
@pytest.mark.clients
def test_fish_reads_back_what_the_fish_format_says(values: list[str], tmp_path: Path) -> None:
    """fish reads every value, including newlines, unchanged from the `fish` format."""
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    rendered = renderer("fish")(named([Secret(value) for value in values]))
    assert read_by("fish", rendered, tmp_path) == named([value.encode() for value in values])


@several
@given(values=st.lists(texts, min_size=20, max_size=40))
@pytest.mark.clients
def test_fish_reads_the_quotes_of_the_shell_format_alike(values: list[str], tmp_path: Path) -> None:
    """fish reads the quotes of the `shell` format as a Bourne shell does, except for newlines."""
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    values = [value.replace("\n", "") for value in values]
    rendered = renderer("shell")(named([Secret(value) for value in values]))
    assert read_by("fish", rendered, tmp_path) == named([value.encode() for value in values])


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(texts, min_size=1, max_size=20))
def test_python_dotenv_reads_back_what_the_dotenv_format_says(values: list[str], tmp_path: Path) -> None:
    """python-dotenv reads the `dotenv` format unchanged, even with interpolation (its default)."""
    file = tmp_path / ".env"
    file.write_bytes(renderer("dotenv")(named([Secret(value) for value in values])))
    assert dotenv_values(file) == named(values)


@pytest.mark.parametrize("shell", ["bash", "dash", "zsh", "ksh"])
@several
@given(values=st.lists(texts, min_size=20, max_size=40))
def test_a_dotenv_file_that_is_sourced_says_the_value_or_nothing(shell: str, values: list[str], tmp_path: Path) -> None:
    """A shell that sources a dotenv file sets the value or nothing, and never runs the value as a command."""
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    for index, value in enumerate(values):
        (tmp_path / f"{index}.env").write_bytes(renderer("dotenv")({"VALUE": Secret(value)}))
        (tmp_path / f"{index}.read").unlink(missing_ok=True)
    options = {"bash": ["--norc"], "zsh": ["-f"]}.get(shell, [])
    loop = 'for i in *.env; do (. "./$i" && printf %s "$VALUE" > "${i%.env}.read") 2> /dev/null; done; :'
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run([shell, *options, "-c", loop], cwd=tmp_path, env=environment, check=True, timeout=60)
    assert not (tmp_path / "MARK").exists()
    for index, value in enumerate(values):
        read = tmp_path / f"{index}.read"
        if read.exists():
            assert read.read_bytes().decode() == value
        else:
            assert any(mark in value for mark in ("$", "`", "\r")) or value.endswith("\\")


@settings(max_examples=examples(300), deadline=None)
@given(values=st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}|NO|Y|NULL", fullmatch=True), texts))
def test_json_and_yaml_readers_read_back_what_those_formats_say(values: dict[str, str]) -> None:
    """JSON and YAML readers return names and values as strings, even `NO` in YAML 1.1."""
    secrets = {name: Secret(value) for name, value in values.items()}
    assert json.loads(renderer("json")(secrets)) == values
    assert yaml.safe_load(renderer("yaml")(secrets)) == values


@settings(max_examples=examples(100), deadline=None)
@given(values=st.lists(texts, max_size=5))
def test_rendering_keeps_the_order(values: list[str]) -> None:
    """Rendering keeps the configuration's order."""
    secrets = named([Secret(value.replace("\n", " ")) for value in values])
    # The format for GitLab, which refuses some values, has its own tests.
    for name in FORMATS.keys() - {"gitlab"}:
        rendered = renderer(name)(secrets).decode()
        places = [rendered.index(variable) for variable in secrets]
        assert places == sorted(places)


@several
@given(values=st.lists(texts, min_size=20, max_size=40))
@pytest.mark.clients
def test_powershell_reads_back_what_the_powershell_format_says(values: list[str], tmp_path: Path) -> None:
    """PowerShell reads the `powershell` format unchanged, both from a file and from a pipe.

    Older versions remove a variable with an empty value.
    """
    if not shutil.which("pwsh"):
        pytest.skip("pwsh is not installed")
    values = [value or "x" for value in values]
    (tmp_path / "rendered.ps1").write_bytes(renderer("powershell")(named([Secret(value) for value in values])))
    for read in (". ./rendered.ps1", "Get-Content ./rendered.ps1 | Invoke-Expression"):
        done = subprocess.run(
            ["pwsh", "-NoProfile", "-NonInteractive", "-Command", f"{read}; env -0"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
            capture_output=True,
            check=True,
            timeout=60,
        )
        assert done.stderr == b""
        assert not (tmp_path / "MARK").exists()
        pairs = (entry.partition(b"=") for entry in done.stdout.split(b"\0"))
        found = {name.decode(): value.decode() for name, _, value in pairs if name.startswith(b"VALUE_")}
        assert found == named(values)


@settings(max_examples=examples(300), deadline=None)
@given(value=texts)
def test_a_powershell_line_is_quoted_ascii_and_numbers(value: str) -> None:
    """A PowerShell line contains only ASCII: text in single quotes, with quotes doubled, and character codes."""
    line = renderer("powershell")({"A": Secret(value)}).decode("ascii")
    assert re.fullmatch(r"\$env:A = '([^'\n]|'')*'( \+ (\[char\]0x[0-9a-f]{4}|'([^'\n]|'')*'))*\n", line)
    units = b""
    for quoted, number in re.findall(r"'((?:[^']|'')*)'|\[char\]0x([0-9a-f]{4})", line):
        units += bytes.fromhex(number) if number else quoted.replace("''", "'").encode("utf-16-be")
    assert units.decode("utf-16-be") == value


@settings(max_examples=examples(200), deadline=None)
@given(values=st.lists(texts, min_size=1, max_size=10))
def test_githubs_file_is_read_back_as_its_runner_reads_it(values: list[str]) -> None:
    """The `github` format can be read by the rules of GitHub's runner: each value has a unique heredoc delimiter."""
    lines = renderer("github")(named([Secret(value) for value in values])).decode().split("\n")
    assert lines.pop() == ""
    collected: dict[str, str] = {}
    while lines:
        name, _, end = lines.pop(0).partition("<<")
        place = lines.index(end)
        collected[name] = "\n".join(lines[:place])
        del lines[: place + 1]
    assert collected == named(values)
