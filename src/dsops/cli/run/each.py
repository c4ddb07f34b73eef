"""`dsops each`: run one command with the session of many stores, side by side."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from concurrent.futures import Future
from fnmatch import fnmatchcase
from typing import NamedTuple

from dsops.cli.framework.command import CONFIG, NO_AGENT, REASON, Arguments, Command, Flag, Operand
from dsops.cli.framework.output import Json, answer, answer_bytes, table, tell
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import agent_of, load_config, min_ttl_of, plan_one_store
from dsops.cli.run.danger import confirm
from dsops.environment import ChildIdentity, session_variables
from dsops.errors import DsopsError, UsageError, listed
from dsops.model import Config
from dsops.pipeline.execution import Pipeline, environment_of_child
from dsops.pipeline.journal import add_failure, record_run
from dsops.pipeline.plans import environment_of_sessions, marks_of, plan_of_session, require_session
from dsops.process import find_command, start_failure
from dsops.process.many import STDERR, STDOUT, CommandResult, SideBySide
from dsops.runtime import Runtime
from dsops.stores import StoreTypes
from dsops.text import clean, counted

_JOBS = 8
FAILURE_CODE = 125
"""The exit code if dsops could not run the command for a store, as in `dsops exec`."""


class _Outcome(NamedTuple):
    """The result for one store: the command's result, or the error of dsops.

    Both are missing if the command was not started because of Ctrl-C.
    """

    store: str
    result: CommandResult | None = None
    error: DsopsError | None = None


def _run(arguments: Arguments, runtime: Runtime) -> int:
    if not arguments.command:
        hint = "write it after `--`: dsops each 'prod-*' -- aws sts get-caller-identity"
        raise UsageError("there is no command to run", hint=hint)
    jobs = arguments.integer("--jobs")
    if jobs == 0:
        raise UsageError("`--jobs` can't be 0", hint="leave out `--jobs`, or write a number from 1")
    config = load_config(arguments, runtime, names=None)
    stores = matching_stores(config, arguments.words("PATTERN"))
    command = find_command(arguments.command[0], runtime.environ.get("PATH"))
    if any("danger" in store.fields for store in config.stores.values()):
        _confirm(stores, config, runtime)
    printer = _Printer(stores, is_grouped=arguments.text("--output") == "group", is_json=arguments.switch("--json"))
    work = SideBySide(command, arguments.command, jobs=jobs or _JOBS, on_line=printer.line)
    outcomes = _run_all(stores, config, work, printer, arguments, runtime)
    if not arguments.switch("--json"):
        tell(_table(outcomes))
    if any(outcome.result is None and outcome.error is None for outcome in outcomes):
        return 128 + signal.SIGINT
    if any(outcome.error for outcome in outcomes):
        return FAILURE_CODE
    return int(any(outcome.result and outcome.result.exit_code for outcome in outcomes))


def matching_stores(config: Config, patterns: tuple[str, ...]) -> list[str]:
    """Return the stores with a session whose names match one of the patterns, in the configuration's order.

    Raises UsageError for a pattern that matches no such store.
    """
    types = StoreTypes()
    names = [
        name for name, store in config.stores.items() if store.type in types and types[store.type].gives_credentials
    ]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            hint = f"the stores with a session are: {listed(names) or 'none'}"
            raise UsageError(f"no store matches `{pattern}`", hint=hint)
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _run_all(
    stores: list[str], config: Config, work: SideBySide, printer: _Printer, arguments: Arguments, runtime: Runtime
) -> list[_Outcome]:
    """Issue one session after another, and start each command as soon as its session has been issued.

    After Ctrl-C, the outcomes of commands that were not started have neither a result nor an error.
    """
    outcomes = {name: _Outcome(name) for name in stores}
    futures: dict[str, Future[CommandResult | None]] = {}
    pipeline = Pipeline(runtime)
    try:
        for name in stores:
            try:
                futures[name] = work.start(name, _environment(name, config, pipeline, arguments, runtime))
            except DsopsError as error:
                outcomes[name] = _Outcome(name, error=error)
                add_failure(arguments.name, error, runtime)
                printer.failure(name, error)
        runtime.report(DONE)
        for name, future in futures.items():
            outcomes[name] = _finished(name, future, arguments)
            printer.end(outcomes[name])
    except KeyboardInterrupt:
        runtime.report(DONE)
        work.stop(signal.SIGINT)
        outcomes |= {name: _interrupted(name, future, work, arguments) for name, future in futures.items()}
    finally:
        work.stop(signal.SIGTERM)
        work.close()
    return list(outcomes.values())


def _interrupted(name: str, future: Future[CommandResult | None], work: SideBySide, arguments: Arguments) -> _Outcome:
    """Wait for a command that received SIGINT; a second Ctrl-C kills all commands."""
    try:
        return _finished(name, future, arguments)
    except KeyboardInterrupt:
        work.stop(signal.SIGKILL)
        return _finished(name, future, arguments)


def _finished(name: str, future: Future[CommandResult | None], arguments: Arguments) -> _Outcome:
    try:
        return _Outcome(name, future.result())
    except BrokenPipeError:
        raise  # the reader of stdout has ended, so no output can be written
    except OSError as error:
        return _Outcome(name, error=start_failure(arguments.command[0], {}, error))


def _environment(
    name: str, config: Config, pipeline: Pipeline, arguments: Arguments, runtime: Runtime
) -> Mapping[bytes, bytes]:
    """Return the command's environment with the session of a store. Writes the audit record first."""
    plan = plan_one_store(config, name, runtime)
    require_session(plan, name)
    agent = agent_of(plan, arguments, runtime)
    session = agent.credentials(name, environment_of_sessions(plan)) if agent else None
    if session is None:
        session = pipeline.credentials(plan, name, min_ttl_seconds=min_ttl_of(arguments))
    record_run(arguments.name, runtime, store=name)
    identity = ChildIdentity(session_variables(session), plan.steps[name].region)
    marks = marks_of(plan, [session], name)
    return environment_of_child(
        plan, {}, runtime, marks=marks, session=identity, is_pristine=False, keeps_existing=False
    )


