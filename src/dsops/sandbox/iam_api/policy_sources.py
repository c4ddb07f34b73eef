"""The policies that the policy simulator evaluates: AWS's names for them, and the positions of their statements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from dsops.errors import PolicyInvalid, SandboxRefusal
from dsops.policy import Policy, PolicyKind, Statement, lower_case, parse_policy
from dsops.policy.language.tokens import PolicyVariable, tokenize
from dsops.request.stored_policies import StoredPolicy
from dsops.request.wire.errors import refusal

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)


class SimulatedPolicy(NamedTuple):
    """A policy's document, under the name that the simulator gives it."""

    name: str
    text: str

    def policy(self, kind: PolicyKind) -> Policy:
        """Parse the document. Raises InvalidInput."""
        try:
            return parse_policy(self.text, kind, name=self.name)
        except PolicyInvalid as cause:
            why = cause.problems[0].message if cause.problems else cause.message
            raise invalid_input(f"The policy {self.name} is malformed: {why}") from cause


def invalid_input(message: str) -> SandboxRefusal:
    """Return an InvalidInput error (400)."""
    return refusal("InvalidInput", message)


def of_owner(kind: str, owner: str, policies: Iterable[StoredPolicy]) -> Iterator[SimulatedPolicy]:
    """Yield the policies of a `user`, `group` or `role` under the simulator's names.

    An inline policy is named like `role_Deploy_read`, and a managed policy by its own name.
    """
    for policy in policies:
        is_managed = policy.name.startswith("arn:")
        name = policy.name.rpartition("/")[2] if is_managed else f"{kind}_{owner}_{policy.name}"
        yield SimulatedPolicy(name, policy.text)


def of_list(name: str, texts: object) -> list[SimulatedPolicy]:
    """Return the documents of a list parameter, named `PolicyInputList.1` and so on."""
    listed = texts if isinstance(texts, list) else []
    return [SimulatedPolicy(f"{name}.{number}", str(text)) for number, text in enumerate(listed, 1)]


def context_keys(policies: Iterable[Policy]) -> list[str]:
    """Return the distinct condition keys and variables in the policies, as first written."""
    keys: dict[str, str] = {}
    for policy in policies:
        for statement in policy.statements:
            for key in keys_of(statement):
                keys.setdefault(lower_case(key), key)
    return list(keys.values())


def keys_of(statement: Statement) -> Iterator[str]:
    """Yield the condition keys of a statement as written, including those of its policy variables."""
    texts = list(statement.resources.written) if statement.resources is not None else []
    for condition in statement.conditions:
        yield condition.key
        texts += condition.values
    for text in texts:
        try:
            tokens = tokenize(text, has_variables=True, has_wildcards=False)
        except ValueError:  # In policies of version 2008-10-17 this is plain text, not a variable.
            continue
        for token in tokens:
            if isinstance(token, PolicyVariable):
                yield token.written[2:-1].partition(",")[0].strip()


Position = tuple[int, int]
"""Line and column, counted from 1.

The column is that of the character after the brace, as in the AWS responses that LocalStack's tests recorded.
"""


@lru_cache(maxsize=256)
def statement_spans(text: str) -> tuple[tuple[Position, Position], ...]:
    """Return the start and end of each statement in a well-formed policy document."""
    spans = []
    opened: list[tuple[str, int, bool]] = []  # Each item: bracket, offset, whether the bracket opens a statement.
    last_key = ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in "{[":
            above = opened[-1] if opened else ("", 0, False)
            in_list = len(opened) == 2 and above[0] == "[" and above[2]
            is_value = len(opened) == 1 and last_key == '"Statement"'
            # The list of statements is marked too, because a brace directly inside the list begins a statement.
            opened.append((token, match.start(), is_value or (in_list and token == "{")))
        elif token in "}]":
            bracket, start, is_statement = opened.pop()
            if bracket == "{" and is_statement:
                spans.append((_position(text, start), _position(text, match.start())))
        elif len(opened) == 1:
            last_key = token
    return tuple(spans)


def _position(text: str, index: int) -> Position:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index) + 1
