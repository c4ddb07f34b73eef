"""`dsops set`: write the value of a secret, or one field of it."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Command, Flag
from dsops.cli.framework.output import note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.secret_input import FROM_FILE, ask_for, piped_or_in_file
from dsops.cli.secrets.target import (
    DRY_RUN,
    EXPECT,
    FLAGS,
    KEY,
    STORE,
    Target,
    answer_version,
    open_target,
    plan_target,
    show_calls,
)
from dsops.errors import UsageError
from dsops.pipeline.execution import carry_out
from dsops.pipeline.journal import record_run
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.secret_editing import with_field
from dsops.stores.writing.writable_secret import CurrentVersion, Operation

_MOST_BYTES = 1 << 20
"""The limit for the input. It is above the limit of every service, so that errors can name the service's limit."""

_CREATE, _FIELD = "--create", "--field"
_OPTIONS = {"kms_key": "--kms-key", "type": "--type", "tier": "--tier"}


def _run(arguments: Arguments, runtime: Runtime) -> int:
    _check(arguments)
    creates, field = arguments.switch(_CREATE), arguments.text(_FIELD)
    plan = plan_target(arguments, runtime)
    if arguments.switch(DRY_RUN.name):
        operation: Operation = "create" if creates else "set field" if field else "set"
        return show_calls(plan, operation, arguments)
    target = open_target(plan, arguments, runtime)
    current = None if creates else target.current(runtime, arguments.text(EXPECT.name))
    if current is None:
        version = _create(target, arguments, runtime)
    else:
        version = _replace(target, current, field, arguments, runtime)
    before = current.version if current is not None else ""
    runtime.report(DONE)
    if version == before:
        note(f"{target.place(current)} has this value already; nothing was written")
    else:
        record_run(arguments.name, runtime, store=target.store, secret=target.key, version=version)
    facts: dict[str, str | None] = {"version": version, "previous": before or None}
    answer_version(target, f"version {version} of {target.place(current)} is current", facts, arguments)
    return 0


def _check(arguments: Arguments) -> None:
    """Raise UsageError for flags and words that can't be combined."""
    if "=" in arguments.operand(KEY.name) and not arguments.operand(KEY.name).startswith("arn:"):
        # The error does not repeat the word: a value may follow the `=`.
        raise UsageError(
            "KEY contains `=`",
            why="`KEY=VALUE` is not supported: every process of this machine can read a command line",
            hint="leave out `=` and the value; if the secret's name contains `=`, write its ARN",
        )
    if arguments.switch(_CREATE) and (arguments.text(_FIELD) or arguments.text(EXPECT.name)):
        raise UsageError(
            "`--create` can't be combined with `--field` or `--expect`", hint="write the whole value of the new secret"
        )
    given = [flag for flag in _OPTIONS.values() if arguments.text(flag)]
    if given and not arguments.switch(_CREATE):
        raise UsageError(
            f"`{given[0]}` has an effect only on a new secret",
            hint="add `--create` for a new secret; for an existing one, leave out `{given[0]}`",
        )


def _create(target: Target, arguments: Arguments, runtime: Runtime) -> str:
    options = {name: arguments.text(flag) for name, flag in _OPTIONS.items() if arguments.text(flag)}
    for name in options.keys() - target.secret.options:
        raise UsageError(f"a {target.secret.noun} has no `{_OPTIONS[name]}`", hint="leave it out")
    value = _new_value(f"Value of {target.place()}, which is new", arguments, runtime)
    return carry_out(target.secret.create(value, options), runtime)


def _replace(target: Target, current: CurrentVersion, field: str, arguments: Arguments, runtime: Runtime) -> str:
    """Write the value; return the new version, or the current version if its value is equal."""
    what = f"Field `{field}` of {target.place(current)}" if field else f"Value of {target.place(current)}"
    value = _new_value(what, arguments, runtime)
    if field:
        old = carry_out(target.secret.read(current.version), runtime).value
        value = with_field(old, field, value, target.place(current))
        if value == old:
            return current.version
    return carry_out(target.secret.replace(value, current.version), runtime)


def _new_value(what: str, arguments: Arguments, runtime: Runtime) -> Secret:
    """Return the value from the file or pipe without its last newline, or the value that the user types twice."""
    value = piped_or_in_file(arguments.text(FROM_FILE.name), _MOST_BYTES)
    if value is None:
        line = f"dsops set {arguments.operand(STORE.name)} {arguments.operand(KEY.name)}"
        value = ask_for(what, runtime, line)
        if value.reveal() and ask_for("The same value again", runtime, line) != value:
            raise UsageError("nothing was written", why="the two values differ", hint="try again, or pipe the value in")
    elif not arguments.switch("--keep-newline"):
        value = Secret(value.reveal().removesuffix("\n"))
    if not value.reveal():
        raise UsageError("nothing was written", why="the value is empty", hint="AWS stores no empty values")
    return value


COMMAND = Command(
    help=(
        "Write the value of a secret or parameter, unless another client changes it at the same time.\n"
        "\n"
        "Type the value twice (it is not shown), pipe it in, or name a file. One newline at the end of a\n"
        "pipe or file is removed. With --field, one field of a JSON object is set, and the others stay as\n"
        "they are. A secret that does not exist is an error, unless --create is given.\n"
        "\n"
        "  pg-password | dsops set secrets prod/database --field password"
    ),
    run=_run,
    is_audited=True,
    flags=(
        *FLAGS,
        Flag(_FIELD, "set only this field of a JSON object", "filled", value="NAME"),
        FROM_FILE,
        Flag("--keep-newline", "keep a newline at the end of the value", "switch"),
        EXPECT,
        Flag(_CREATE, "create a secret that does not exist yet", "switch"),
        Flag("--kms-key", "encrypt a new secret with this KMS key", value="KEY"),
        Flag(
            "--type",
            "type of a new parameter (default SecureString)",
            value="TYPE",
            choices=("SecureString", "String", "StringList"),
            own_variable="DSOPS_PARAMETER_TYPE",
        ),
        Flag(
            "--tier",
            "tier of a new parameter",
            value="TIER",
            choices=("Standard", "Advanced", "Intelligent-Tiering"),
            own_variable="DSOPS_PARAMETER_TIER",
        ),
        DRY_RUN,
    ),
    operands=(STORE, KEY),
    hides_words=True,
)
