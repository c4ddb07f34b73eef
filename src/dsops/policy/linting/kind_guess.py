"""Guess the kind of a policy from its principals, actions and resources."""

from __future__ import annotations

from typing import NamedTuple

from dsops.document import Node, Scalar, Sequence
from dsops.policy.language.letters import lower_case
from dsops.policy.language.policy import PolicyKind
from dsops.policy.linting.document_view import statement_nodes


class Guess(NamedTuple):
    """A guessed kind of policy, and the reason for the guess."""

    kind: PolicyKind
    reason: str


def guess_kind(root: Node | None) -> Guess:
    """Guess whether a policy is a trust, resource or identity policy. Other kinds can't be distinguished from these."""
    has_principal = False
    is_of_sts = True
    for statement, _ in statement_nodes(root):
        elements = {key.text: value for key, value in statement.entries}
        has_principal = has_principal or "Principal" in elements or "NotPrincipal" in elements
        actions = _texts(elements.get("Action", elements.get("NotAction")))
        is_of_sts = is_of_sts and bool(actions) and all(lower_case(text).startswith("sts:") for text in actions)
    if has_principal and is_of_sts:
        return Guess("trust", "it names principals, and its actions are of STS")
    if has_principal:
        return Guess("resource", "it names principals, and actions other than those of STS")
    return Guess("identity", "it names no principal")


def _texts(node: Node | None) -> list[str]:
    items = node.items if isinstance(node, Sequence) else () if node is None else (node,)
    return [item.text for item in items if isinstance(item, Scalar)]
