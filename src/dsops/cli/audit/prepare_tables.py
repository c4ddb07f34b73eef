"""`dsops audit prepare --ddl`: the statements that create tables of CloudTrail logs in Athena and Trino."""

from __future__ import annotations

import re
from datetime import timedelta

from dsops.audit.preparing.table_statements import LogTable, athena_statements, trino_statements
from dsops.cli.framework.command import Arguments, Flag
from dsops.cli.framework.output import answer, answer_json
from dsops.errors import UsageError
from dsops.runtime import Runtime

_YEAR = timedelta(days=365)
_STATEMENTS = {"athena": athena_statements, "trino": trino_statements}
DDL = Flag(
    "--ddl",
    "print the SQL statements that create the tables of logs in this engine",
    value="ENGINE",
    choices=tuple(_STATEMENTS),
    own_variable="DSOPS_AUDIT_DDL",
)
_LOCATION = Flag(
    "--location",
    "with `--ddl`: the S3 location that contains AWSLogs",
    "filled",
    value="s3://BUCKET/PREFIX",
    own_variable="DSOPS_AUDIT_LOCATION",
)
_ACCOUNT = Flag(
    "--account",
    "with `--ddl`: the id of an account that has logs; may be repeated",
    value="ACCOUNT",
    is_repeatable=True,
    own_variable="DSOPS_AUDIT_ACCOUNT",
)
_LOGGED_REGION = Flag(
    "--logged-region",
    "with `--ddl`: a region that has logs; may be repeated",
    value="REGION",
    is_repeatable=True,
    own_variable="DSOPS_AUDIT_LOGGED_REGION",
)
_ORGANIZATION = Flag(
    "--organization",
    "with `--ddl`: the id of the organization, if the logs come from an organization trail",
    "filled",
    value="ID",
    own_variable="DSOPS_AUDIT_ORGANIZATION",
)
_BEGIN = Flag(
    "--begin",
    "with `--ddl`: the first day of the logs (default: a year ago)",
    value="DAY",
    own_variable="DSOPS_AUDIT_BEGIN",
)
TABLE_FLAGS = (DDL, _LOCATION, _ORGANIZATION, _ACCOUNT, _LOGGED_REGION, _BEGIN)
_FORMS = {
    _LOCATION.name: (re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/[\w!.*()=/-]+)?"), "s3://BUCKET/PREFIX"),
    _ACCOUNT.name: (re.compile(r"\d{12}", re.ASCII), "twelve digits"),
    _LOGGED_REGION.name: (re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d"), "a region such as eu-west-1"),
    _ORGANIZATION.name: (re.compile(r"o-[a-z0-9]{10,32}"), "an id such as o-exampleorgid"),
    _BEGIN.name: (
        re.compile(r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])", re.ASCII),
        "a date such as 2026-11-20",
    ),
}
"""The form of each flag's value, and its description."""


def print_statements(arguments: Arguments, runtime: Runtime) -> int:
    """Print the statements. Raises UsageError if a flag is missing or wrong."""
    engine = arguments.text(DDL.name)
    for name in (_LOCATION.name, _ACCOUNT.name, _LOGGED_REGION.name):
        if not _values(arguments, name):
            raise UsageError(f"`--ddl` needs `{name}`", hint=f"add `{name}`: {_FORMS[name][1]}")
    for name, (form, description) in _FORMS.items():
        for value in _values(arguments, name):
            if not form.fullmatch(value):
                raise UsageError(f"`{name} {value}` is not valid", hint=f"write {description}")
    logs = LogTable(
        location=arguments.text(_LOCATION.name),
        accounts=tuple(dict.fromkeys(arguments.texts(_ACCOUNT.name))),
        regions=tuple(dict.fromkeys(arguments.texts(_LOGGED_REGION.name))),
        first_day=arguments.text(_BEGIN.name) or f"{runtime.now() - _YEAR:%Y-%m-%d}",
        organization=arguments.text(_ORGANIZATION.name),
    )
    statements = _STATEMENTS[engine](logs)
    if arguments.switch("--json"):
        answer_json({"engine": engine, "statements": list(statements)})
    else:
        answer("\n\n".join(f"{statement};" for statement in statements))
    return 0


def _values(arguments: Arguments, name: str) -> tuple[str, ...]:
    if name in {_ACCOUNT.name, _LOGGED_REGION.name}:
        return tuple(arguments.texts(name))
    value = arguments.text(name)
    return (value,) if value else ()
