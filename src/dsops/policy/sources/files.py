"""Files with policies -> who is known in them: users and roles, and what is attached, each statement with its line.

A sandbox's seed, what `aws iam get-account-authorization-details` prints, or a template of what is to be deployed. A
part that can't be read stays unread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from typing import Final, Literal, NamedTuple

from dsops.cli.policy.files import STDIN, parse_policy_text, read_policy
from dsops.document import Document, Mapping, Node, Scalar, Sequence, parse_json, parse_yaml
from dsops.errors import PolicyInvalid, PolicyUnreadable, UsageError
from dsops.policy.language.policy import KIND_WORDS, Policy, PolicyKind, check_policy, parse_policy
from dsops.runtime import Runtime

Kind = Literal["role", "user"]
Levels = tuple[tuple[Policy, ...], ...]

EVERYTHING: Final = '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}'
_OF_AWS: Final = "arn:aws:iam::aws:policy/AdministratorAccess"

SecretPlace = tuple[str, str, str]
"""Account, region and name."""


class Known(NamedTuple):
    """A user or role, as a file has it."""

    arn: str
    kind: Kind
    unique_id: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    trust: Policy | None = None
    identity: tuple[Policy, ...] = ()
    unread_identity: str = ""
    """Why some of its policies are not among them; "" when they are all there."""
    boundary: Policy | None = None
    unread_boundary: str = ""
    unread_trust: str = ""
    max_seconds: int = 0
    """How long a session may be; 0 when the file does not say."""


class FileOrganization(NamedTuple):
    """What a seed says above its accounts."""

    service: dict[str, Levels]
    resource: dict[str, Levels]
    is_there: bool
    """Whether the accounts are in one: its ids are condition keys."""


class PolicyFile(NamedTuple):
    """All that one file tells."""

    name: str
    people: tuple[Known, ...]
    accounts: frozenset[str]
    """Those of which it tells everything: who is not in it does not exist."""
    organization: FileOrganization | None = None
    providers: frozenset[str] = frozenset()
    """The ARNs of the identity providers of those accounts."""
    secrets: MappingOf[SecretPlace, Policy | str | None] = {}
    """The policy of each secret of those accounts; a text says why it can't be used."""


def read_policy_file(name: str, runtime: Runtime) -> PolicyFile:
    """What the file tells. Raises PolicyUnreadable, or PolicyInvalid for what is neither of the forms."""
    hint = "one policy is given with --trust-policy ROLE=FILE or --identity-policy WHO=FILE"
    return read_policy_text(read_policy(name, runtime), name, runtime, hint)


def read_policy_text(text: str, name: str, runtime: Runtime, hint: str) -> PolicyFile:
    """What the text of that file tells; `hint` is for what is neither of the forms. Raises PolicyInvalid."""
    shown = STDIN if name == "-" else name
    document = parse_policy_text(text, shown)
    if document.problems and _is_template(document.root):
        # Templates have short forms of functions, which mean nothing in other files.
        document = parse_yaml(text, shown, has_functions=True)
    root = document.root
    if document.problems:
        raise PolicyInvalid(f"{shown} can't be used", hint=_CORRECT, problems=document.problems)
    if isinstance(root, Mapping) and isinstance(root.get("accounts"), Mapping):
        from dsops.policy.sources.seed import SeedPolicies

        return SeedPolicies(shown, runtime).read(root)
    if isinstance(root, Mapping) and (root.get("RoleDetailList") or root.get("UserDetailList")):
        from dsops.policy.sources.account_details import AccountDetails

        return AccountDetails(shown, runtime).read(root)
    if isinstance(root, Mapping) and _is_template(root):
        from dsops.policy.sources.templates import Template

        return Template(shown, runtime).read(root)
    if isinstance(root, Mapping) and (root.get("planned_values") or root.get("values")):
        from dsops.policy.sources.templates import Terraform

        return Terraform(shown, runtime).read(root)
    raise PolicyInvalid(
        f"{shown} holds no policies of users and roles",
        why="it is neither a sandbox's seed, nor what `aws iam get-account-authorization-details` or `terraform show "
        "-json` prints, nor a CloudFormation template",
        hint=hint,
    )


