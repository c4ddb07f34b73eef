"""Read policies from a document and check each policy by the rules for its kind."""

from __future__ import annotations

import os
from typing import Final

from dsops.arn import parse_arn
from dsops.document import Document, Mapping, Node, Scalar, Sequence, parse_json, parse_yaml, to_json
from dsops.errors import Where
from dsops.input_file import read_whole, reason
from dsops.policy import ParsedPolicy, PolicyKind, check_policy
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.seed.nodes import Nodes

_FILES: Final = (".json", ".yaml", ".yml")
"""Suffixes of strings that are file names.

A policy that is written as text never has such a suffix, because it ends with a brace.
"""

_MOST_BYTES = 1 << 22


class PolicyNodes(Nodes):
    """Reads policies written as YAML, as JSON text in YAML, or as a file name relative to the seed's folder."""

    def __init__(self, file: str, folder: str) -> None:
        super().__init__(file)
        self.folder = folder
        """The folder to which file names are relative."""

    def policies(self, node: Node | None, path: str) -> tuple[StoredPolicy, ...]:
        """Return inline identity policies and managed policies. A managed policy has its ARN as name and "" as text."""
        return self.named_policies(node, path, "identity", "policy-")

    def named_policies(self, node: Node | None, path: str, kind: PolicyKind, prefix: str) -> tuple[StoredPolicy, ...]:
        """Return the policies in a list of documents or `{name, document}` mappings.

        The name of an unnamed policy consists of the prefix and the policy's number.
        """
        if node is None:
            return ()
        if not isinstance(node, Sequence):
            self.note(node.line, path, "this must be a list of policies" + (" and ARNs" if kind == "identity" else ""))
            return ()
        return tuple(
            self._named_policy(item, f"{path}[{index}]", kind, f"{prefix}{index + 1}")
            for index, item in enumerate(node.items)
        )

    def _named_policy(self, item: Node, path: str, kind: PolicyKind, name: str) -> StoredPolicy:
        if kind == "identity" and isinstance(item, Scalar) and item.text.startswith("arn:"):
            if not is_policy_arn(item.text):
                self.note(item.line, path, f"`{item.text}` is not the ARN of a managed policy")
            return StoredPolicy(item.text, "")
        if isinstance(item, Mapping) and item.get("document") is not None:
            keys = self.keys(item, path, ("name", "document"))
            name = self.text(keys["name"], f"{path}.name") if "name" in keys else name
            return StoredPolicy(name, self.policy(keys["document"], path, kind))
        return StoredPolicy(name, self.policy(item, path, kind))

    def policy(self, node: Node, path: str, kind: PolicyKind) -> str:
        """Return the policy document as JSON text."""
        if isinstance(node, Scalar) and node.text.endswith(_FILES):
            return self._policy_in_file(node, path, kind)
        if isinstance(node, Scalar):
            checked = check_policy(parse_json(node.text, self.file), kind, name=path, file=self.file)
            self._note_all(checked, path, node.line)
            return node.text
        self._note_all(check_policy(Document(node, ()), kind, name=path, file=self.file), path)
        return to_json(node)

    def _policy_in_file(self, node: Scalar, path: str, kind: PolicyKind) -> str:
        """Return the policy document in a file as JSON text.

        With a file name, a seed can use the same document that is deployed.
        """
        name = os.path.join(self.folder, node.text)
        try:
            text = read_whole(name, _MOST_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            why = reason(error) if isinstance(error, OSError) else "it is not UTF-8"
            self.note(node.line, path, f"the policy {name} can't be read: {why}")
            return ""
        is_yaml = not name.endswith(".json")
        document = parse_yaml(text, name) if is_yaml else parse_json(text, name)
        self._note_all(check_policy(document, kind, name=name, file=name), path)
        return to_json(document.root) if is_yaml and document.root is not None else text

    def _note_all(self, checked: ParsedPolicy, path: str, line: int = 0) -> None:
        """Report the problems of a policy, each at its own line, or all at `line` if it is set."""
        for problem in checked.problems:
            where = Where(self.file, line) if line else problem.where
            self.problems.append(problem._replace(where=where, path=f"{path}.{problem.path}".rstrip(".")))


def is_policy_arn(text: str) -> bool:
    """Whether the text is the ARN of a managed policy."""
    arn = parse_arn(text)
    return arn is not None and arn.service == "iam" and arn.resource_type == "policy"
