"""Read simulation tables from files, and the policy files that the tables name."""

from __future__ import annotations

import os

from dsops.document import Document
from dsops.errors import CasesInvalid, PolicyUnreadable, Problem, Where
from dsops.policy.language.grammar import check_policy
from dsops.policy.language.policy import KIND_WORDS, Policy
from dsops.policy.simulation import FULL_ACCESS, Case, Place, PolicySet, PolicySource, full_access, read_cases
from dsops.policy.sources.text import STDIN, ReadFile, parse_policy_text, shown_name


def read_table(file: str, read_file: ReadFile) -> tuple[Case, ...]:
    """Return the cases of a file. Raises CasesInvalid with every problem, or PolicyUnreadable."""
    shown_file = shown_name(file)
    table = read_cases(parse_policy_text(read_file(file), shown_file), shown_file)
    if table.problems:
        raise CasesInvalid(f"{shown_file} can't be used", problems=table.problems)
    return table.cases


class PolicyFiles:
    """Reads policy files. A file is read once for each place. Relative paths start at the table's folder."""

    def __init__(self, shown_file: str, table: str, read_file: ReadFile) -> None:
        """`shown_file` is the table's name in messages, `table` is its path. Without a table, both are ""."""
        self._shown = shown_file
        self._folder = os.path.dirname(table)
        self._read_file = read_file
        self._problems: dict[Problem, None] = {}
        self._documents: dict[str, Document | None] = {}
        self._compiled: dict[tuple[object, Place], Policy | None] = {}

    def policies(self, case: Case) -> PolicySet:
        """Return the policies of a case. Invalid policies are left out, and `raise_any` reports them."""
        return {
            place: tuple(
                tuple(policy for source in group if (policy := self._policy(source, place)) is not None)
                for group in groups
            )
            for place, groups in case.policies.items()
        }

    def raise_any(self) -> None:
        """Raise CasesInvalid with every problem if any policy was invalid."""
        if self._problems:
            subject = self._shown or "the question"
            raise CasesInvalid(f"{subject} names policies that can't be used", problems=tuple(self._problems))

    def _policy(self, source: PolicySource, place: Place) -> Policy | None:
        if place in FULL_ACCESS and source.node is None and source.file in ("", FULL_ACCESS[place]):
            return full_access(place)
        # Several cases may refer to one node, which is parsed only once.
        key = (source.file if source.node is None else id(source.node)), place
        if key not in self._compiled:
            self._compiled[key] = self._compile(source, place)
        return self._compiled[key]

    def _compile(self, source: PolicySource, place: Place) -> Policy | None:
        if source.node is not None:
            file, document = source.file, Document(source.node, ())
        else:
            file = os.path.join(self._folder, source.file) if source.file != "-" else "-"
            parsed = self._read(file, source)
            if parsed is None:
                return None
            document, file = parsed, STDIN if file == "-" else file
        checked = check_policy(document, place, name=file, file=file)
        for problem in checked.problems:
            words = KIND_WORDS[place]
            self._problems[problem._replace(message=f"{problem.message} (as {_article(words)} {words})")] = None
        return checked.policy

    def _read(self, file: str, source: PolicySource) -> Document | None:
        if file not in self._documents:
            try:
                self._documents[file] = parse_policy_text(self._read_file(file), file)
            except PolicyUnreadable as error:
                self._documents[file] = None
                where = Where(self._shown, source.line) if self._shown else Where(file)
                message = f"{error.message}: {error.why}" if error.why else error.message
                self._problems[Problem(where, source.path, message)] = None
        return self._documents[file]


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" else "a"
