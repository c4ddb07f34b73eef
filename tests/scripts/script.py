r"""A golden script: commands as typed by a person, and the expected output of each.

    # What this script shows.
    needs zsh                     (skipped if that program is missing)
    export NAME=value             (for the commands that follow; `unset NAME` takes it back)

    $ dsops get --env staging GREETING
    | hello                       (a line on stdout)
    ! dsops: a line on stderr
    \                             (the line above ends without a newline)
    = 2                           (the exit code, left out if it is 0)

    -- dsops.yaml --
    version: 1                    (files, to the end of the script; they exist before the first command)

Each command runs in `sh`, in the same folder below an empty home, without a terminal, without standard
input, and without outside variables in its environment. `<time>` and the other PLACEHOLDERS stand for
text that differs from run to run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from difflib import unified_diff
from pathlib import Path

COMMAND_SECONDS = 60

PLACEHOLDERS = {
    "...": r"[^\n]*?",
    "number": r"\d+(?:\.\d+)?",
    "version": r"\d+\.\d+\.\d+[^\s,]*",
    "uuid": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "time": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?",
    "stamp": r"\d{8}T\d{6}Z",
    "key-id": r"A[SK]IA(?:[A-Z2-7]{16}|[A-Z0-9]{16}|\.\.\.[A-Z0-9]{4})",
    "port": r"(?<=127\.0\.0\.1:)\d+",
    "authorization-id": (
        r"(?:(?<=authorization id )|(?<=authorization id: )|(?<=authorization-id )|(?<=authorization-details/)"
        r"|(?<=of the refusal, ))[0-9a-z]{25}"
    ),
}
WRITTEN_BY_THEMSELVES = ("uuid", "time", "stamp", "key-id", "port", "authorization-id")
"""Placeholders that a regenerated line gets; the others are written by hand."""

_PLACEHOLDER = re.compile("<(" + "|".join(re.escape(name) for name in PLACEHOLDERS) + ")>")
_CONTROLS = {"\x1b": "<esc>", "\r": "<cr>", "\0": "<nul>", "\t": "<tab>"}
_FILE = re.compile(r"-- (\S+) --")
_SETTING = re.compile(r"export ([A-Za-z_]\w*)=(.*)")


class ScriptInvalidError(ValueError):
    """A golden script contains a line without a meaning."""


@dataclass(slots=True, kw_only=True)
class Step:
    """One command and its expected result; streams are in script notation, with placeholders."""

    line: int
    command: str
    environ: dict[str, str]
    stdout: str = ""
    stderr: str = ""
    exit_code: int = 0

    def render(self) -> str:
        """The step in script notation."""
        code = f"= {self.exit_code}\n" if self.exit_code else ""
        return f"$ {self.command}\n{_prefixed('|', self.stdout)}{_prefixed('!', self.stderr)}{code}"


@dataclass(slots=True, kw_only=True)
class Script:
    """A whole script; `parts` are its steps and the unchanged lines between them."""

    parts: list[Step | str] = field(default_factory=list)
    needs: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    file_text: str = ""

    @property
    def steps(self) -> list[Step]:
        """The commands, in order."""
        return [part for part in self.parts if isinstance(part, Step)]

    def render(self) -> str:
        """The script's text; parsing the text gives the same script."""
        return "".join(p.render() if isinstance(p, Step) else p for p in self.parts) + self.file_text


def parse(text: str) -> Script:
    """The script that the text describes."""
    script = Script()
    environ: dict[str, str] = {}
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        words = line.rstrip("\n")
        if _FILE.fullmatch(words):
            script.file_text = "".join(lines[index:])
            script.files = _parse_files(script.file_text)
            break
        if words.startswith("$ "):
            script.parts.append(Step(line=index + 1, command=words[2:], environ=dict(environ)))
        elif words[:1] in {"|", "!", "=", "\\"}:
            _expect(script, words, index + 1)
        elif not words or words.startswith("#"):
            script.parts.append(line)
        else:
            _set(script, environ, words, index + 1)
            script.parts.append(line)
    return script


