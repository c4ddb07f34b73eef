"""`dsops hook-load`: what a shell's hook evaluates when it enters a folder with a `dsops.yaml`, or its file changed.

The answer is calls of the hook's own functions: which files to watch, whatever happened; and, when all went well, which
variables to set, which to put away, and when to come again. What went wrong is one line on stderr.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from dsops import config as configuration
from dsops.cache import CredentialCache
from dsops.cli.framework.command import CONFIG, ENVIRONMENT, NO_AGENT, REASON, Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer_bytes, clean, tell
from dsops.cli.framework.project import agent_of, environment_name
from dsops.cli.framework.world import DONE
from dsops.cli.hook.marks import set_marks, times_of
from dsops.cli.hook.names import require_harmless
from dsops.config import HOOKED
from dsops.config.allow import is_as_allowed, permission_folder, permissions, refuse_shared
from dsops.credentials import FRESH_SECONDS, USABLE_SECONDS, Credentials
from dsops.environment import child_environment
from dsops.errors import (
    ConfigNotFound,
    DsopsError,
    EnvironmentUnknown,
    Failures,
    NotAllowed,
    UsageError,
    ValueUnusable,
    nearest,
)
from dsops.model import Config
from dsops.pipeline.execution import Pipeline
from dsops.pipeline.journal import add_failure, record_run
from dsops.pipeline.plans import add_place, plan_named
from dsops.plan import Plan
from dsops.render.fish import quote_bytes
from dsops.render.shell import quote, shell_bytes
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.startup import NamedTuple
from dsops.stores import StoreTypes

HOOK_ENVIRONMENT = Flag(
    "--env", "the environment to load, instead of the file's default one", value="NAME", own_variable="DSOPS_HOOK_ENV"
)
INTERRUPTED = 128 + 2


class Loaded(NamedTuple):
    """What an environment does to a shell."""

    environment: str
    values: Mapping[str, bytes]
    removed: tuple[str, ...]
    """Inherited variables that name another AWS identity than the environment's."""
    seconds: int | None
    """When a session among the values has to be renewed; None when nothing ends."""


def load_found(runtime: Runtime) -> Config:
    """The configuration that was found from the working folder upward, whatever DSOPS_CONFIG names."""
    try:
        return configuration.load(folder=runtime.folder, environ=runtime.environ, types=StoreTypes(), permission=HOOKED)
    except ConfigNotFound as error:
        error.retell(error.message, hint="`dsops init` writes one; the hook takes no other name, and no DSOPS_CONFIG")
        raise


def variables_of(config: Config, arguments: Arguments) -> tuple[str, list[str]]:
    """The environment that is meant, and the names of its variables; refuses those that no hook may set."""
    name = environment_name(config, arguments)
    environment = config.environments.get(name)
    if environment is None:
        meant = nearest(name, config.environments)
        known = ", ".join(config.environments)
        raise EnvironmentUnknown(
            f"there is no environment `{name}`", hint=f"did you mean `{meant}`?" if meant else f"it is one of {known}"
        )
    require_harmless(environment.variables)
    return name, list(environment.variables)


def planned(config: Config, arguments: Arguments, runtime: Runtime) -> Plan:
    """What loading would do."""
    return plan_named(config, variables_of(config, arguments)[0], runtime)


def _run(arguments: Arguments, runtime: Runtime) -> int:
    if arguments.text("--config") or runtime.environ.get(ENVIRONMENT.variable):
        # An agent would take them for the ones that are meant; what is named is trusted more than what is found.
        raise UsageError(
            "the hook looks for a configuration by itself", hint="run it without DSOPS_CONFIG and DSOPS_ENV"
        )
    shell, pid = arguments.operand("SHELL"), arguments.operand("PID")
    if not (pid.isascii() and pid.isdigit()):
        raise UsageError(f"`{pid}` is not the number of a process")
    try:
        path = configuration.find(runtime.folder, runtime.environ)
    except ConfigNotFound:
        return 0
    permissions = permission_folder(path, runtime.environ, HOOKED)
    times = times_of([path, configuration.local_path(path), *([permissions] if permissions else [])])
    loaded, code = None, 0
    try:
        loaded = _load(path, arguments, runtime, times)
    except KeyboardInterrupt:
        _say(path, "interrupted; `dsops hook allow` tries again")
        code = INTERRUPTED
    except DsopsError as error:
        _say(path, one_line(error))
        code = error.exit_code
        if not isinstance(error, NotAllowed):  # which tries nothing, at every prompt
            add_failure(arguments.name, error, runtime)
    runtime.report(DONE)
    answer_bytes(_text(shell, set_marks(times, int(pid), runtime.environ), loaded))
    if loaded:
        names = ", ".join(loaded.values) or "no variables"
        tell(clean(f"dsops: hook: environment {loaded.environment} is loaded: {names}"))
    return code


