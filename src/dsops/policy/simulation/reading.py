"""Parse a simulation table (YAML or JSON) into Cases; report every problem with its line.

    defaults:
      principal: arn:aws:iam::111122223333:user/alice
      action: sts:AssumeRole
      resource: arn:aws:iam::123456789012:role/Deploy
      trust: trust.json
      context: {sts:ExternalId: "4711"}
    policies:
      anything: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}
    cases:
      - name: alice deploys
        identity: anything
        expect: allow

docs/reference/policy-simulate.md lists all keys.
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from typing import Final, NamedTuple

from dsops.arn import is_account_id, parse_arn
from dsops.document import Document, Mapping, Node, Scalar, Sequence
from dsops.errors import Problem, nearest
from dsops.policy.evaluation.consulted import PolicyType
from dsops.policy.language.callers import read_caller
from dsops.policy.language.letters import lower_case
from dsops.policy.language.principals import Principal
from dsops.policy.language.session_actions import is_about_roles
from dsops.policy.simulation.case import (
    EXPECTATIONS,
    POLICY_TYPES,
    Case,
    CaseQuestion,
    Expected,
    Groups,
    Place,
    Verdict,
)
from dsops.policy.simulation.named_policies import SourceReader
from dsops.policy.simulation.questions import check_exact_action, question_problems, resource_account

_ASKED_KEYS: Final = ("principal", "action", "resource", "resource_account", "context")
_PLACE_KEYS: Final[dict[str, Place]] = {
    "identity": "identity",
    "boundary": "boundary",
    "session": "session",
    "trust": "trust",
    "resource_policy": "resource",
    "scp": "scp",
    "rcp": "rcp",
}
_EXPECTED_KEYS: Final = ("expect", "decided_by", "sid", "line")
_CASE_KEYS: Final = ("name", *_ASKED_KEYS, *_PLACE_KEYS, *_EXPECTED_KEYS)
_DEFAULT_KEYS: Final = (*_ASKED_KEYS, *_PLACE_KEYS, *_EXPECTED_KEYS)


class CaseTable(NamedTuple):
    """The cases of a table, or its problems in line order."""

    cases: tuple[Case, ...]
    problems: tuple[Problem, ...]


def read_cases(document: Document, file: str) -> CaseTable:
    """Read the cases of a document. `file` is the file name shown in problems."""
    reader = _Reader(file)
    reader.problems.extend(document.problems)
    cases = reader.table(document.root) if document.root is not None else ()
    if document.root is None and not document.problems:
        reader.note(1, "", "the file is empty", "the least is `cases: [...]`")
    # A mistake in the defaults is found in each case, so duplicates are removed.
    problems = sorted(dict.fromkeys(reader.problems), key=lambda problem: problem.where.line)
    return CaseTable(cases if not problems else (), tuple(problems))


class _Reader(SourceReader):
    """Parses a table of cases."""

    def __init__(self, file: str) -> None:
        super().__init__(file)
        self._lines: dict[str, int] = {}

    def table(self, root: Node) -> tuple[Case, ...]:
        keys = self.keys(root, "", ("defaults", "policies", "cases"))
        self.read_named(keys.get("policies"))
        defaults = self.keys(keys["defaults"], "defaults", _DEFAULT_KEYS) if "defaults" in keys else {}
        listed = keys.get("cases")
        if not isinstance(listed, Sequence) or not listed.items:
            self.note(listed.line if listed else root.line, "cases", "`cases` must be a list of at least one case")
            return ()
        return tuple(
            case
            for index, node in enumerate(listed.items)
            if (case := self._case(node, f"cases[{index}]", defaults)) is not None
        )

    def _case(self, node: Node, path: str, defaults: MappingOf[str, Node]) -> Case | None:
        before = len(self.problems)
        own = self.keys(node, path, _CASE_KEYS)
        name = self.text(own["name"], f"{path}.name") if "name" in own else ""
        if not name:
            self.note(node.line, f"{path}.name", "a case needs a `name`")
        elif name in self._lines:
            self.note(node.line, f"{path}.name", f"the case of line {self._lines[name]} has the same name")
        self._lines.setdefault(name, node.line)
        both = _Values(own, defaults, path)
        question = self._question(both, node)
        policies = self._policies(both, node.line, question)
        expected = self._expected(both, node)
        if len(self.problems) > before or question is None:
            return None
        return Case(name, node.line, question, policies, expected)

    def _question(self, both: _Values, node: Node) -> CaseQuestion | None:
        principal = self._principal(both, node)
        action = self._action(both, node)
        resource = self.text(*both.at("resource")) if both.get("resource") else "*"
        if resource != "*" and parse_arn(resource) is None:
            self.note(both.line("resource"), both.path_of("resource"), f"`{resource}` is neither an ARN nor `*`")
        account = self._resource_account(both, resource, principal)
        context = self._context(both)
        if principal is None or not action:
            return None
        return CaseQuestion(principal, action, resource, account, context)

    def _action(self, both: _Values, node: Node) -> str:
        """Return the action; "" when the case has none."""
        if both.get("action") is None:
            self.note(node.line, f"{both.path}.action", "`action` is missing", "write it here or under `defaults`")
            return ""
        action, path = self.text(*both.at("action")), both.path_of("action")
        before = len(self.problems)
        self.attempt(both.get("action"), path, lambda: check_exact_action(action))
        return action if len(self.problems) == before else ""

    def _principal(self, both: _Values, node: Node) -> Principal | None:
        principal_node = both.get("principal")
        path = both.path_of("principal")
        if principal_node is None:
            self.note(node.line, path, "`principal` is missing", "write it here or under `defaults`")
            return None
        parts: dict[str, str] = {}
        if isinstance(principal_node, Mapping):
            keys = self.keys(principal_node, path, ("arn", "role", "id"))
            parts = {key: self.text(value, f"{path}.{key}") for key, value in keys.items()}
            text = parts.get("arn", "")
        else:
            text = self.text(principal_node, path)
        return self.attempt(
            principal_node,
            path,
            lambda: read_caller(text, role_arn=parts.get("role", ""), unique_id=parts.get("id", "")),
        )

    def _resource_account(self, both: _Values, resource: str, principal: Principal | None) -> str:
        if both.get("resource_account") is not None:
            account = self.text(*both.at("resource_account"))
            if not is_account_id(account):
                path = both.path_of("resource_account")
                self.note(both.line("resource_account"), path, f"`{account}` is not an account id", "12 digits")
            return account
        return resource_account(resource, principal)

    def _context(self, both: _Values) -> dict[str, tuple[str, ...]]:
        """Merge the condition keys of the table's defaults and of the case.

        A key in the case replaces the same key in the defaults. Keys are compared case-insensitively.
        """
        context: dict[str, tuple[str, ...]] = {}
        for node, path in both.layers("context"):
            for key, value in self.entries(node, path):
                for earlier_key in [
                    earlier_key for earlier_key in context if lower_case(earlier_key) == lower_case(key.text)
                ]:
                    del context[earlier_key]
                context[key.text] = self._values(value, f"{path}.{key.text}")
        return context

    def _values(self, node: Node, path: str) -> tuple[str, ...]:
        if isinstance(node, Scalar):
            return () if node.kind == "null" else (node.text,)
        if isinstance(node, Sequence):
            return tuple(self.text(item, f"{path}[{index}]") for index, item in enumerate(node.items))
        self.note(node.line, path, "a condition key has a text or a list of texts")
        return ()

    def _policies(self, both: _Values, node_line: int, question: CaseQuestion | None) -> dict[Place, Groups]:
        policies: dict[Place, Groups] = {}
        for key, place in _PLACE_KEYS.items():
            node = both.get(key)
            # From the defaults, a case takes `trust` if its action is about a role, otherwise `resource_policy`.
            is_other = question is not None and key == (
                "resource_policy" if is_about_roles(question.action) else "trust"
            )
            if node is None or (is_other and not both.is_own(key)):
                continue
            policies[place] = self.groups(place, node, both.path_of(key))
        if policies.get("trust") and policies.get("resource"):
            self.note(
                both.line("resource_policy"),
                both.path_of("resource_policy"),
                "`trust` and `resource_policy` are both given",
                "a role's is its trust policy, any other's the second",
            )
        if question is not None:
            self._check_question(both, node_line, question, policies)
        return policies

    def _check_question(
        self, both: _Values, line: int, question: CaseQuestion, policies: MappingOf[Place, Groups]
    ) -> None:
        problems = question_problems(
            question, has_trust=bool(policies.get("trust")), has_resource=bool(policies.get("resource"))
        )
        for key, message in problems:
            self.note(both.line(key) if both.is_own(key) else line, f"{both.path}.{key}", message)

    def _expected(self, both: _Values, node: Node) -> Expected | None:
        if both.get("expect") is None:
            self.note(node.line, f"{both.path}.expect", "`expect` is missing", f"one of {', '.join(EXPECTATIONS)}")
            return None
        verdict = self._verdict(self.text(*both.at("expect")), both)
        decided_by = self.text(*both.at("decided_by")) if both.get("decided_by") else ""
        types: dict[str, PolicyType] = {**POLICY_TYPES, **{name: name for name in POLICY_TYPES.values()}}
        if decided_by and decided_by not in types:
            self.note(
                both.line("decided_by"),
                both.path_of("decided_by"),
                f"`{decided_by}` is not a type of policy",
                f"one of {', '.join(POLICY_TYPES)}",
            )
        sid = self.text(*both.at("sid")) if both.get("sid") else ""
        line = self.text(*both.at("line")) if both.get("line") else "0"
        if not (line.isascii() and line.isdigit()):
            self.note(both.line("line"), both.path_of("line"), f"`{line}` is not the number of a line")
            line = "0"
        return Expected(verdict, types.get(decided_by) or "", sid, int(line))

    def _verdict(self, text: str, both: _Values) -> Verdict:
        for verdict in EXPECTATIONS:
            if text == verdict:
                return verdict
        meant = nearest(text, EXPECTATIONS)
        hint = f"did you mean `{meant}`?" if meant else f"one of {', '.join(EXPECTATIONS)}"
        self.note(both.line("expect"), both.path_of("expect"), f"`{text}` is no answer", hint)
        return "allow"


class _Values:
    """The values of a case by key, with the table's defaults for missing keys; and each key's path in the file."""

    def __init__(self, own: MappingOf[str, Node], defaults: MappingOf[str, Node], path: str) -> None:
        self._own = own
        self._defaults = defaults
        self.path = path

    def get(self, key: str) -> Node | None:
        return self._own.get(key) or self._defaults.get(key)

    def at(self, key: str) -> tuple[Node, str]:
        """Return the value of a key and its path. The key must be present."""
        return self._own.get(key) or self._defaults[key], self.path_of(key)

    def is_own(self, key: str) -> bool:
        return key in self._own

    def path_of(self, key: str) -> str:
        return f"{self.path}.{key}" if key in self._own or key not in self._defaults else f"defaults.{key}"

    def line(self, key: str) -> int:
        node = self.get(key)
        return node.line if node is not None else 0

    def layers(self, key: str) -> list[tuple[Node, str]]:
        """Return the key's value in the defaults, then its value in the case, each with its path."""
        layered = []
        if key in self._defaults:
            layered.append((self._defaults[key], f"defaults.{key}"))
        if key in self._own:
            layered.append((self._own[key], f"{self.path}.{key}"))
        return layered
