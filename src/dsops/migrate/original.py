"""Read and parse the file to migrate, and check the rewritten configuration."""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from typing import NamedTuple

from dsops.config import examine
from dsops.config.limits import every_problem
from dsops.document import MAX_CHARACTERS, Mapping, parse_yaml
from dsops.errors import ConfigError, ConfigTooLarge, ConfigUnreadable, SyntaxInvalid, Where
from dsops.input_file import read_file, reason
from dsops.migrate.rewrite import Rewritten
from dsops.runtime import Runtime
from dsops.schema import StoreType
from dsops.text import counted


class Original(NamedTuple):
    """A configuration file of the original dsops."""

    data: bytes
    text: str
    root: Mapping


def read_original(path: str, shown: str) -> Original:
    """Read and parse the file. `shown` is its name in errors. Raises ConfigError if it can't be migrated."""
    data = _bytes(path, shown)
    text = _text(data, shown)
    return Original(data, text, _root(text, shown))


def _bytes(path: str, shown: str) -> bytes:
    try:
        data = read_file(path, MAX_CHARACTERS + 1).data
    except OSError as error:
        raise ConfigUnreadable(f"{shown} can't be read", why=reason(error), hint="name the file to migrate") from error
    if len(data) > MAX_CHARACTERS:
        raise ConfigTooLarge(f"{shown} is too large to be a configuration", hint="check that it is the right file")
    return data


def _text(data: bytes, shown: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        # The error below is raised `from None`, because the original error contains the file's bytes.
        where = Where(shown, data.count(b"\n", 0, error.start) + 1)
        raise ConfigUnreadable(f"{shown} is not UTF-8", hint="save it as UTF-8", where=where) from None


def _root(text: str, shown: str) -> Mapping:
    document = parse_yaml(text, shown)
    if document.problems:
        raise SyntaxInvalid(f"{shown} is not valid YAML: correct it first", problems=document.problems)
    if not isinstance(document.root, Mapping):
        raise ConfigError(f"{shown} is not a configuration", hint="write a mapping with `secretStores:` and `envs:`")
    return document.root


def refuse_problems(
    rewritten: Rewritten, path: str, shown: str, runtime: Runtime, types: MappingOf[str, StoreType]
) -> None:
    """Raise ConfigError with every remaining problem, at its line in the file to migrate."""
    examined = examine(
        folder=runtime.folder,
        environ=runtime.environ,
        named=path,
        types=types,
        drafts={path: rewritten.text.encode()},
        knows_all=False,
    )
    problems = [*rewritten.problems, *every_problem(examined, types)]
    # The configuration's own check also reports lines that could not be rewritten. Each line is reported only once.
    reported = {problem.where.line for problem in rewritten.problems}
    problems = [problem for problem in problems if problem in rewritten.problems or problem.where.line not in reported]
    if problems:
        raise ConfigError(
            f"{shown} was not converted: it needs {counted(len(problems), 'decision')} from you",
            why="these lines can't be converted automatically; nothing was written",
            hint="change these lines, then run `dsops migrate` again",
            problems=tuple(sorted(set(problems), key=lambda problem: problem.where.line)),
        )