def _confirm(stores: list[str], config: Config, runtime: Runtime) -> None:
    """Ask the user to confirm the stores with `danger: true`, before the first command starts. Raises NotConfirmed."""
    plans = []
    for name in stores:
        try:
            plans.append(plan_of_session(config, name, runtime))
        except DsopsError:
            continue  # the error is reported when it is this store's turn
    confirm(plans, runtime)


class _Printer:
    """Prints the commands' output: lines with the store's name, all lines of a store together, or JSON lines."""

    def __init__(self, stores: list[str], *, is_grouped: bool, is_json: bool) -> None:
        self._width = max(map(len, stores))
        self._is_grouped = is_grouped or is_json
        self._is_json = is_json
        self._lines: dict[str, list[tuple[int, bytes]]] = {name: [] for name in stores}

    def line(self, name: str, stream: int, line: bytes) -> None:
        """Print a line of a command's output, or keep it until the command has ended.

        A very long line is passed in parts.
        """
        if self._is_grouped:
            self._lines[name].append((stream, line))
        else:
            prefix = b"%s | " % os.fsencode(clean(name).ljust(self._width))
            # After a carriage return, the output would overwrite the store's name, so the name is printed again.
            text = line.removesuffix(b"\n").removesuffix(b"\r").replace(b"\r", b"\r" + prefix)
            _write(stream, prefix + text + b"\n")

    def end(self, outcome: _Outcome) -> None:
        """Print the kept lines of a command that has ended."""
        if outcome.error is not None:
            self.failure(outcome.store, outcome.error)
        elif self._is_json and outcome.result is not None:
            self._answer_json(outcome.store, outcome.result)
        elif self._is_grouped:
            lines = _ended_lines(self._lines.pop(outcome.store))
            if lines:
                _write(STDOUT, os.fsencode(f"== {clean(outcome.store)}\n"))
            for stream, line in lines:
                _write(stream, line)

    def failure(self, name: str, error: DsopsError) -> None:
        """Print the error of dsops for a store."""
        from dsops.cli.framework.output import error_text, error_value, shown_error

        if self._is_json:
            _answer_line({"store": name, "exit_code": FAILURE_CODE, "error": error_value(error)})
        else:
            tell(shown_error(error_text(error), 2))

    def _answer_json(self, name: str, result: CommandResult) -> None:
        lines = _ended_lines(self._lines.pop(name))
        texts = {
            key: b"".join(line for stream, line in lines if stream == number).decode("utf-8", "replace")
            for key, number in (("stdout", STDOUT), ("stderr", STDERR))
        }
        seconds = round(result.seconds, 3)
        _answer_line({"store": name, "exit_code": result.exit_code, "seconds": seconds, **texts, "error": None})


