"""Read users, roles and policies from a file. The file's format is recognised by its content."""

from __future__ import annotations

from typing import Final

from dsops.document import Mapping, Node, parse_yaml
from dsops.errors import PolicyInvalid
from dsops.policy.sources.account_details import AccountDetails
from dsops.policy.sources.entities import PolicyFile
from dsops.policy.sources.seed import SeedPolicies
from dsops.policy.sources.templates import Template, Terraform
from dsops.policy.sources.text import ReadFile, parse_policy_text, shown_name


def read_policy_source(text: str, name: str, read_file: ReadFile, hint: str = "") -> PolicyFile:
    """Return the users, roles, secrets and control policies that a file describes.

    - `text`: a sandbox's seed, the output of `aws iam get-account-authorization-details` or `terraform show -json`, or
      a CloudFormation template, as JSON or YAML.
    - `name`: the file's name, `-` for stdin.
    - `read_file`: reads the files that a seed refers to.
    - `hint`: added to the error for a file that has none of these formats.

    Raises PolicyInvalid.
    """
    shown_file = shown_name(name)
    document = parse_policy_text(text, shown_file)
    if document.problems and _is_template(document.root):
        # Templates may use the short forms of functions (`!Ref`). In other files these are errors.
        document = parse_yaml(text, shown_file, has_functions=True)
    root = document.root
    if document.problems:
        raise PolicyInvalid(f"{shown_file} can't be used", hint=_CORRECT, problems=document.problems)
    if isinstance(root, Mapping) and isinstance(root.get("accounts"), Mapping):
        return SeedPolicies(shown_file, read_file).read(root)
    if isinstance(root, Mapping) and (root.get("RoleDetailList") or root.get("UserDetailList")):
        return AccountDetails(shown_file, read_file).read(root)
    if isinstance(root, Mapping) and _is_template(root):
        return Template(shown_file, read_file).read(root)
    if isinstance(root, Mapping) and (root.get("planned_values") or root.get("values")):
        return Terraform(shown_file, read_file).read(root)
    raise PolicyInvalid(
        f"{shown_file} contains no policies of users and roles",
        why="it is neither a sandbox's seed, nor the output of `aws iam get-account-authorization-details` or "
        "`terraform show -json`, nor a CloudFormation template",
        hint=hint,
    )


def _is_template(root: Node | None) -> bool:
    return isinstance(root, Mapping) and isinstance(root.get("Resources"), Mapping)


_CORRECT: Final = "correct the file, and run the command again"