def _load(path: str, arguments: Arguments, runtime: Runtime, times: dict[str, int | None]) -> Loaded:
    """Everything that the environment does to the shell. The files that it is made of are added to `times`."""
    allowed = permissions(path, runtime.environ, HOOKED)
    files = {file.written for permission in allowed for file in permission.files}
    times.update(times_of(sorted(files - times.keys())))
    # Before anything is parsed: a stranger's files may take minutes. What counts is what `load_found` has read.
    config = load_found(runtime) if is_as_allowed(path, allowed) else None
    if config is not None:
        refuse_shared(config.files)
    if config is None or not config.is_allowed:
        raise NotAllowed(
            "you have not allowed that, as the file is now" if allowed else "you have not allowed that",
            hint="`dsops hook status` shows what it would do, `dsops hook allow` allows it",
        )
    plan = planned(config, arguments, runtime)
    values, sessions = _fetch(plan, arguments, runtime)
    try:
        data = {name: shell_bytes(name, value) for name, value in values.items()}
    except ValueUnusable as error:
        add_place(error, plan)
        raise
    require_harmless(values)
    removed = child_environment(runtime.environ, values).removed
    return Loaded(plan.environment, data, removed, _seconds(sessions, runtime))


def _fetch(plan: Plan, arguments: Arguments, runtime: Runtime) -> tuple[Mapping[str, Secret], list[Credentials]]:
    """The values, and the sessions that parts of them are of."""
    types = StoreTypes()
    names = dict.fromkeys(each.step for each in plan.variables if each.step)
    stores = [name for name in names if types[plan.steps[name].type].gives_credentials]
    agent = agent_of(arguments, runtime)
    values = agent.secrets(plan.environment) if agent else None
    if agent is not None and values is not None:
        answers = [agent.credentials(name) for name in stores]
        sessions = [session for session in answers if session is not None]
    else:
        values, sessions = Pipeline(runtime, CredentialCache(runtime.now)).secrets_and_sessions(plan, stores)
    record_run(arguments.name, runtime, variables=list(values))
    return values, sessions


def _seconds(sessions: list[Credentials], runtime: Runtime) -> int | None:
    """When the first of the sessions is not fresh any more; one that is old already serves until it is useless."""
    now = runtime.now()
    left = [each.seconds_left(now) for each in sessions if each.expiration is not None]
    if not left:
        return None
    first = min(left)
    return int(max(first - FRESH_SECONDS if first > 2 * FRESH_SECONDS else first - USABLE_SECONDS, 1))


def _text(shell: str, marks: Mapping[str, str], loaded: Loaded | None) -> bytes:
    """The calls, one a line but for values with newlines."""
    word = quote_bytes if shell == "fish" else quote
    calls = [(b"__dsops_watch", os.fsencode(path), os.fsencode(mark)) for path, mark in marks.items()]
    lines = [b" ".join([name, word(path), word(mark)]) for name, path, mark in calls]
    if loaded:
        lines += [b"__dsops_drop %s" % name.encode() for name in loaded.removed]
        lines += [b"__dsops_put %s %s" % (name.encode(), word(value)) for name, value in loaded.values.items()]
        lines += [] if loaded.seconds is None else [b"__dsops_until %d" % loaded.seconds]
    return b"".join(line + b"\n" for line in lines)


def _say(path: str, text: str) -> None:
    tell(clean(f"dsops: hook: {path} is not loaded: {text}"))


def one_line(error: DsopsError) -> str:
    """The error, for somebody who only changed folders: what, why and the next step."""
    if isinstance(error, Failures):
        return f"{one_line(error.errors[0])} (and {len(error.errors) - 1} more)"
    parts = [f"{error.message}: {error.why}" if error.why else error.message]
    if error.problems:
        first = error.problems[0]
        parts = [f"{first.where}: {first.path}: {first.message}" if first.path else f"{first.where}: {first.message}"]
    return "; ".join([*parts, *([error.hint] if error.hint else [])])


COMMAND = Command(
    help="Prints what a shell does when it enters this folder: for the code that `dsops hook` prints.",
    run=_run,
    flags=(CONFIG, HOOK_ENVIRONMENT, NO_AGENT, REASON),
    operands=(
        Operand("SHELL", "bash, zsh or fish", choices=("bash", "zsh", "fish")),
        Operand("PID", "the number of the shell's process"),
    ),
)
