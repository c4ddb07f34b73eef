"""Invented audit reports: a busy week of an organization, and an empty one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from dsops.audit.report import Answer, AuditReport
from tests.cloudtrail.columns import COLUMNS

START = datetime(2026, 11, 13, 6, tzinfo=UTC)
END = datetime(2026, 11, 20, 5, 59, 58, tzinfo=UTC)
BOUNDARY = END - timedelta(days=1)

ACCOUNTS = ("111122223333", "222233334444", "333344445555", "444455556666", "555566667777")
ROLES = tuple(
    f"arn:aws:iam::{account}:role/{name}"
    for account, name in (
        (ACCOUNTS[1], "deploy/ProdDeploy"),
        (ACCOUNTS[2], "StagingDeploy"),
        (ACCOUNTS[1], "ReadSecrets"),
        (ACCOUNTS[3], "DataLoader"),
        (ACCOUNTS[4], "BreakGlass"),
        (ACCOUNTS[0], "dsops-jump"),
    )
)
PEOPLE = tuple(f"arn:aws:iam::{ACCOUNTS[0]}:user/{name}" for name in ("ada", "brook", "casey", "devon", "emery"))
PIPELINE = f"arn:aws:iam::{ACCOUNTS[0]}:role/ci/github-actions"


def answer(question: str, *rows: tuple[object, ...]) -> Answer:
    """An answer with these rows under the question's columns."""
    return Answer(question, tuple(COLUMNS[question].split()), rows)


def report_of(*answers: Answer, **facts: object) -> AuditReport:
    """A report with these answers, and an empty answer for every other question."""
    given = {each.question: each for each in answers}
    values: dict[str, object] = {
        "answers": tuple(given.get(question, answer(question)) for question in COLUMNS if question != "history"),
        "by": "role",
        "since": None,
        "boundary": BOUNDARY,
        "first": START,
        "last": END,
        "calls": 52_310,
        "records": 52_890,
        "skipped": 0,
        "left_out": 0,
        "files": 168,
        "unreadable": (),
        "sources": ("logs",),
    }
    return AuditReport(**(values | facts))  # type: ignore[arg-type]  # fields by name, as the tests say them


def empty_report() -> AuditReport:
    """A report on a folder without logs."""
    return report_of(first=None, last=None, boundary=None, calls=0, records=0, files=0)


def busy_report() -> AuditReport:
    """A report on a week with findings of every kind."""
    return report_of(
        *_metrics(),
        *_unusual(),
        skipped=14,
        sources=("logs/organisation", "logs/eu-central-1"),
        unreadable=(
            ("logs/organisation/2026/11/14/1111_CloudTrail_x.json.gz", "the gzip file ends too early"),
            ("logs/organisation/2026/11/17/secret.json", "permission denied"),
        ),
    )


def many_pairs(number: int) -> tuple[tuple[object, ...], ...]:
    """Rows of the answer to `accounts`, the busiest pair first."""
    return tuple(
        (
            f"{10**11 + index % 17}",
            f"{2 * 10**11 + index * 7 % 23}",
            4 * (number - index) ** 2,
            index % 3,
            2,
            1,
            START,
            END,
        )
        for index in range(number)
    )


