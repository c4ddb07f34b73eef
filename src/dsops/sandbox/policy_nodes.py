"""Policies of a document, read and checked by the kind that they should be."""

from __future__ import annotations

from dsops.arn import parse_arn
from dsops.document import Document, Mapping, Node, Scalar, Sequence, parse_json, to_json
from dsops.iam.policy import PolicyKind, check_policy
from dsops.sandbox.backends import PolicyText
from dsops.sandbox.nodes import Nodes


class PolicyNodes(Nodes):
    """Nodes that may be policies, written as YAML or as a JSON text in YAML."""

    def policies(self, node: Node | None, path: str) -> tuple[PolicyText, ...]:
        """Identity policies and ARNs of managed ones; the text of the latter is ""."""
        return self.named_policies(node, path, "identity", "policy-")

    def named_policies(
        self, node: Node | None, path: str, kind: PolicyKind, prefix: str
    ) -> tuple[PolicyText, ...]:
        """A list of documents or `{name, document}`; one without a name gets the prefix and its number."""
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            self.note(node.line, path, "this must be a list of policies" + (" and ARNs" if kind == "identity" else ""))
            return ()
        return tuple(
            self._named_policy(item, f"{path}[{index}]", kind, f"{prefix}{index + 1}")
            for index, item in enumerate(node.items)
        )

    def _named_policy(self, item: Node, path: str, kind: PolicyKind, name: str) -> PolicyText:
        if kind == "identity" and isinstance(item, Scalar) and item.text.startswith("arn:"):
            if not is_policy_arn(item.text):
                self.note(item.line, path, f"`{item.text}` is not the ARN of a managed policy")
            return PolicyText(item.text, "")
        if isinstance(item, Mapping) and item.get("document") is not None:
            keys = self.keys(item, path, ("name", "document"))
            name = self.text(keys["name"], f"{path}.name") if "name" in keys else name
            return PolicyText(name, self.policy(keys["document"], path, kind))
        return PolicyText(name, self.policy(item, path, kind))

    def policy(self, node: Node, path: str, kind: PolicyKind) -> str:
        """The document as JSON text."""
        if isinstance(node, Scalar):
            document = parse_json(node.text, self.file)
            checked = check_policy(document, kind, name=path, file=self.file)
            text, line = node.text, node.line
        else:
            checked = check_policy(Document(node, ()), kind, name=path, file=self.file)
            text, line = to_json(node), 0
        for problem in checked.problems:
            self.note(line or problem.where.line, f"{path}.{problem.path}".rstrip("."), problem.message, problem.hint)
        return text


def is_policy_arn(text: str) -> bool:
    """The ARN of a managed policy."""
    arn = parse_arn(text)
    return arn is not None and arn.service == "iam" and arn.resource_type == "policy"
