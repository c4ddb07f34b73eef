"""`dsops policy check`: report errors in IAM policies, and statements that do not do what they seem to do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple, get_args

from dsops.cli.framework.command import Arguments, Command, Flag, Group, Operand
from dsops.cli.framework.output import Json, answer, answer_json, note, shown_error
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.policy.generate import GENERATE
from dsops.cli.policy.replay import REPLAY
from dsops.cli.policy.simulate import SIMULATE
from dsops.errors import CheckFailed, DsopsError, Failures, PolicyUnreadable
from dsops.extras import install_command
from dsops.pipeline.policy_file import read_policy
from dsops.policy import (
    KIND_WORDS,
    SEVERITIES,
    AuthorizationReference,
    Finding,
    LintReport,
    PolicyKind,
    lint,
    parse_policy_text,
    shown_name,
)
from dsops.runtime import PartCount, Runtime
from dsops.service_reference import ServiceReference, open_reference
from dsops.text import clean, counted

TYPE = Flag(
    "--type",
    "the type of policy in the files (default: the type that the content suggests)",
    value="TYPE",
    choices=get_args(PolicyKind),
    own_variable="DSOPS_POLICY_TYPE",
)
FORMAT = Flag(
    "--format",
    "the output format; --json is the same as `--format json`",
    value="FORMAT",
    choices=("text", "json", "sarif"),
    own_variable="DSOPS_POLICY_FORMAT",
)


class CheckedFile(NamedTuple):
    """A policy file and the findings in it."""

    file: str
    report: LintReport


def _check(arguments: Arguments, runtime: Runtime) -> int:
    kind = next((known for known in get_args(PolicyKind) if known == arguments.text("--type")), None)
    reference = open_reference()
    checked: list[CheckedFile] = []
    unread: list[DsopsError] = []
    names = arguments.words("FILE")
    parts = PartCount(runtime.report, "checks.made", counted(len(names), "file"), len(names))
    for name in names:
        try:
            checked.append(_check_file(name, kind, reference, runtime))
        except PolicyUnreadable as error:
            unread.append(error)
        parts.add()
    runtime.report(DONE)
    _show(checked, reference, arguments, is_complete=not unread)
    if unread:
        raise unread[0] if len(unread) == 1 else Failures(tuple(unread))
    return 0 if all(file.report.is_clean for file in checked) else CheckFailed.exit_code


def _check_file(
    name: str, kind: PolicyKind | None, reference: AuthorizationReference | None, runtime: Runtime
) -> CheckedFile:
    file = shown_name(name)
    text = read_policy(name, runtime)
    extension = os.path.splitext(file)[1].lower()
    document = parse_policy_text(text, file)
    if document.is_too_large:
        hint = "check that it is the right file: no policy is that deep or large"
        raise PolicyUnreadable(f"{file} can't be checked", why=document.problems[-1].message, hint=hint)
    return CheckedFile(file, lint(document, len(text), kind, reference=reference, has_comments=extension == ".jsonc"))


def _show(
    checked: Sequence[CheckedFile], reference: ServiceReference | None, arguments: Arguments, *, is_complete: bool
) -> None:
    chosen = arguments.text("--format") or ("json" if arguments.switch("--json") else "text")
    if chosen == "sarif":
        from dsops.cli.framework.sarif import sarif_log

        answer_json(sarif_log(checked, _notes(checked, reference), is_complete=is_complete))
        return
    if chosen == "json":
        answer_json(_json(checked, reference))
        return
    for text in _notes(checked, reference):
        note(text)
    for file in checked:
        for line in _lines(file):
            answer(shown_error(line, 1))
    if any(file.report.findings for file in checked):
        answer(_summary(checked))


def _notes(checked: Sequence[CheckedFile], reference: ServiceReference | None) -> list[str]:
    """Return notes that help to judge the findings: guessed policy types, and checks that were not made."""
    texts = []
    for file, report in checked:
        if report.reason:
            kind = KIND_WORDS[report.kind]
            texts.append(f"{file} is read as {_article(kind)}: {report.reason}; --type says otherwise")
    if reference is None and checked:
        texts.append(
            "names of services, actions and their condition keys are not checked: "
            f"`{install_command('policy')}` adds that"
        )
    return texts


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _lines(checked: CheckedFile) -> list[str]:
    file, report = checked
    if not report.findings:
        return [f"{clean(file)}: nothing found in this {KIND_WORDS[report.kind]}"]
    lines = [finding_text(file, finding) for finding in report.findings]
    lines += [f"{clean(file)}: {number:,} more of {code}" for code, number in report.left_out.items()]
    return lines


def finding_text(file: str, finding: Finding) -> str:
    """Format a finding: `file:line: severity[code]: path: message`, as editors recognise it, and the hint."""
    path = f"{finding.path}: " if finding.path else ""
    head = f"{file}:{finding.line}: {finding.severity}[{finding.rule.code}]: {path}{finding.message}"
    return f"{clean(head)}\n  hint: {clean(finding.hint)}"


def _summary(checked: Sequence[CheckedFile]) -> str:
    parts = [
        counted(number, severity)
        for severity in SEVERITIES
        if (number := sum(file.report.counts[severity] for file in checked))
    ]
    return f"{', '.join(parts)}; `dsops help CODE` says more about each"


def _json(checked: Sequence[CheckedFile], reference: ServiceReference | None) -> Json:
    files: list[Json] = [
        {
            "file": file,
            "type": report.kind,
            "is_type_guessed": bool(report.reason),
            "findings": [_finding_value(finding) for finding in report.findings],
            "left_out": report.left_out,
            "counts": {f"{severity}s": number for severity, number in report.counts.items()},
        }
        for file, report in checked
    ]
    return {
        "is_clean": all(file.report.is_clean for file in checked),
        "service_reference": reference.version() if reference else None,
        "files": files,
    }


def _finding_value(finding: Finding) -> Json:
    return {
        "code": finding.rule.code,
        "severity": finding.severity,
        "line": finding.line,
        "path": finding.path,
        "message": finding.message,
        "hint": finding.hint,
    }


COMMAND = Group(
    help="Check, simulate and generate IAM policies, and replay recorded calls.",
    commands={
        "check": Command(
            help=(
                "Check policies and report every problem with its line.\n"
                "The checks find what AWS refuses, callers that a trust policy lets in by mistake, conditions that\n"
                "match when they should not, and names that AWS does not know. Reads JSON (comments are allowed) and\n"
                "YAML. The exit code is 6 for an error or a warning (not for a note), 2 if a file can't be read."
            ),
            run=_check,
            flags=(TYPE, FORMAT),
            operands=(Operand("FILE", "a file with one policy; `-` is stdin", is_repeatable=True),),
        ),
        "simulate": SIMULATE,
        "generate": GENERATE,
        "replay": REPLAY,
    },
)
