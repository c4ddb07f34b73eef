"""Formats answers as a JUnit report that is valid by the schemas of both Ant and Jenkins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

# `_IMPOSSIBLE` matches characters that XML 1.0 can't contain even when escaped. `_ESCAPES` escapes characters that a
# careless parser could take for markup or line ends.
_IMPOSSIBLE: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}


class SuiteCase(NamedTuple):
    """One test case of a suite."""

    name: str
    failure: str
    """The difference from the expected decision, on one line; "" if there is none."""
    text: str
    """The full explanation of the failure."""


def junit_xml(suite_name: str, package: str, cases: Sequence[SuiteCase], *, now: datetime) -> str:
    """Return the report as an XML document: one suite with its cases."""
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
    """Return the text content of an XML element; line ends are kept."""
    return _IMPOSSIBLE.sub("\ufffd", value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
