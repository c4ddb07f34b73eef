"""A minimal GitHub runner for composite actions and steps of workflows: expressions, step files, and a log with masks.

Implemented from GitHub's documentation; a test fails if the action uses anything else.
https://docs.github.com/en/actions/reference/workflows-and-actions/expressions
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<name>[a-z][\w.-]*)|(?P<sign>==|!=|&&|\|\||[()]))")
_STEP_SECONDS = 90


class Expression:
    """Evaluates an expression of strings, names, comparison, `&&`, `||` and parentheses; supports nothing else."""

    def __init__(self, text: str, value_of: Callable[[str], str]) -> None:
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            assert match, f"this runner does not know {text[position:]!r}"
            self._tokens.append((str(match.lastgroup), match[0].strip()))
            position = match.end()
        self._value_of = value_of

    def value(self) -> str | bool:
        """The expression's value."""
        found = self._either()
        assert not self._tokens, f"this runner does not know {self._tokens}"
        return found

    def _either(self) -> str | bool:
        found = self._both()
        while self._take("||"):
            other = self._both()
            found = found or other
        return found

    def _both(self) -> str | bool:
        found = self._compared()
        while self._take("&&"):
            other = self._compared()
            found = found and other
        return found

    def _compared(self) -> str | bool:
        found = self._one()
        for sign, is_equal in (("==", True), ("!=", False)):
            if self._take(sign):
                other = self._one()
                # GitHub ignores case when it compares strings.
                return (str(found).lower() == str(other).lower()) is is_equal
        return found

    def _one(self) -> str | bool:
        if self._take("("):
            found = self._either()
            assert self._take(")")
            return found
        kind, token = self._tokens.pop(0)
        if kind == "text":
            return token[1:-1].replace("''", "'")
        assert kind == "name", token
        return self._value_of(token)

    def _take(self, sign: str) -> bool:
        if self._tokens and self._tokens[0] == ("sign", sign):
            del self._tokens[0]
            return True
        return False


class Step(NamedTuple):
    """A step of a workflow that runs a script."""

    job: str
    """The workflow's file without its suffix, and the job: `ci.test`."""
    name: str
    """The step's name, or its script if it has none."""
    script: str


def steps_of(workflow: Path) -> list[Step]:
    """Return the scripts of a workflow, in the order of the file."""
    content = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    return [
        Step(f"{workflow.stem}.{name}", step.get("name", step["run"]), step["run"])
        for name, job in content["jobs"].items()
        for step in job["steps"]
        if "run" in step
    ]


@dataclass(slots=True, kw_only=True)
class Runner:
    """A job whose steps extend its environment through files."""

    workspace: Path
    """The folder with the checked-out repository."""
    temp: Path
    environ: dict[str, str]
    masks: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    """The log as users see it, line by line."""

    def use(self, action: Path, **inputs: str) -> Mapping[str, str] | None:
        """Run the folder's action.yml with these inputs (`_` for `-`); returns its outputs, None if a step failed."""
        content = yaml.safe_load((action / "action.yml").read_text(encoding="utf-8"))
        given = {name: str(each.get("default", "")) for name, each in content["inputs"].items()}
        for name, value in inputs.items():
            assert name.replace("_", "-") in given, f"the action has no input {name}"
            given[name.replace("_", "-")] = value
        assert content["runs"]["using"] == "composite"
        outputs: dict[str, Mapping[str, str]] = {}

        def value_of(name: str) -> str:
            match name.split("."):
                case ["inputs", key]:
                    return given[key]
                case ["steps", step, "outputs", key]:
                    return outputs.get(step, {}).get(key, "")
            raise AssertionError(f"this runner does not know {name}")

        for step in content["runs"]["steps"]:
            assert not step.keys() - {"name", "id", "if", "shell", "working-directory", "env", "run"}, step
            if not Expression(step.get("if", "'always'"), value_of).value():
                continue
            code, told = self.run(
                step["run"],
                folder=self.workspace / filled(step.get("working-directory", "."), value_of),
                shell=step["shell"],
                GITHUB_ACTION_PATH=str(action),
                **{name: filled(value, value_of) for name, value in step.get("env", {}).items()},
            )
            if code:
                return None
            if "id" in step:
                outputs[step["id"]] = told
        return {name: filled(output["value"], value_of) for name, output in content["outputs"].items()}

    def run(self, script: str, *, folder: Path | None = None, shell: str = "bash", **environ: str) -> tuple[int, Any]:
        """Run one step's script; returns exit code and outputs. Later steps get the variables that it exported."""
        assert shell == "bash"
        assert "${{" not in script, "an input would be a part of the script"
        self.temp.mkdir(exist_ok=True)
        files = {name: self.temp / name.lower() for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH")}
        for file in files.values():
            file.write_text("")
        path = self.temp / "script.sh"
        path.write_text(script)
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(path)],
            cwd=folder or self.workspace,
            env={**self.environ, **environ, **{name: str(file) for name, file in files.items()}},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=_STEP_SECONDS,
        )
        for line in done.stdout.decode("utf-8", "backslashreplace").splitlines():
            self._log(line)
        self.environ.update(assignments(files["GITHUB_ENV"].read_text()))
        for folder_name in files["GITHUB_PATH"].read_text().splitlines():
            self.environ["PATH"] = f"{folder_name}{os.pathsep}{self.environ['PATH']}"
        return done.returncode, assignments(files["GITHUB_OUTPUT"].read_text())

    def _log(self, line: str) -> None:
        if line.startswith("::add-mask::"):
            mask = line.removeprefix("::add-mask::")
            for escaped, character in (("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
                mask = mask.replace(escaped, character)
            self.masks.append(mask)
            return
        for mask in self.masks:
            line = line.replace(mask, "***")
        self.shown.append(line)

    @property
    def log(self) -> str:
        """The log as users see it."""
        return "\n".join(self.shown)


def filled(text: object, value_of: Callable[[str], str]) -> str:
    """Replace each `${{ ... }}` in the text by its value."""
    return _EXPRESSION.sub(lambda match: str(Expression(match[1], value_of).value()), str(text))


def assignments(text: str) -> dict[str, str]:
    """Parse `NAME=value` and `NAME<<END` blocks as the runner reads them from a step's file."""
    collected: dict[str, str] = {}
    lines = iter(text.splitlines())
    for line in lines:
        name, block, end = line.partition("<<")
        if block and "=" not in name:
            value: list[str] = []
            for part in lines:
                if part == end:
                    break
                value.append(part)
            else:
                raise AssertionError(f"the block of {name} does not end")
            collected[name] = "\n".join(value)
        elif line:
            name, sign, plain = line.partition("=")
            assert sign, f"a runner refuses {line!r}"
            collected[name] = plain
    return collected
