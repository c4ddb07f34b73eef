"""The grammar of policy documents, by kind of policy. Each violation is a problem with its line.

AWS IAM User Guide, "Grammar of the IAM JSON policy language" and the pages on elements; AWS Organizations User Guide,
"SCP syntax" and "RCP syntax". A document that contains an unknown element is refused as a whole.
"""

from __future__ import annotations

from typing import Final

from dsops.document import Document, Mapping, Node, Sequence, parse_json
from dsops.errors import PolicyInvalid, Where
from dsops.policy.language.policy import KIND_WORDS, ParsedPolicy, Policy, PolicyKind, Statement
from dsops.policy.language.statement import StatementReader

_NOT_JSON: Final = "This policy contains invalid Json"


def parse_policy(text: str, kind: PolicyKind, *, name: str = "", file: str = "") -> Policy:
    """Parse a policy from JSON text.

    `name` identifies the policy in decisions; `file` is the file name in its problems. Raises PolicyInvalid with
    every problem, in line order, for a document that AWS would refuse.
    """
    checked = check_policy(parse_json(text, file or name), kind, name=name, file=file)
    if checked.policy is not None:
        return checked.policy
    raise PolicyInvalid(
        f"{name or file or 'the text'} is not a valid {KIND_WORDS[kind]}",
        why=f"AWS would answer MalformedPolicyDocument: {checked.aws_message}",
        where=Where(file, checked.problems[0].where.line) if file else None,
        problems=checked.problems,
    )


def check_policy(document: Document, kind: PolicyKind, *, name: str = "", file: str = "") -> ParsedPolicy:
    """Return the policy in a JSON or YAML document, or all problems of the document in line order.

    `name` identifies the policy in decisions (default: `file`); `file` is the file name in its problems (default:
    `name`).
    """
    reader = _DocumentReader(kind, file or name)
    version, statements = reader.document(document)
    if not reader.problems:
        return ParsedPolicy(Policy(name or file, kind, version, statements), (), "")
    # `sorted` is stable: problems on the same line stay in the order in which they were found.
    problems = sorted(reader.problems, key=lambda entry: entry[0].where.line)
    return ParsedPolicy(None, tuple(problem for problem, _ in problems), problems[0][1])


class _DocumentReader(StatementReader):
    """Reads one document as a policy of one kind."""

    def document(self, document: Document) -> tuple[str, tuple[Statement, ...]]:
        self.problems.extend((problem, _NOT_JSON) for problem in document.problems)
        root = document.root
        if root is None:
            if not document.problems:
                self.note(1, "", "the document is empty", aws=_NOT_JSON)
            return "", ()
        if not isinstance(root, Mapping):
            self.note(root.line, "", "a policy is a JSON object")
            return "", ()
        for key, _ in root.entries:
            if key.text not in ("Version", "Id", "Statement"):
                self.unknown(key, "", ("Version", "Id", "Statement"))
        version = self._version(root)
        identifier = root.get("Id")
        if identifier is not None and not self.rules.has_id:
            message = "only resource-based policies have an `Id`"
            self.note(identifier.line, "Id", message, aws="Has prohibited field Id")
        elif identifier is not None:
            self.text(identifier, "Id")
        self.has_variables = version == "2012-10-17"
        return version, self._statements(root)

    def _version(self, root: Mapping) -> str:
        node = root.get("Version")
        if node is None:
            if self.rules.needs_2012:
                self.note(
                    root.line,
                    "Version",
                    "`Version` is missing",
                    hint='add `"Version": "2012-10-17"`',
                    aws="Policy document must be version 2012-10-17 or greater.",
                )
            return "2008-10-17"
        version = self.text(node, "Version")
        if version not in ("2012-10-17", "2008-10-17"):
            self.note(
                node.line,
                "Version",
                f"`{version}` is not a version of the policy language",
                hint='write `"Version": "2012-10-17"`',
            )
        elif self.rules.needs_2012 and version != "2012-10-17":
            self.note(
                node.line,
                "Version",
                "the version must be 2012-10-17",
                aws="Policy document must be version 2012-10-17 or greater.",
            )
        return version

    def _statements(self, root: Mapping) -> tuple[Statement, ...]:
        node = root.get("Statement")
        if node is None:
            self.note(root.line, "Statement", "`Statement` is missing")
            return ()
        if isinstance(node, Mapping):
            entries: list[tuple[Node, str]] = [(node, "Statement")]
        elif isinstance(node, Sequence):
            entries = [(item, f"Statement[{index}]") for index, item in enumerate(node.items)]
        else:
            self.note(node.line, "Statement", "a statement is an object, or a list of objects")
            return ()
        if not entries:
            self.note(node.line, "Statement", "the list of statements is empty")
        statements = []
        sids: dict[str, int] = {}
        for item, path in entries:
            if not isinstance(item, Mapping):
                self.note(item.line, path, "a statement is an object")
                continue
            statement = self.statement(item, path)
            if statement is None:
                continue
            statements.append(statement)
            if self.rules.has_strict_sids and statement.sid:
                if statement.sid in sids:
                    self.note(
                        statement.line,
                        f"{path}.Sid",
                        f"the Sid `{statement.sid}` is also that of line {sids[statement.sid]}",
                    )
                sids.setdefault(statement.sid, statement.line)
        return tuple(statements)