def _metrics() -> tuple[Answer, ...]:
    hours = [START + timedelta(hours=index) for index in range(168)]
    busy = [max(0, 40 - abs((hour.hour - 13) * 5)) // (4 if hour.weekday() >= 5 else 1) for hour in hours]
    return (
        answer(
            "timeline",
            *(
                (hour, 6 + number, 4 if hour.day == 18 and 9 <= hour.hour <= 15 else index % 7 // 6, 1 + number // 5)
                for index, (hour, number) in enumerate(zip(hours, busy, strict=True))
            ),
        ),
        answer(
            "failures",
            (ROLES[0], "AccessDenied", 41, 3, START, END),
            (ROLES[3], "AccessDenied", 17, 1, START, END),
            (ROLES[2], "ExpiredTokenException", 9, 2, START, END),
            (ROLES[4], "ValidationError", 4, 1, START, END),
            ("GetSessionToken", "AccessDenied", 2, 1, START, END),
        ),
        answer(
            "durations",
            (ROLES[0], 1411, 20, 3600, 3600, 712, 3597),
            (ROLES[2], 640, 0, 3600, 43200, 14, 3100),
            (ROLES[1], 311, 12, 7200, 7200, 6400, 7199),
            (ROLES[5], 168, 3, 3600, 3600, 3, 11),
            (ROLES[3], 70, 0, 43200, 43200, 40900, 43199),
            (ROLES[4], 1, 1, 900, 900, None, None),
        ),
        answer(
            "principals",
            *(
                (role, who, 900 // (1 + index + place), place % 2 * index, START, END)
                for index, role in enumerate(ROLES)
                for place, who in enumerate((PIPELINE, *PEOPLE)[: 6 - index])
            ),
        ),
        answer(
            "accounts",
            (ACCOUNTS[0], ACCOUNTS[1], 2092, 50, 6, 2, START, END),
            (ACCOUNTS[0], ACCOUNTS[2], 311, 0, 4, 1, START, END),
            (ACCOUNTS[1], ACCOUNTS[3], 87, 17, 1, 1, START, END),
            (ACCOUNTS[0], ACCOUNTS[4], 5, 4, 2, 1, START, END),
        ),
        answer(
            "throttling",
            ("secretsmanager", "GetSecretValue", "ThrottlingException", 31, START, END),
            ("ssm", "GetParameters", "ThrottlingException", 6, START, END),
        ),
        answer(
            "events",
            ("Data", "s3", 31000),
            ("Management", "secretsmanager", 9120),
            ("Management", "ec2", 6402),
            ("Management", "sts", 2675),
            ("Data", "lambda", 2113),
            ("Management", "ssm", 1000),
        ),
        answer("saved", ("AssumeRole", 5121), ("GetSecretValue", 310)),
        answer(
            "summary",
            *(
                (role, 1452 // index, 1411 // index, 41 // index, 7 - index, 1, 3600, 700 // index, START, END)
                for index, role in enumerate(ROLES, start=1)
            ),
        ),
    )


def _unusual() -> tuple[Answer, ...]:
    jump = ROLES[5]
    return (
        answer(
            "new-principals",
            (ROLES[4], PEOPLE[4], 1, BOUNDARY + timedelta(hours=3)),
            (ROLES[3], f"{ACCOUNTS[3]}/AIDAEXAMPLE", 12, BOUNDARY + timedelta(hours=9)),
        ),
        answer("new-accounts", (ACCOUNTS[1], ACCOUNTS[3], 87, 17, BOUNDARY + timedelta(hours=1))),
        answer("new-addresses", (PEOPLE[0], "203.0.113.99", 4, 1, 2, BOUNDARY + timedelta(hours=2))),
        answer("without-mfa", (ROLES[4], PEOPLE[1], 3, 0, 2), (ROLES[0], PEOPLE[2], 12, 40, 4)),
        answer("without-external-id", (ROLES[5], "900000000001", 7, 2, START, END)),
        answer("long-use", (ROLES[3], 44, 70, 43200)),
        answer("short-use", (ROLES[2], 500, 640, 3600, 48), (jump, 168, 168, 3600, 11)),
        answer(
            "denials",
            (PEOPLE[3], "sts", "AssumeRole", ROLES[0], "AccessDenied", 38, START, END),
            (PIPELINE, "secretsmanager", "GetSecretValue", "", "AccessDeniedException", 12, START, END),
            (PIPELINE, "s3", "PutObject", "", "AccessDenied", 5, START, END),
        ),
        answer(
            "chains",
            (" > ".join((PIPELINE, jump, ROLES[0], ROLES[2], ROLES[3])), 4, 12, START, END),
            (" > ".join((PIPELINE, jump, ROLES[0], ROLES[2])), 3, 87, START, END),
            (" > ".join((PEOPLE[0], jump, ROLES[0], ROLES[4])), 3, 2, START, END),
        ),
    )
