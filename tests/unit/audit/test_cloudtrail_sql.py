"""The audit questions as SQL for Athena and DuckDB: each engine's parser accepts it; user text is a literal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from dsops.audit.cloudtrail.dialects import ATHENA, DUCKDB, FIELDS, TRINO, Dialect
from dsops.audit.cloudtrail.duck import standalone
from dsops.audit.cloudtrail.question import AuditQuestion, QuestionOptions, sql_of, text_literal
from dsops.audit.cloudtrail.questions import QUESTIONS
from dsops.audit.cloudtrail.statement import days_of, whole

READERS = [(ATHENA, "athena"), (TRINO, "trino"), (DUCKDB, "duckdb")]
ASKED = QuestionOptions(since=datetime(2026, 11, 20, 10, tzinfo=UTC), session="dsops-deploy")


def text_of(question: AuditQuestion, dialect: Dialect, asked: QuestionOptions = ASKED) -> str:
    """Return the complete statement."""
    if dialect == DUCKDB:
        return standalone(question, asked, "logs/**/*.json.gz")
    return whole(question, asked, dialect, "cloudtrail_logs", days_of("2026-11-01", "2026-11-30"))


def parsed(text: str, reader: str) -> Any:
    """Return the parsed statement; assert that there is exactly one."""
    (statement,) = sqlglot.parse(text, dialect=reader)
    return statement


@pytest.mark.parametrize(("dialect", "reader"), READERS, ids=lambda each: each if isinstance(each, str) else each.name)
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda each: each.name)
def test_each_engines_parser_reads_each_question(question: AuditQuestion, dialect: Dialect, reader: str) -> None:
    """Each engine's parser reads each question as one SELECT with the question's columns in order."""
    statement = parsed(text_of(question, dialect), reader)
    assert isinstance(statement, exp.Select)
    assert list(question.columns) == statement.named_selects


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda question: question.name)
def test_every_relation_that_is_named_is_defined(question: AuditQuestion) -> None:
    """Every relation that a statement uses, except the table, is defined in the statement."""
    statement = parsed(text_of(question, ATHENA), "athena")
    defined = {relation.alias for relation in statement.find_all(exp.CTE)}
    assert {"cloudtrail_logs"} == {relation.name for relation in statement.find_all(exp.Table)} - defined


def test_only_a_question_of_uses_reads_the_table_twice() -> None:
    """`failures` reads the table `calls` once and `durations` twice: Athena reads a relation at each use."""
    reads = {name: text_of(QUESTIONS[name], ATHENA).count("FROM calls") for name in ("failures", "events", "durations")}
    assert {"failures": 1, "events": 1, "durations": 2} == reads


def test_days_select_athenas_partitions() -> None:
    """A first and a last day limit the partitions that Athena reads; without them Athena reads all."""
    both = "\"timestamp\" >= '2026/11/01' AND \"timestamp\" <= '2026/11/30'"
    assert both == days_of("2026-11-01", "2026-11-30")
    assert not days_of("", "")
    assert "WHERE \"timestamp\" >= '2026/11/01'" in text_of(QUESTIONS["failures"], ATHENA)


def test_athena_is_not_sent_duckdbs_functions() -> None:
    """The SQL for Athena (Trino) uses no function that only DuckDB has, such as `try_strptime`."""
    for question in QUESTIONS.values():
        text = text_of(question, ATHENA)
        others = ("strptime", "quantile", "to_seconds", "from_json(")
        assert not [word for word in others if word in text]


def test_every_field_is_read_where_each_engine_has_it() -> None:
    """Request parameters are JSON text in Athena and a struct in DuckDB; a field that AWS's table lacks is optional."""
    role = FIELDS["role_arn"]
    assert "json_extract_scalar(requestparameters, '$.roleArn')" == ATHENA.field(role)
    assert 'r."requestParameters"."roleArn"' == DUCKDB.field(role)
    assert "CAST(useridentity AS JSON)" in ATHENA.field(FIELDS["carried_identity"])


def test_only_events_reads_the_column_that_the_documented_table_lacks() -> None:
    """The table of AWS's documentation has no `managementevent`, so only the question `events` reads it."""
    reading = {name for name, question in QUESTIONS.items() if "managementevent" in text_of(question, ATHENA)}
    assert reading == {"events"}


def test_athena_and_trino_get_the_same_statement() -> None:
    """Athena is a Trino: each question is the same text for both."""
    assert [text_of(each, ATHENA) for each in QUESTIONS.values()] == [
        text_of(each, TRINO) for each in QUESTIONS.values()
    ]


@given(st.text())
def test_a_users_text_is_one_literal(text: str) -> None:
    """Any user text becomes one SQL literal, including quotes, comments, backslashes and template placeholders."""
    literal = text_literal(text)
    assert ("'", "'") == (literal[0], literal[-1])
    assert "'" not in literal[1:-1].replace("''", "")
    filled = sql_of(QUESTIONS["history"], QuestionOptions(session=text), ATHENA)
    assert filled.count(literal) >= 3


def test_a_text_that_looks_like_sql_stays_a_text() -> None:
    """User text that looks like SQL is parsed as one literal."""
    hostile = "x' OR 1=1; DROP TABLE calls; -- $since $median(x)"
    statement = parsed(text_of(QUESTIONS["history"], ATHENA, QuestionOptions(session=hostile)), "athena")
    assert 3 == sum(1 for sql_literal in statement.find_all(exp.Literal) if sql_literal.name == hostile)
