"""What is added to one table stands in the others as well: without that it would never show, or never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dsops.audit.cloudtrail.questions import REPORTED, TIMELINE
from dsops.audit.page.sections import SECTIONS
from dsops.audit.page.unusual import _KINDS
from dsops.cli.audit.report_text import _METRICS, _REST, _UNUSUAL
from dsops.doctor.examination import CODES
from tests.project.source import modules, nodes_of, tree_of

CHART_ONLY = {TIMELINE.name}
"""Questions of a report that the text leaves out: it has no charts."""
BY_THE_COMMAND = {"doctor.configuration"}
"""Codes of checks that `cli/look/doctor.py` makes before there is anything to examine."""
ENTRIES = {"examine", "plan_all"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_each_audit_question_shows_in_the_text_report() -> None:
    """`report_text` prints every question that the audit report asks (`REPORTED`), in one of its three groups."""
    shown = {question.name for question in (*_UNUSUAL, *_METRICS, *_REST)} | CHART_ONLY
    missing = {question.name for question in REPORTED} - shown
    assert not missing, f"add to _UNUSUAL, _METRICS or _REST of src/dsops/cli/audit/report_text.py: {missing}"


def test_each_audit_question_shows_on_the_page() -> None:
    """The HTML page shows every question of the audit report as a kind of unusual finding or in a section."""
    shown = {kind.question for kind in _KINDS} | {name for section in SECTIONS for name in section.questions}
    missing = {question.name for question in REPORTED} - shown
    assert not missing, (
        f"add to _KINDS of src/dsops/audit/page/unusual.py or SECTIONS of src/dsops/audit/page/sections.py: {missing}"
    )


def doctor_functions() -> dict[str, list[Function]]:
    """Name -> the functions of doctor's modules with that name, methods included."""
    functions: dict[str, list[Function]] = {}
    for name, file in modules().items():
        if name.startswith("dsops.doctor."):
            for node in nodes_of(file):
                if isinstance(node, Function):
                    functions.setdefault(node.name, []).append(node)
    return functions


def constants() -> dict[str, str]:
    """The texts that doctor's modules have names for."""
    return {
        target.id: node.value.value
        for name, file in modules().items()
        if name.startswith("dsops.doctor.")
        for node in tree_of(file).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def reached() -> set[str]:
    """The names of doctor's functions that an examination calls, directly or not."""
    functions, names, left = doctor_functions(), set[str](), set(ENTRIES)
    while left:
        name = left.pop()
        names.add(name)
        for function in functions[name]:
            used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
            left |= used & functions.keys() - names
    return names


def codes_of(function: Function) -> Iterator[str]:
    """The codes with which it makes checks."""
    named = constants()
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and node.args:
            code = node.args[0]
            if isinstance(code, ast.Constant) and isinstance(code.value, str):
                yield code.value
            elif isinstance(code, ast.Name) and code.id in named:
                yield named[code.id]


def test_each_function_that_checks_is_called() -> None:
    """Every `check_` function of doctor is called by `examine`, directly or indirectly."""
    checking = {name for name in doctor_functions() if name.startswith("check_")}
    missing = checking - reached()
    assert len(checking) > 5
    assert not missing, f"call it in `examine` of src/dsops/doctor/examination.py: {missing}"


def test_each_code_of_doctor_belongs_to_a_check_that_runs() -> None:
    """Every code in doctor's CODES, which page and help list, belongs to a check that runs."""
    functions = doctor_functions()
    made = {code for name in reached() for function in functions[name] for code in codes_of(function)}
    missing = CODES.keys() - made - BY_THE_COMMAND
    assert not missing, f"no check that `examine` of src/dsops/doctor/examination.py calls has it: {missing}"
