"""`dsops rm`: delete a secret, or cancel its deletion."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Command, Flag
from dsops.cli.framework.output import note, pasteable
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.secrets.target import (
    DRY_RUN,
    EXPECT,
    FLAGS,
    KEY,
    STORE,
    YES,
    Target,
    answer_version,
    confirm,
    open_target,
    plan_target,
    show_calls,
)
from dsops.errors import UsageError
from dsops.pipeline.execution import carry_out
from dsops.pipeline.journal import record_run
from dsops.runtime import Runtime

_LEAST_DAYS, _MOST_DAYS = 7, 30
"""The limits of a recovery window (DeleteSecret API reference)."""

_DAYS, _NOW, _UNDO = "--days", "--now", "--undo"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    _check(arguments)
    undoes = arguments.switch(_UNDO)
    plan = plan_target(arguments, runtime)
    if arguments.switch(DRY_RUN.name):
        return show_calls(plan, "undo" if undoes else "rm", arguments)
    target = open_target(plan, arguments, runtime)
    if undoes:
        carry_out(target.secret.restore(), runtime)
        record_run(arguments.name, runtime, store=target.store, secret=target.key, undone=True)
        runtime.report(DONE)
        answer_version(target, f"the deletion of {target.place()} is cancelled", {"deleted": None}, arguments)
        return 0
    return _delete(target, arguments, runtime)


def _check(arguments: Arguments) -> None:
    """Raise UsageError for flags that can't be combined, and for a number of days that AWS refuses."""
    given = [flag for flag in (_NOW, _UNDO) if arguments.switch(flag)]
    days = arguments.integer(_DAYS)
    given += [_DAYS] if days is not None else []
    if len(given) > 1:
        raise UsageError(f"`{given[0]}` and `{given[1]}` can't be combined", hint="leave one of them out")
    if days is not None and not _LEAST_DAYS <= days <= _MOST_DAYS:
        raise UsageError(
            f"`{_DAYS}` can't be {days}", hint=f"AWS takes {_LEAST_DAYS} to {_MOST_DAYS} days; `{_NOW}` deletes at once"
        )


def _delete(target: Target, arguments: Arguments, runtime: Runtime) -> int:
    is_final = arguments.switch(_NOW)
    if not is_final and not target.secret.can_restore:
        raise UsageError(
            f"a {target.secret.noun} is deleted at once and for good, with all its versions",
            hint=f"add `{_NOW}` if that is what you want",
        )
    place = target.place(target.current(runtime, arguments.text(EXPECT.name)))
    days = None if is_final else arguments.integer(_DAYS) or _MOST_DAYS
    window = "now; nothing can restore it" if days is None else f"in {days} days; until then no client can read it"
    confirm(f"delete {place} {window}?", arguments, runtime)
    when = carry_out(target.secret.delete(days), runtime)
    moment = when.strftime("%Y-%m-%dT%H:%M:%SZ") if when is not None else ""
    record_run(arguments.name, runtime, store=target.store, secret=target.key, deletion=moment or "now")
    runtime.report(DONE)
    text = f"{place} will be deleted at {moment}" if moment else f"{place} is deleted"
    answer_version(target, text, {"deleted": moment or "now"}, arguments)
    if days is not None:
        note(pasteable(f"`dsops rm {target.store} {target.key} {_UNDO}` cancels that", arguments.text("--config")))
    return 0


COMMAND = Command(
    help=(
        "Delete a secret or parameter.\n"
        "\n"
        "Secrets Manager deletes a secret after 30 days, or after --days. Until then, clients can't read it,\n"
        "and --undo cancels the deletion. With --now, the secret is deleted at once. Parameter Store always\n"
        "deletes at once, so a parameter needs --now."
    ),
    run=_run,
    is_audited=True,
    flags=(
        *FLAGS,
        Flag(
            _DAYS,
            "delete a secret after this many days, 7 to 30",
            "integer",
            value="DAYS",
            own_variable="DSOPS_RM_DAYS",
        ),
        Flag(
            _NOW, "delete the secret or parameter at once; it can't be restored", "switch", own_variable="DSOPS_RM_NOW"
        ),
        Flag(_UNDO, "cancel the deletion of a secret", "switch", own_variable="DSOPS_RM_UNDO"),
        EXPECT,
        YES,
        DRY_RUN,
    ),
    operands=(STORE, KEY),
)