def _is_template(root: Node | None) -> bool:
    return isinstance(root, Mapping) and isinstance(root.get("Resources"), Mapping)


_CORRECT: Final = "correct the file, and run the same again"


def read_one_policy(flag: str, word: str, kind: PolicyKind, runtime: Runtime) -> tuple[str, Policy]:
    """Who is meant by `WHO=FILE`, and the policy of that file."""
    who, equals, file = word.rpartition("=")
    if not equals or not who or not file:
        raise UsageError(f"`{flag} {word}` is not WHO=FILE", hint=f"such as {flag} Deploy=policy.json")
    text = read_policy(file, runtime)
    # Comments are for people: what deploys such a file takes them out.
    document = parse_json(text, file, comments=True) if file.endswith(".jsonc") else parse_policy_text(text, file)
    checked = check_policy(document, kind, name=file, file=file)
    if checked.policy is None:
        raise PolicyInvalid(f"{file} is no {KIND_WORDS[kind]} that AWS accepts", problems=checked.problems)
    return who, checked.policy


class PolicyFileReader:
    """What both forms have in common: nodes that are policies."""

    def __init__(self, file: str, runtime: Runtime) -> None:
        self.file = file
        self._runtime = runtime
        self.managed: dict[str, Policy] = {_OF_AWS: parse_policy(EVERYTHING, "identity", name=_OF_AWS)}

    def policy(self, node: Node | None, kind: PolicyKind) -> Policy | str:
        """The policy: written here, a text of JSON, or the name of a file; else why it can't be used."""
        if node is None:
            return "it is not in the file"
        name, document = self.file, Document(node, ())
        if isinstance(node, Scalar):
            if node.text.lstrip().startswith("{"):
                document = parse_json(node.text, self.file)
            else:
                name = os.path.join(os.path.dirname(self.file), node.text)
                try:
                    document = parse_policy_text(read_policy(name, self._runtime), name)
                except PolicyUnreadable as error:
                    return f"{error.message}: {error.why}"
        checked = check_policy(document, kind, name=name, file=name)
        if checked.policy is None:
            first = checked.problems[0]
            return f"{first.where}: {first.message}"
        is_text = isinstance(node, Scalar) and name == self.file
        return _at_line(checked.policy, node.line) if is_text else checked.policy

    def attached(self, arn: str) -> Policy | str:
        """A managed policy by its ARN."""
        return self.managed.get(arn) or f"{arn} is not in {self.file}"


def _at_line(policy: Policy, line: int) -> Policy:
    """A policy that stands as a text on one line."""
    return policy._replace(
        statements=tuple(
            statement._replace(line=line, conditions=tuple(each._replace(line=line) for each in statement.conditions))
            for statement in policy.statements
        )
    )


def gathered(found: Iterator[Policy | str]) -> tuple[tuple[Policy, ...], str]:
    """The policies, and the first reason why one is missing."""
    policies, missing = [], ""
    for each in found:
        if isinstance(each, str):
            missing = missing or each
        else:
            policies.append(each)
    return tuple(policies), missing


def mapping_of(node: Node | None) -> Mapping:
    """The mapping; an empty one where it is something else."""
    return node if isinstance(node, Mapping) else Mapping((), 0)


def items_of(node: Node | None) -> tuple[Node, ...]:
    """The items of a list; none where it is something else."""
    return node.items if isinstance(node, Sequence) else ()


def texts_of(node: Node | None) -> list[str]:
    """Those of a list that are texts."""
    return [each.text for each in items_of(node) if isinstance(each, Scalar)]


def text_of(node: Mapping, key: str) -> str:
    """The text under that key; "" where there is none."""
    found = node.get(key)
    return found.text if isinstance(found, Scalar) and found.kind != "null" else ""
