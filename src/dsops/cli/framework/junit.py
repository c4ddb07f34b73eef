"""Answers as a JUnit report, in the form that both Ant's and Jenkins' schema accept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

# What XML 1.0 can't hold, not even escaped; and what a careless reader would take for markup or a line's end.
_IMPOSSIBLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


class SuiteCase(NamedTuple):
    """One case of a suite."""

    name: str
    failure: str
    """What is not as expected, on one line; "" when everything is."""
    text: str
    """The whole reason for a failure."""


def junit_xml(suite_name: str, package: str, cases: Sequence[SuiteCase], *, now: datetime) -> str:
    """One suite with its cases, as an XML document."""
    suite = {
        "name": suite_name,
        "package": package,
        "id": "0",
        "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S"),
        "hostname": "localhost",
        "tests": str(len(cases)),
        "failures": str(sum(bool(case.failure) for case in cases)),
        "errors": "0",
        "time": "0",
    }
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<testsuites>", f"  <testsuite{_attributes(suite)}>"]
    lines.append("    <properties/>")
    for case in cases:
        lines += _case(case, suite_name)
    lines += ["    <system-out/>", "    <system-err/>", "  </testsuite>", "</testsuites>"]
    return "\n".join(lines)


def _case(case: SuiteCase, suite: str) -> list[str]:
    head = f"    <testcase{_attributes({'name': case.name, 'classname': suite, 'time': '0'})}"
    if not case.failure:
        return [f"{head}/>"]
    failure = {"message": case.failure, "type": "unexpected"}
    return [f"{head}>", f"      <failure{_attributes(failure)}>{_text(case.text)}</failure>", "    </testcase>"]


def _attributes(values: dict[str, str]) -> str:
    return "".join(f' {name}="{_attribute(value)}"' for name, value in values.items())


def _attribute(value: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in _IMPOSSIBLE.sub("\ufffd", value))


def _text(value: str) -> str:
    """Text of an element; its line ends stay as they are."""
    return _IMPOSSIBLE.sub("\ufffd", value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
