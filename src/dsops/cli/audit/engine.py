"""`dsops audit report --engine`: the report from a table of a Trino cluster."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from dsops.audit.cloudtrail.question import AuditQuestion, QuestionOptions
from dsops.audit.cloudtrail.statement import days_of
from dsops.audit.report import AuditReport
from dsops.cli.audit.logs_table import DEFAULT_TABLE, days_in, table_in
from dsops.cli.framework.command import Arguments, Flag
from dsops.cli.framework.output import note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.termination import ends_tidily
from dsops.errors import UsageError
from dsops.runtime import Event, Runtime
from dsops.text import counted

ENGINE = Flag(
    "--engine",
    "query a table of this Trino cluster, instead of log files: trino://USER@HOST:PORT/CATALOG/SCHEMA",
    "filled",
    value="ADDRESS",
    own_variable="DSOPS_AUDIT_ENGINE",
)
_FROM = Flag(
    "--from",
    f"with --engine: the table (default {DEFAULT_TABLE})",
    value="TABLE",
    own_variable="DSOPS_AUDIT_ENGINE_FROM",
)
_BEGIN = Flag(
    "--begin",
    "with --engine: the first day to read, such as 2026-11-01",
    value="DAY",
    own_variable="DSOPS_AUDIT_ENGINE_BEGIN",
)
_END = Flag("--end", "with --engine: the last day to read", value="DAY", own_variable="DSOPS_AUDIT_ENGINE_END")
_DIALECT = Flag(
    "--dialect",
    "with --engine: `ocsf` for a table of Security Lake (default trino)",
    value="DIALECT",
    choices=("trino", "ocsf"),
    own_variable="DSOPS_AUDIT_ENGINE_DIALECT",
)
ENGINE_FLAGS = (ENGINE, _FROM, _BEGIN, _END, _DIALECT)


def engine_words(arguments: Arguments) -> list[str]:
    """Return the flags of this file as words of a command line; [] without `--engine`. Raises UsageError.

    The words contain no credentials, because an address with a password is refused.
    """
    chosen = [(flag.name, arguments.text(flag.name)) for flag in ENGINE_FLAGS if arguments.text(flag.name)]
    if chosen and not arguments.text(ENGINE.name):
        raise UsageError(f"`{chosen[0][0]}` has no effect without `{ENGINE.name}`", hint=f"leave out `{chosen[0][0]}`")
    if chosen and arguments.words("LOGS"):
        raise UsageError(f"`{ENGINE.name}` can't be combined with LOGS", hint="name either files or an engine")
    return [word for name, text in chosen for word in (name, text)]


def report_of_engine(
    arguments: Arguments, runtime: Runtime, *, since: datetime | None, questions: Sequence[AuditQuestion], session: str
) -> AuditReport:
    """Make the report in the cluster. Shows progress. Ctrl-C cancels the query in the cluster."""
    from dsops.audit.cloudtrail.dialects import TRINO
    from dsops.audit.cloudtrail.ocsf import OCSF, days_of_lake
    from dsops.audit.cloudtrail.trino import TrinoProgress, open_trino
    from dsops.audit.cloudtrail.trino_address import parse_trino_address, trino_credentials
    from dsops.audit.cloudtrail.trino_network import network_of
    from dsops.audit.cloudtrail.trino_report import report_in_trino

    dialect = OCSF if arguments.text(_DIALECT.name) == OCSF.name else TRINO
    if dialect is OCSF and not arguments.text(_FROM.name):
        raise UsageError("`--dialect ocsf` needs the name of Security Lake's table", hint="add `--from TABLE`")
    begin, end = days_in(arguments)
    table, days = table_in(arguments), days_of_lake(begin, end) if dialect is OCSF else days_of(begin, end)
    address = parse_trino_address(arguments.text(ENGINE.name))
    credentials = trino_credentials(runtime.environ, address)
    network = network_of(address, runtime.environ, runtime.folder)

    def step(name: str, done: int, number: int, progress: TrinoProgress) -> None:
        percent = (100 * done + progress.percent) // number
        facts = {
            "percent": f"{percent} %",
            "engine": "Trino",
            "query": f"{done + 1}/{number}",
            "question": name,
            "state": progress.state,
            "stages": progress.stages,
            "rows": counted(progress.rows, "row"),
            "read": f"{progress.read_bytes / 1e6:.0f} MB" if progress.read_bytes else "",
        }
        runtime.report(Event("engine.running", facts))

    options = QuestionOptions(since=since, by=arguments.text("--by"), session=session)
    with ends_tidily(), open_trino(address, credentials, network, table) as cluster:
        try:
            return report_in_trino(
                cluster, table, where=days, options=options, questions=questions, dialect=dialect, on_step=step
            )
        except KeyboardInterrupt:
            runtime.report(DONE)
            left = cluster.left_running
            note(f"the query {left} may still run in Trino" if left else "the query was cancelled in Trino")
            raise
        finally:
            runtime.report(DONE)
