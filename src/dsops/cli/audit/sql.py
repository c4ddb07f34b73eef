"""`dsops audit sql`: the questions of the report as SQL, for more logs than one machine can read."""

from __future__ import annotations

from datetime import datetime

from dsops.audit.cloudtrail.dialects import ATHENA, DIALECTS, DUCKDB
from dsops.audit.cloudtrail.ocsf import OCSF, days_of_lake
from dsops.audit.cloudtrail.question import BY, AuditQuestion, QuestionOptions
from dsops.audit.cloudtrail.questions import HISTORY, QUESTIONS
from dsops.audit.cloudtrail.statement import AskedQuestion, days_of, whole
from dsops.cli.audit.logs_table import DEFAULT_TABLE, days_in, table_in
from dsops.cli.audit.records import time_of
from dsops.cli.audit.report import no_question, no_session, session_in
from dsops.cli.audit.run import RUN, RUN_FLAGS, run_question
from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.output import answer, answer_json, table
from dsops.errors import UsageError
from dsops.runtime import Runtime

_DIALECTS = {**DIALECTS, OCSF.name: OCSF}
_LAKE_TABLE = "amazon_security_lake_glue_db_us_east_1.amazon_security_lake_table_us_east_1_cloud_trail_mgmt_2_0"
_LOGS = "logs/**/*.json.gz"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name = arguments.operand("QUESTION")
    if not name:
        return _list(is_json=arguments.switch("--json"))
    if name not in QUESTIONS:
        raise no_question(name, QUESTIONS, "`dsops audit sql` lists them")
    wanted = wanted_by(QUESTIONS[name], arguments, runtime.now())
    if arguments.switch(RUN.name):
        return run_question(wanted, arguments, runtime)
    if arguments.switch("--json"):
        answer_json({"question": name, "dialect": wanted.dialect.name, "sql": wanted.sql})
    else:
        answer(wanted.sql.rstrip("\n"))
    return 0


def _list(*, is_json: bool) -> int:
    if is_json:
        answer_json(
            [{"question": each.name, "asks": each.asks, "columns": list(each.columns)} for each in QUESTIONS.values()]
        )
    else:
        answer(table(("QUESTION", "ASKS"), [(each.name, each.asks) for each in QUESTIONS.values()]))
    return 0


def wanted_by(question: AuditQuestion, arguments: Arguments, now: datetime) -> AskedQuestion:
    """Return the question with its options and its SQL statement, built from the flags. Raises UsageError."""
    dialect = _DIALECTS[arguments.text("--dialect")]
    since = arguments.text("--since")
    moment = time_of(since, now) if since else None
    session = session_in(arguments)
    if question is HISTORY and not session:
        raise no_session()
    options = QuestionOptions(since=moment, by=arguments.text("--by"), session=session)
    begin, end = days_in(arguments, question, moment)
    named = arguments.text("--from")
    if dialect == DUCKDB:
        from dsops.audit.cloudtrail.duck import standalone

        files = named or _LOGS
        return AskedQuestion(question, options, dialect, files, standalone(question, options, files), begin)
    if dialect == OCSF and not named:
        hint = f"add `--from`, with your region: {_LAKE_TABLE}"
        raise UsageError("`--dialect ocsf` needs the name of Security Lake's table", hint=hint)
    table = table_in(arguments)
    days = days_of_lake(begin, end) if dialect == OCSF else days_of(begin, end)
    sql = whole(question, options, dialect, table, days)
    return AskedQuestion(question, options, dialect, table, sql, begin)


COMMAND = Command(
    help=(
        "Print the SQL query for a question of `dsops audit report`, or run it in Athena with --run.\n"
        "\n"
        "The SQL queries a table of CloudTrail logs in Athena, or log files on this machine with DuckDB.\n"
        "Without QUESTION, the questions are listed.\n"
        "\n"
        "The query reads only the days from --begin (by default: from the day of --since) to --end. For a\n"
        "question about what is new, it also reads the thirty days before --since, to compare with. Athena\n"
        "needs the table from the AWS documentation, which is partitioned by the column `timestamp`.\n"
        "\n"
        "With --run, the result is shown as `dsops audit report` shows it. AWS bills for the bytes scanned;\n"
        "the number is printed at the end. Ctrl-C and --timeout stop the query.\n"
        "\n"
        "With --dialect ocsf, the SQL queries a table of Amazon Security Lake.\n"
        "\n"
        "  dsops audit sql failures --begin 2026-11-01\n"
        "  dsops audit sql failures --since 7d --run --store audit --workgroup security\n"
        "  dsops audit sql history --session deploy-7 --dialect duckdb --from 'logs/**/*.json.gz'"
    ),
    run=_run,
    flags=(
        Flag(
            "--dialect",
            "the SQL engine; `ocsf` is Athena with a table of Amazon Security Lake",
            value="ENGINE",
            choices=tuple(_DIALECTS),
            default=ATHENA.name,
            own_variable="DSOPS_AUDIT_DIALECT",
        ),
        Flag(
            "--from",
            f"the table (Athena, default {DEFAULT_TABLE}), or a file pattern (DuckDB)",
            value="TABLE",
            own_variable="DSOPS_AUDIT_FROM",
        ),
        Flag("--begin", "the first day to read: 2026-11-01", value="DAY", own_variable="DSOPS_AUDIT_BEGIN"),
        Flag("--end", "the last day to read", value="DAY", own_variable="DSOPS_AUDIT_END"),
        Flag(
            "--since",
            "report events after this time: `2h`, `7d`, or a timestamp",
            value="TIME",
            own_variable="DSOPS_AUDIT_SINCE",
        ),
        Flag(
            "--by",
            "group the answer to the question `summary` by this column",
            value="WHAT",
            choices=tuple(BY),
            default="role",
            own_variable="DSOPS_AUDIT_BY",
        ),
        Flag(
            "--session",
            "for the question `history`: the session, by its name, access key id or ARN",
            "filled",
            value="SESSION",
            own_variable="DSOPS_AUDIT_SESSION",
        ),
        *RUN_FLAGS,
    ),
    operands=(Operand("QUESTION", "the name of a question, such as `failures`", is_required=False),),
)
"""The command `dsops audit sql`."""
