"""`dsops migrate`: an original's configuration, rewritten for this dsops."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from difflib import unified_diff

from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.output import Json, answer, answer_bytes, answer_json, note
from dsops.cli.framework.replace_file import replace_file
from dsops.cli.setup.allow import remember_written
from dsops.config import examine, find
from dsops.config.limits import every_problem
from dsops.document import MAX_CHARACTERS, Mapping, Node, Scalar, parse_yaml
from dsops.errors import ConfigError, ConfigNotFound, ConfigTooLarge, ConfigUnreadable, SyntaxInvalid, Where
from dsops.input_file import read_file, reason
from dsops.migrate.rewrite import Rewritten, rewrite
from dsops.runtime import Runtime
from dsops.schema import BUILTIN_TYPES
from dsops.stores import StoreTypes
from dsops.text import clean, counted

_BACKUP = ".before-migrate"
_SECRET = frozenset(
    {
        "values",
        "literal",
        "default",
        "fallback",
        "access_key_id",
        "secret_access_key",
        "session_token",
        "token",
        "password",
        "secret_id",
        *[
            name
            for type_ in BUILTIN_TYPES.values()
            for key in type_.keys
            if key.is_secret
            for name in (key.name, *key.aliases)
        ],
    }
)
"""Keys whose values a diff must not show: of the original's types and of ours."""
_NAME_ALONE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
"""Says no more than where the value is; a default in it may be one."""
_SHORTEST_HIDDEN = 3


def _run(arguments: Arguments, runtime: Runtime) -> int:
    named = arguments.operand("FILE")
    path = os.path.realpath(_path(named, runtime))
    shown = named or os.path.relpath(path, runtime.folder)
    data = _bytes(path, shown)
    text = _text(data, shown)
    root = _root(text, shown)
    rewritten = rewrite(text, root, shown, StoreTypes())
    _refuse_problems(rewritten, path, shown, runtime)
    new = rewritten.whole.encode()
    if arguments.switch("--write") and new != data:
        replace_file(path, data, new, _BACKUP)
        if named:  # one that was found may be a stranger's, and nothing has shown yet what it can do
            remember_written(_path(named, runtime), new, runtime)
    _show(arguments, rewritten, root, text, shown)
    return 0


def _path(named: str, runtime: Runtime) -> str:
    if not named:
        return find(runtime.folder, runtime.environ)
    path = os.path.join(runtime.folder, named)
    if not os.path.lexists(path):
        raise ConfigNotFound(f"there is no {named}", hint="write `dsops migrate FILE`")
    return path


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
        # From None: the error carries the file's bytes.
        where = Where(shown, data.count(b"\n", 0, error.start) + 1)
        raise ConfigUnreadable(f"{shown} is not UTF-8", hint="save it as UTF-8", where=where) from None


def _root(text: str, shown: str) -> Mapping:
    document = parse_yaml(text, shown)
    if document.problems:
        raise SyntaxInvalid(f"{shown} is not well-formed: correct that first", problems=document.problems)
    if not isinstance(document.root, Mapping):
        raise ConfigError(f"{shown} is no configuration", hint="it is a mapping: `secretStores:`, `envs:`")
    return document.root


def _refuse_problems(rewritten: Rewritten, path: str, shown: str, runtime: Runtime) -> None:
    """Raises everything that would still be wrong, with the lines of the file as it is now."""
    found = examine(
        folder=runtime.folder,
        environ=runtime.environ,
        named=path,
        types=StoreTypes(),
        drafts={path: rewritten.text.encode()},
        knows_all=False,
    )
    problems = [*rewritten.problems, *every_problem(found, StoreTypes())]
    # What can't be edited is wrong to the configuration's own check as well.
    told = {problem.where.line for problem in rewritten.problems}
    problems = [each for each in problems if each in rewritten.problems or each.where.line not in told]
    if problems:
        raise ConfigError(
            f"{shown} was not rewritten: {counted(len(problems), 'thing')} a person has to decide",
            why="the rest of it is understood; nothing was written",
            hint="change these lines, then `dsops migrate` again",
            problems=tuple(sorted(set(problems), key=lambda problem: problem.where.line)),
        )


def _show(arguments: Arguments, rewritten: Rewritten, root: Mapping, text: str, shown: str) -> None:
    changes = [f"{each.where}: {each.text}" for each in rewritten.changes]
    notes = [f"{each.where}: {each.text}" for each in rewritten.notes]
    is_written = arguments.switch("--write") and bool(changes)
    if arguments.switch("--json"):
        changed: list[Json] = [{"line": each.where.line, "change": each.text} for each in rewritten.changes]
        noted: list[Json] = [{"line": each.where.line, "note": each.text} for each in rewritten.notes]
        answer_json({"file": shown, "is_written": is_written, "changes": changed, "notes": noted})
        return
    if not changes:
        # What would mean another thing than before is no news in a file of ours.
        answer(f"{shown} needs no change")
        return
    for each in (*changes, *notes):
        note(each)
    if is_written:
        answer(f"{shown} is rewritten: {counted(len(changes), 'change')}; as it was it stands in {shown}{_BACKUP}")
    else:
        answer_bytes(_diff(text, rewritten, shown, root).encode())
        note("`--write` writes it")


def _diff(old: str, rewritten: Rewritten, shown: str, root: Node) -> str:
    """The changed lines alone: what stands beside them may be a secret, and what stands in them is hidden."""
    before, after = old.split("\n"), rewritten.text.split("\n")
    secrets: set[str] = set()
    unseen: set[str] = set()
    for number, text in _secrets(root):
        if text in old:
            secrets.add(text)
        else:
            # Folded, or with escapes: it stands there in another form.
            secrets.update(text.split())
            unseen.update((before[number - 1], after[number - 1]))
    hidden = []
    for line in unified_diff(before, rewritten.whole.split("\n"), shown, f"{shown} (rewritten)", n=0, lineterm=""):
        if line[1:] in unseen:
            line = f"{line[:1]}***"  # noqa: PLW2901 - the same line, with less in it
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret.strip()) >= _SHORTEST_HIDDEN:
                line = line.replace(secret, "***")  # noqa: PLW2901 - the same
        hidden.append(clean(line))
    return "".join(f"{line}\n" for line in hidden)


def _secrets(node: Node, *, is_secret: bool = False) -> Iterator[tuple[int, str]]:
    """The texts that may be secrets, line by line, and where each begins."""
    if isinstance(node, Scalar):
        if is_secret and not _NAME_ALONE.fullmatch(node.text):
            yield from ((node.line, text) for text in node.text.splitlines())
    elif isinstance(node, Mapping):
        for key, value in node.entries:
            yield from _secrets(value, is_secret=is_secret or key.text in _SECRET)
    else:
        for item in node.items:
            yield from _secrets(item, is_secret=is_secret)


COMMAND = Command(
    help=(
        "Rewrites a configuration of the original dsops: names that are called otherwise here, sections\n"
        "and keys that mean nothing here, which are commented out. Comments, order and everything else stay.\n"
        "Each change is told with its line, and so is what will mean another thing than before.\n\n"
        "It prints the difference; --write writes the file, and keeps what it was in FILE"
        f"{_BACKUP}.\n"
        "What a person has to decide is an error with all its lines, and nothing is written."
    ),
    run=_run,
    flags=(
        Flag(
            "--write", "write the file instead of printing the difference", "switch", own_variable="DSOPS_MIGRATE_WRITE"
        ),
    ),
    operands=(Operand("FILE", "the configuration; the dsops.yaml found here or above if left out", is_required=False),),
)