def run(step: Step, home: Path, folder: Path) -> Step:
    """The result of the command as a step, with this run's paths replaced by `<folder>` and `<home>`."""
    done = subprocess.run(
        ["sh", "-c", step.command],
        cwd=folder,
        env=_environ(home) | step.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=COMMAND_SECONDS,
        start_new_session=True,
    )

    def readable(stream: bytes) -> str:
        text = stream.decode("utf-8", "backslashreplace")
        for control, name in _CONTROLS.items():
            text = text.replace(control, name)
        return text.replace(str(folder), "<folder>").replace(str(home), "<home>")

    return Step(
        line=step.line,
        command=step.command,
        environ=step.environ,
        stdout=readable(done.stdout),
        stderr=readable(done.stderr),
        # As in a shell: 128 + n for a command that a signal ended.
        exit_code=done.returncode if done.returncode >= 0 else 128 - done.returncode,
    )


def adopt(expected: Step, actual: Step) -> Step:
    """The actual result in the words of the expectation where they match; equal to the expectation on success."""
    return Step(
        line=expected.line,
        command=expected.command,
        environ=expected.environ,
        stdout=_adopt_text(expected.stdout, actual.stdout),
        stderr=_adopt_text(expected.stderr, actual.stderr),
        exit_code=actual.exit_code,
    )


def difference(name: str, expected: Step, adopted: Step) -> str:
    """A diff of the two steps; empty if they are the same."""
    return "".join(
        unified_diff(
            expected.render().splitlines(keepends=True),
            adopted.render().splitlines(keepends=True),
            f"{name}:{expected.line} expected",
            f"{name}:{expected.line} actual",
            n=100,
        )
    )


def _prefixed(mark: str, text: str) -> str:
    """Each line after its mark; a last line without a newline gets a final backslash."""
    if not text:
        return ""
    lines = text.removesuffix("\n").split("\n")
    rendered = "".join(f"{mark} {line}\n" if line else f"{mark}\n" for line in lines)
    return rendered if text.endswith("\n") else rendered + "\\\n"


def _expect(script: Script, words: str, line: int) -> None:
    """Adds a line to the expectation of the last command."""
    step = script.parts[-1] if script.parts else None
    if not isinstance(step, Step):
        raise ScriptInvalidError(f"line {line}: an expectation must follow its command: {words}")
    mark, text = words[0], words[1:].removeprefix(" ")
    if mark == "=":
        step.exit_code = int(text)
    elif mark == "|":
        step.stdout += text + "\n"
    elif mark == "!":
        step.stderr += text + "\n"
    elif step.stderr:
        step.stderr = step.stderr.removesuffix("\n")
    else:
        step.stdout = step.stdout.removesuffix("\n")


def _set(script: Script, environ: dict[str, str], words: str, line: int) -> None:
    """Applies a line that concerns the commands after it."""
    if setting := _SETTING.fullmatch(words):
        environ[setting[1]] = setting[2]
    elif words.startswith("unset "):
        environ.pop(words.removeprefix("unset "), None)
    elif words.startswith("needs "):
        script.needs += words.split()[1:]
    else:
        raise ScriptInvalidError(f"line {line}: not a command, an expectation or a setting: {words}")


def _parse_files(text: str) -> dict[str, str]:
    files: dict[str, str] = {}
    name = ""
    for line in text.splitlines(keepends=True):
        if heading := _FILE.fullmatch(line.rstrip("\n")):
            name = heading[1]
            files[name] = ""
        else:
            files[name] += line
    return files


def _environ(home: Path) -> dict[str, str]:
    """The environment of a command, without the script's exports."""
    return {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "USER": "ada",
        "AWS_EC2_METADATA_DISABLED": "true",
        "DSOPS_AGENT": "off",
        # A sandbox writes its address here: the sandboxes of other users of this machine don't count.
        "XDG_RUNTIME_DIR": str(home),
    }


def _adopt_text(expected: str, actual: str) -> str:
    """The actual lines, each replaced by the next expected line that matches."""
    written = expected.splitlines(keepends=True)
    adopted = []
    position = 0
    for line in actual.splitlines(keepends=True):
        fitting = (i for i in range(position, len(written)) if _pattern(written[i]).fullmatch(line))
        found = next(fitting, None)
        if found is None:
            adopted.append(_with_placeholders(line))
        else:
            adopted.append(written[found])
            position = found + 1
    return "".join(adopted)


def _pattern(line: str) -> re.Pattern[str]:
    parts = _PLACEHOLDER.split(line)
    return re.compile("".join(PLACEHOLDERS[p] if i % 2 else re.escape(p) for i, p in enumerate(parts)))


def _with_placeholders(line: str) -> str:
    for name in WRITTEN_BY_THEMSELVES:
        line = re.sub(PLACEHOLDERS[name], f"<{name}>", line)
    return line
