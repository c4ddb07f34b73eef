"""Extract the statements of a policy document with their lines, leaving out malformed parts.

The grammar check refuses a document with any mistake. The linter still checks the valid parts, so that one mistake
does not hide others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from dsops.document import Mapping, Node, Scalar, Sequence
from dsops.policy.language.letters import lower_case
from dsops.policy.language.operators import Operator, parse_operator
from dsops.policy.language.policy import PolicyKind

STATEMENT_ELEMENTS: Final = tuple(
    """
    Effect Principal NotPrincipal Action NotAction Resource NotResource Condition
    """.split()
)


class Named(NamedTuple):
    """One principal in a statement."""

    type: str
    text: str
    line: int
    path: str


class Clause(NamedTuple):
    """One condition key under one operator."""

    operator: str
    """The operator in its original case."""
    parsed: Operator
    key: str
    """The condition key in its original case."""
    lower: str
    values: tuple[Scalar, ...]
    line: int
    path: str


class View(NamedTuple):
    """One statement, with malformed parts left out."""

    path: str
    line: int
    sid: str
    sid_line: int
    effect: Literal["Allow", "Deny", ""]
    principals: tuple[Named, ...]
    are_principals_negated: bool
    actions: tuple[Scalar, ...]
    are_actions_negated: bool
    resources: tuple[Scalar, ...]
    are_resources_negated: bool
    clauses: tuple[Clause, ...]
    nulls: dict[str, frozenset[str]]
    """The keys of Null conditions, in lower case, with their values: `true` for absent, `false` for present."""

    @property
    def is_for_everyone(self) -> bool:
        """Whether the Principal element is `*`, or a list that contains `*`."""
        return not self.are_principals_negated and any(
            named.type == "AWS" and named.text == "*" for named in self.principals
        )

    def element(self, name: str) -> str:
        """Return the element's path; the path of its Not... form if the statement has that form."""
        negated = {
            "Principal": self.are_principals_negated,
            "Action": self.are_actions_negated,
            "Resource": self.are_resources_negated,
        }[name]
        return f"{self.path}.{'Not' if negated else ''}{name}"


class DocumentView(NamedTuple):
    """A policy document, prepared for the checks of the linter."""

    root: Mapping
    kind: PolicyKind
    version: str
    """The Version; "" when the document has none."""
    version_line: int
    statements: tuple[View, ...]

    @property
    def has_variables(self) -> bool:
        """Whether `${...}` is a policy variable in this document."""
        return self.version == "2012-10-17"


def statement_nodes(root: Node | None) -> list[tuple[Mapping, str]]:
    """Return a document's statements with their paths. A document that is a bare statement has one."""
    if not isinstance(root, Mapping):
        return []
    if is_fragment(root):
        return [(root, "")]
    node = root.get("Statement")
    if isinstance(node, Mapping):
        return [(node, "Statement")]
    items = node.items if isinstance(node, Sequence) else ()
    return [(item, f"Statement[{index}]") for index, item in enumerate(items) if isinstance(item, Mapping)]


def is_fragment(root: Node | None) -> bool:
    """Whether the node is a statement, or a part of one, without the enclosing policy."""
    if not isinstance(root, Mapping):
        return False
    keys = {key.text for key, _ in root.entries}
    return "Statement" not in keys and not keys.isdisjoint(STATEMENT_ELEMENTS)


def look(root: Mapping, kind: PolicyKind) -> DocumentView:
    """Return the view of a document, with everything in it that is valid."""
    version = root.get("Version")
    text = version.text if isinstance(version, Scalar) else ""
    line = version.line if version is not None else root.line
    return DocumentView(root, kind, text, line, tuple(_statement(node, path) for node, path in statement_nodes(root)))


def _statement(node: Mapping, path: str) -> View:
    # The elements are read in one pass, because this function reads every statement of every policy.
    elements = {key.text: value for key, value in node.entries}
    inside = f"{path}." if path else ""
    effect = elements.get("Effect")
    effect_text = effect.text if isinstance(effect, Scalar) else ""
    sid = elements.get("Sid")
    is_negated = {
        name: name not in elements and f"Not{name}" in elements for name in ("Principal", "Action", "Resource")
    }
    element = {name: f"Not{name}" if is_negated[name] else name for name in is_negated}
    clauses = tuple(_clauses(elements.get("Condition"), f"{inside}Condition"))
    return View(
        path=path,
        line=node.line,
        sid=sid.text if isinstance(sid, Scalar) else "",
        sid_line=sid.line if sid is not None else node.line,
        effect="Allow" if effect_text == "Allow" else "Deny" if effect_text == "Deny" else "",
        principals=tuple(_principals(elements.get(element["Principal"]), f"{inside}{element['Principal']}")),
        are_principals_negated=is_negated["Principal"],
        actions=_texts(elements.get(element["Action"])),
        are_actions_negated=is_negated["Action"],
        resources=_texts(elements.get(element["Resource"])),
        are_resources_negated=is_negated["Resource"],
        clauses=clauses,
        nulls=_nulls(clauses),
    )


def _texts(node: Node | None) -> tuple[Scalar, ...]:
    if isinstance(node, Scalar):
        return (node,)
    if isinstance(node, Sequence):
        return tuple(item for item in node.items if isinstance(item, Scalar))
    return ()


def _principals(node: Node | None, path: str) -> Iterator[Named]:
    if isinstance(node, Scalar) and node.text == "*":
        yield Named("AWS", "*", node.line, path)
    if isinstance(node, Mapping):
        for key, values in node.entries:
            for scalar in _texts(values):
                yield Named(key.text, scalar.text, scalar.line, f"{path}.{key.text}")


def _nulls(clauses: tuple[Clause, ...]) -> dict[str, frozenset[str]]:
    nulls: dict[str, frozenset[str]] = {}
    for clause in clauses:
        if clause.parsed.family == "Null":
            null_values = frozenset(lower_case(value.text) for value in clause.values)
            nulls[clause.lower] = nulls.get(clause.lower, frozenset()) | null_values
    return nulls


def _clauses(node: Node | None, path: str) -> Iterator[Clause]:
    if not isinstance(node, Mapping):
        return
    for operator, keys in node.entries:
        try:
            parsed = parse_operator(operator.text)
        except ValueError:  # The grammar check reports an unknown operator.
            continue
        if isinstance(keys, Mapping):
            for key, values in keys.entries:
                yield Clause(
                    operator.text,
                    parsed,
                    key.text,
                    lower_case(key.text),
                    _texts(values),
                    key.line,
                    f"{path}.{operator.text}.{key.text}",
                )
