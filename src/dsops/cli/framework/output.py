"""Writes results to stdout, notes and errors to stderr. `screen` decides how they look on a terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from select import select

from dsops.errors import (
    AccessDenied,
    AssumeRoleDenied,
    AwsAnswer,
    DsopsError,
    FailedOperation,
    Failures,
    FileNotWritten,
    Problem,
    Where,
)
from dsops.text import clean

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


_ELSEWHERE = "redirect the output: `> FILE`, or pipe it into a program that reads it"


def answer(text: str) -> None:
    """Write a text to stdout, in UTF-8 regardless of the locale."""
    answer_bytes(f"{text}\n".encode("utf-8", "surrogateescape"))


def answer_sentence(text: str) -> None:
    """Write a sentence to stdout: wrapped on a terminal, otherwise on one line."""
    from dsops.cli.framework.screen import wrapped

    answer(wrapped(clean(text), 1))


def answer_bytes(data: bytes) -> None:
    """Write exactly these bytes to stdout. Raises FileNotWritten, or BrokenPipeError if its reader has closed it.

    Does not use Python's buffer, since Python would write the unwritten part again at exit.
    """
    if sys.stdout is None:
        # At this point, descriptor 1 may belong to something else, such as a network connection.
        raise FileNotWritten("can't write to stdout", why="it is closed", hint=_ELSEWHERE)
    rest = memoryview(data)
    try:
        while rest:
            try:
                rest = rest[os.write(1, rest) :]
            except BlockingIOError:
                select([], [1], [])
    except BrokenPipeError:
        raise
    except OSError as error:
        why = (error.strerror or "").lower()
        raise FileNotWritten("can't write to stdout", why=why, hint=_ELSEWHERE) from error


def answer_json(value: Json) -> None:
    """Write one JSON document to stdout."""
    answer(json_text(value))


def json_text(value: Json) -> str:
    """Format JSON as every `--json` does: indented by two spaces, key order unchanged, non-ASCII text unescaped.

    Only DEL and the C1 control characters are escaped: JSON allows them unescaped, but a terminal interprets them.
    """
    import json
    import re

    text = json.dumps(value, indent=2, ensure_ascii=False)
    return re.sub("[\x7f-\x9f]", lambda match: f"\\u{ord(match[0]):04x}", text)


_is_quiet = False


def be_quiet() -> None:
    """Suppress all further notes, for the flag `--quiet`."""
    global _is_quiet  # noqa: PLW0603 - one process, one command line
    _is_quiet = True


def is_quiet() -> bool:
    """Whether `--quiet` is set."""
    return _is_quiet


def note(text: str) -> None:
    """Write a note to stderr, unless `--quiet` is set."""
    if not _is_quiet:
        say(note_line(text))


def note_line(text: str) -> str:
    """Format a note for stderr."""
    return f"dsops: note: {clean(text)}"


def tell(text: str) -> None:
    """Write a text to stderr; ignore a stderr that is closed, full or no longer read."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError:
        # Without this, Python would write the buffered text again at exit, and exit with code 120 if that fails. stderr
        # becomes None, as in a process that starts without stderr.
        sys.stderr = None


def say(text: str) -> None:
    """Write sentences to stderr, wrapped if stderr is a terminal."""
    from dsops.cli.framework.screen import wrapped

    tell(wrapped(text, 2))


