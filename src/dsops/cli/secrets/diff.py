"""`dsops diff`: show what differs between two versions of a secret."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Command, Operand
from dsops.cli.framework.output import answer, answer_json, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.secrets.target import DRY_RUN, FLAGS, KEY, SHOW, STORE, open_target, plan_target, show_calls
from dsops.pipeline.execution import carry_out
from dsops.pipeline.journal import record_run
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.secret_editing import FieldChange, changes_between
from dsops.text import clean

_OLD = Operand(
    "OLD", "a version, by id, number or label (default: the one before the current version)", is_required=False
)
_NEW = Operand("NEW", "the version to compare with it (default: the current version)", is_required=False)
_MASK = "***"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    shows = arguments.switch(SHOW.name)
    plan = plan_target(arguments, runtime)
    if arguments.switch(DRY_RUN.name):
        return show_calls(plan, "diff", arguments)
    target = open_target(plan, arguments, runtime)
    old_version = arguments.operand(_OLD.name) or carry_out(target.secret.previous(), runtime)
    old = carry_out(target.secret.read(old_version), runtime)
    new = carry_out(target.secret.read(arguments.operand(_NEW.name)), runtime)
    changes = changes_between(old.value, new.value)
    record_run(
        arguments.name, runtime, store=target.store, secret=target.key, old=old.version, new=new.version, shown=shows
    )
    runtime.report(DONE)
    if arguments.switch("--json"):
        fields = [_fields(change, shows=shows) for change in changes]
        answer_json({"name": target.secret.name, "old": old.version, "new": new.version, "changes": fields})
        return 0
    note(f"{target.secret.noun} `{target.secret.name}`: from version {old.version} to version {new.version}")
    if changes:
        answer("\n".join(_line(change, shows=shows) for change in changes))
    else:
        note("the two values are equal")
    return 0


def _fields(change: FieldChange, *, shows: bool) -> dict[str, str | None]:
    fields: dict[str, str | None] = {"field": change.field or None, "change": change.kind}
    if shows:
        fields |= {"old": _text(change.old), "new": _text(change.new)}
    return fields


def _line(change: FieldChange, *, shows: bool) -> str:
    """Return a line such as `changed  password: *** -> ***`."""
    old, new = (_text(value) if shows or value is None else _MASK for value in (change.old, change.new))
    values = " -> ".join(value for value in (old, new) if value is not None)
    return clean(f"{change.kind:7}  {change.field or 'the whole value'}: {values}")


def _text(value: Secret | None) -> str | None:
    return value.reveal() if value is not None else None


COMMAND = Command(
    help=(
        "Show what differs between two versions of a secret or parameter.\n"
        "\n"
        "For JSON objects, the fields that were added, removed or changed are listed. Values are masked,\n"
        "unless --show is given. Without OLD and NEW, the current version is compared with the one before."
    ),
    run=_run,
    is_audited=True,
    flags=(*FLAGS, SHOW, DRY_RUN),
    operands=(STORE, KEY, _OLD, _NEW),
)
