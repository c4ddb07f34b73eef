"""Answers as a JUnit report that conforms to the schemas of both Ant and Jenkins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from dsops.cli.policy.answers import answer_lines, suite_name

if TYPE_CHECKING:
    from dsops.cli.policy.simulate import AnsweredCase

# Characters that XML 1.0 can't contain, not even escaped; and those that a careless parser takes for markup or line
# ends.
_IMPOSSIBLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


def junit_xml(rows: Sequence[AnsweredCase], file: str, *, now: datetime) -> str:
    """The report: one suite, a test case for each row; an unexpected answer is a failure with its reason as text."""
    name = suite_name(file)
    wrong = sum(1 for row in rows if row.differences)
    suite = {
        "name": name,
        "package": "dsops.policy",
        "id": "0",
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S"),
        "hostname": "localhost",
        "tests": str(len(rows)),
        "failures": str(wrong),
        "errors": "0",
        "time": "0",
    }
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", f"  <testsuite{_attributes(suite)}>"]
    lines.append("    <properties/>")
    for row in rows:
        lines += _case(row, name)
    lines += ["    <system-out/>", "    <system-err/>", "  </testsuite>", "</testsuites>"]
    return "\n".join(lines)


def _case(row: AnsweredCase, suite: str) -> list[str]:
    asked = row.case.asked
    name = row.case.name or f"{asked.action} on {asked.resource}"
    head = f"    <testcase{_attributes({'name': name, 'classname': suite, 'time': '0'})}"
    if not row.differences:
        return [f"{head}/>"]
    failure = {"message": "; ".join(row.differences), "type": "unexpected"}
    text = "\n".join(answer_lines(row))
    return [f"{head}>", f"      <failure{_attributes(failure)}>{_text(text)}</failure>", "    </testcase>"]


def _attributes(values: dict[str, str]) -> str:
    return "".join(f' {name}="{_attribute(value)}"' for name, value in values.items())


def _attribute(value: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in _IMPOSSIBLE.sub("\ufffd", value))


def _text(value: str) -> str:
    """Text of an element; keeps its line ends."""
    return _IMPOSSIBLE.sub("\ufffd", value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