def tell_address(text: str, address: str) -> None:
    """Write a sentence and an address to stderr, the address on a line of its own so that it can be clicked."""
    say(f"{clean(text)}:")
    tell(f"  {clean(address)}")


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    state: str = "",
    least: Sequence[str] = (),
    indent: int = 0,
    descriptor: int = 1,
) -> str:
    """Format a table: columns two spaces apart under their headings, without empty columns and trailing spaces.

    If the descriptor (1: stdout, 2: stderr) is a terminal, the table fits the terminal's width. `least` names the
    columns that may be left out, the least important first. The words of the column `state` get a colour.
    """
    from dsops.cli.framework import screen

    cells = [[clean(cell) for cell in row] for row in rows]
    if screen.fits_table(descriptor):
        return screen.table_text(headings, cells, descriptor=descriptor, state=state, least=least, indent=indent)
    kept = [column for column in range(len(headings)) if not cells or any(row[column] for row in cells)]
    lines = [[row[column] for column in kept] for row in (list(headings), *cells)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(kept))]
    return "\n".join(
        " " * indent + "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def shown_error(text: str, descriptor: int) -> str:
    """Return the text of errors and findings; wrapped, and with colours, if the descriptor (1 or 2) is a terminal."""
    from dsops.cli.framework import screen

    return screen.shown_error(text, descriptor)


def error_text(error: DsopsError, *, config: str = "") -> str:
    """Return the error as text: message, reason, hint, AWS's error, and the command that finds the cause.

    `config` is the configuration named on the command line.
    """
    errors = error.errors if isinstance(error, Failures) else (error,)
    next_step = next_step_of(error, config=config)
    texts = [_text_of_one(each, config) for each in errors]
    return "\n".join([*texts, *([f"  next: {next_step}"] if next_step else [])])


def _text_of_one(error: DsopsError, config: str) -> str:
    lines = [f"dsops: error[{error.code}]: {clean(error.message)}"]
    lines.extend(problem_text(problem) for problem in error.problems)
    if error.where and str(error.where) not in f"{error.message} {error.why} {error.hint}":
        lines.append(f"  at: {clean(str(error.where))}")
    lines.extend(f"  {line}" for line in _tried_lines(error))
    if error.why:
        lines.append(f"  why: {clean(error.why)}")
    if error.hint:
        lines.append(f"  hint: {clean(pasteable(error.hint, config))}")
    if error.aws:
        lines.append(f"  aws: {_aws_text(error.aws, error.why)}")
    return "\n".join(lines)


def next_step_of(error: DsopsError, *, config: str = "") -> str:
    """Return the `dsops explain` command that finds the cause of a denied call or secret; "" for other errors."""
    errors = error.errors if isinstance(error, Failures) else (error,)
    denied = [each.tried for each in errors if isinstance(each, (AccessDenied, AssumeRoleDenied)) and each.tried]
    explain_words = list(dict.fromkeys(tried.asks for tried in denied if tried.asks))
    if not explain_words:
        return ""
    from shlex import quote

    config_words = ["--config", config] if config else []
    words = [*config_words, *(explain_words[0] if len(explain_words) == 1 else explain_words[0][:-1])]
    return f"`{' '.join(['dsops explain', *[clean(quote(word)) for word in words]])}` looks for the policy that decides"


def pasteable(text: str, config: str) -> str:
    """Return the text, with `--config` added to its dsops commands if the failed command had the flag.

    `config` is the value of the flag; "" without the flag.
    """
    if not config:
        return text
    from dsops.cli.framework.command_hint import with_config

    return with_config(text, config)


def _tried_lines(error: DsopsError) -> list[str]:
    """Return lines about the attempted operation, unless the message describes it, and about earlier hops."""
    if error.tried is None:
        return []
    aws = f"{error.aws.endpoint} {error.aws.message}" if error.aws else ""
    tried = error.tried.text(f"{error.message} {error.why} {error.hint} {aws}")
    lines = [f"tried: {tried}", *[f"after: {each}" for each in error.tried.texts_before()]] if tried else []
    return [clean(line) for line in lines]


def problem_text(problem: Problem) -> str:
    """Format the problem, beginning with `file:line: path: message`, which editors recognise."""
    path = f" {problem.path}:" if problem.path else ""
    line = clean(f"{problem.where}:{path} {problem.message}")
    return f"{line}\n  hint: {clean(problem.hint)}" if problem.hint else line


def _aws_text(aws: AwsAnswer, why: str) -> str:
    """Return AWS's error code and request id, and AWS's message unless `why` already contains the message."""
    parts = [aws.code or f"status {aws.status}"]
    if aws.request_id:
        parts.append(f"request {aws.request_id}")
    if aws.authorization_id:
        parts.append(f"authorization id {aws.authorization_id}")
    words = f": {aws.words}" if aws.words and aws.words not in why else ""
    return clean(f"{', '.join(parts)} ({aws.endpoint}){words}")


def error_json(error: DsopsError, exit_code: int, *, config: str = "") -> str:
    """Format the error as one JSON object with all keys, even if a value is empty."""
    return json_text({"error": error_value(error, config=config), "exit_code": exit_code})


def error_value(error: DsopsError, *, config: str = "") -> Json:
    """Return the error as a JSON value. `config` is the configuration named on the command line."""
    errors = error.errors if isinstance(error, Failures) else ()
    return {
        "code": error.code,
        "message": error.message,
        "why": error.why or None,
        "hint": pasteable(error.hint, config) or None,
        "next": next_step_of(error, config=config) or None,
        "where": _where_value(error.where),
        "tried": _tried_value(error.tried),
        "aws": error.aws._asdict() if error.aws else None,
        "problems": [problem_value(problem) for problem in error.problems],
        "errors": [error_value(each, config=config) for each in errors],
    }


def _tried_value(tried: FailedOperation | None) -> Json:
    """Return the attempted operation as a JSON object; unknown facts are null."""
    if tried is None:
        return None
    before = [{name: fact or None for name, fact in hop._asdict().items()} for hop in tried.before]
    facts = {name: fact or None for name, fact in tried._asdict().items() if name != "asks"}
    return {**facts, "before": before}


def problem_value(problem: Problem) -> Json:
    """Return the problem as a JSON value."""
    return {
        "where": _where_value(problem.where),
        "path": problem.path,
        "message": problem.message,
        "hint": problem.hint or None,
    }


def _where_value(where: Where | None) -> Json:
    return {"file": where.file, "line": where.line or None} if where else None


def origin_text(error: BaseException) -> str:
    """Return where an error was raised, causes first: exception types and lines of code.

    Values of variables and messages of foreign exceptions are left out: a UnicodeEncodeError, for example, contains
    the whole text that it could not encode.
    """
    from traceback import extract_tb

    blocks: list[str] = []
    current: BaseException | None = error
    seen: list[BaseException] = []
    while current is not None and not any(current is each for each in seen):
        seen.append(current)
        about = f": {clean(current.message)}" if isinstance(current, DsopsError) else ""
        kind = type(current)
        frames_of = extract_tb(current.__traceback__)
        frames = [f"    {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames_of]
        blocks.append("\n".join([f"  {kind.__module__}.{kind.__qualname__}{about}", *frames]))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n".join(reversed(blocks))
