"""`dsops history`: list the versions of a secret."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Command
from dsops.cli.framework.output import answer, answer_json, table
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.secrets.target import DRY_RUN, FLAGS, KEY, SHOW, STORE, open_target, plan_target, show_calls
from dsops.errors import SecretNotFound
from dsops.pipeline.execution import carry_out
from dsops.pipeline.journal import record_run
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.stores.writing.writable_secret import VersionRecord


def _run(arguments: Arguments, runtime: Runtime) -> int:
    shows = arguments.switch(SHOW.name)
    plan = plan_target(arguments, runtime)
    if arguments.switch(DRY_RUN.name):
        return show_calls(plan, "show" if shows else "history", arguments)
    target = open_target(plan, arguments, runtime)
    versions = carry_out(target.secret.history(), runtime)
    values: dict[str, Secret] = {}
    for each in versions if shows else ():
        try:
            values[each.version] = carry_out(target.secret.read(each.version), runtime).value
        except SecretNotFound:
            continue  # The version has no value, or AWS has removed the version since dsops read the list.
    record_run(arguments.name, runtime, store=target.store, secret=target.key, shown=list(values))
    runtime.report(DONE)
    if arguments.switch("--json"):
        answer_json([_fields(each, values, shows=shows) for each in versions])
    else:
        headings = ("VERSION", "STATE", "LABELS", "WRITTEN", "BY", *(["VALUE"] if shows else []))
        answer(table(headings, [_row(each, values, shows=shows) for each in versions]))
    return 0


def _fields(each: VersionRecord, values: dict[str, Secret], *, shows: bool) -> dict[str, str | bool | list[str] | None]:
    fields: dict[str, str | bool | list[str] | None] = {
        "version": each.version,
        "is_current": each.is_current,
        "labels": list(each.labels),
        "written": each.created.strftime("%Y-%m-%dT%H:%M:%SZ") if each.created is not None else None,
        "by": each.author or None,
    }
    if shows:
        fields["value"] = values[each.version].reveal() if each.version in values else None
    return fields


def _row(each: VersionRecord, values: dict[str, Secret], *, shows: bool) -> tuple[str, ...]:
    state = "current" if each.is_current else ""
    written = each.created.strftime("%Y-%m-%d %H:%M:%SZ") if each.created is not None else ""
    value = values[each.version].reveal() if each.version in values else ""
    return (each.version, state, ", ".join(each.labels), written, each.author, *([value] if shows else []))


COMMAND = Command(
    help=(
        "List the versions of a secret or parameter, the newest first.\n"
        "\n"
        "For each version, the list shows the time when it was written, its labels, and for parameters the\n"
        "identity that wrote it (Secrets Manager does not record that). Values are printed only with --show."
    ),
    run=_run,
    is_audited=True,
    flags=(*FLAGS, SHOW, DRY_RUN),
    operands=(STORE, KEY),
)