def _ended_lines(lines: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """Return the lines; if the last line of a stream lacks a newline, add it."""
    last = {stream: number for number, (stream, _) in enumerate(lines)}
    return [
        (stream, line if line.endswith(b"\n") or last[stream] != number else line + b"\n")
        for number, (stream, line) in enumerate(lines)
    ]


def _answer_line(value: Json) -> None:
    import json

    answer(json.dumps(value, ensure_ascii=True))


def _write(stream: int, line: bytes) -> None:
    if stream == STDOUT:
        answer_bytes(line)
    elif sys.stderr is not None:
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()


def _table(outcomes: list[_Outcome]) -> str:
    """Format the exit codes of all stores, with the failed ones last."""
    rows = []
    for outcome in sorted(outcomes, key=_is_bad):
        if outcome.error is not None:
            rows.append((outcome.store, "-", "", f"not run: {outcome.error.code}"))
        elif outcome.result is None:
            rows.append((outcome.store, "-", "", "not run"))
        else:
            code = outcome.result.exit_code
            rows.append((outcome.store, str(code), f"{outcome.result.seconds:.1f}", "failed" if code else "ok"))
    bad = sum(map(_is_bad, outcomes))
    summary = (
        f"{counted(len(outcomes), 'store')}, {bad} failed" if bad else f"{counted(len(outcomes), 'store')}, all ok"
    )
    return f"{table(('STORE', 'EXIT', 'SECONDS', 'RESULT'), rows, state='RESULT', descriptor=2)}\n{summary}"


def _is_bad(outcome: _Outcome) -> bool:
    return outcome.result is None or outcome.result.exit_code != 0


COMMAND = Command(
    help=(
        "Run a command with the session of each store that matches a pattern, side by side.\n"
        "\n"
        "  dsops each 'prod-*' -- aws ec2 describe-regions\n"
        "\n"
        "The pattern selects stores of the configuration and profiles of AWS's files. Each line of output\n"
        "begins with the name of its store. A table of exit codes follows on stderr. The exit code is 0 if\n"
        "every command succeeded, 1 if one failed, and 125 if dsops could not run the command for a store."
    ),
    run=_run,
    is_audited=True,
    flags=(
        CONFIG,
        NO_AGENT,
        REASON,
        Flag("--jobs", f"how many commands run at the same time (default {_JOBS})", "integer", value="N"),
        Flag(
            "--output",
            "`prefix` prints each line at once, after the name of its store; `group` prints a store's lines together",
            choices=("prefix", "group"),
            default="prefix",
            value="HOW",
            own_variable="DSOPS_EACH_OUTPUT",
        ),
        Flag("--min-ttl", "minimum remaining lifetime of a command's credentials", "seconds", value="SECONDS"),
    ),
    operands=(Operand("PATTERN", "the name of a store; `*` and `?` stand for any characters", is_repeatable=True),),
    takes_command=True,
    own_failure_code=FAILURE_CODE,
)
