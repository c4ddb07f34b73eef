"""`dsops rollback`: make an old version of a secret current again."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Command, Operand
from dsops.cli.framework.output import note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.secrets.target import (
    DRY_RUN,
    EXPECT,
    FLAGS,
    KEY,
    STORE,
    YES,
    answer_version,
    confirm,
    open_target,
    plan_target,
    show_calls,
)
from dsops.pipeline.execution import carry_out
from dsops.pipeline.journal import record_run
from dsops.runtime import Runtime

_VERSION = Operand("VERSION", "a version, by id, number or label (default: the previous version)", is_required=False)


def _run(arguments: Arguments, runtime: Runtime) -> int:
    plan = plan_target(arguments, runtime)
    if arguments.switch(DRY_RUN.name):
        return show_calls(plan, "rollback", arguments)
    target = open_target(plan, arguments, runtime)
    current = target.current(runtime, arguments.text(EXPECT.name))
    version = arguments.operand(_VERSION.name) or carry_out(target.secret.previous(), runtime)
    place = target.place(current)
    confirm(f"replace version {current.version} of {place} by its version {version}?", arguments, runtime)
    now_current = carry_out(target.secret.make_current(version, current.version), runtime)
    runtime.report(DONE)
    if now_current == current.version:
        note(f"version {version} of {place} is current already; nothing was changed")
    else:
        facts = {"store": target.store, "secret": target.key, "version": now_current}
        record_run(arguments.name, runtime, **facts, previous=current.version)
    text = f"version {now_current} of {place} is current"
    answer_version(target, text, {"version": now_current, "previous": current.version}, arguments)
    return 0


COMMAND = Command(
    help=(
        "Make an old version of a secret or parameter current again.\n"
        "\n"
        "In Secrets Manager, the label AWSCURRENT moves to the old version. In Parameter Store, the old\n"
        "value is written as a new version. Without VERSION, the previous version is used, so that\n"
        "a second rollback undoes the first."
    ),
    run=_run,
    is_audited=True,
    flags=(*FLAGS, EXPECT, YES, DRY_RUN),
    operands=(STORE, KEY, _VERSION),
)
