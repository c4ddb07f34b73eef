"""Recognise templates: CloudFormation in JSON or YAML, and the output of `terraform show -json`."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Final

from dsops.access.facts.cloudformation import Stack, read_stacks
from dsops.access.facts.terraform import read_prior_state, read_terraform
from dsops.access.facts.terraform_values import Values
from dsops.access.facts.world import OrganizationFacts
from dsops.document import Mapping, parse_json, parse_yaml, to_plain
from dsops.errors import PolicyInvalid

NO_ACCOUNT: Final = "000000000001"
"""The account of a template that contains the ARN of no account."""
_ACCOUNT_IN_ARN: Final = re.compile(r"\barn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:([0-9]{12}):")
_ABOUT_OTHERS: Final = frozenset({"principal", "notprincipal", "condition", "sourcearn", "source_arn"})
"""Keys of values that name other accounts, in lower case."""
DEFAULT_REGION: Final = "us-east-1"
"""The region of a template that does not say where it is deployed."""


def read_template(text: str, name: str) -> OrganizationFacts | None:
    """Return the facts in a template; None if the text is none. Raises PolicyInvalid for syntax errors."""
    if '"root_module"' in text:
        root = _parsed(text)
        if isinstance(root.get("planned_values"), dict) or isinstance(root.get("values"), dict):
            return read_terraform(root, name, account_in(root))
    if re.search(r'^Resources:|"Resources"', text, re.MULTILINE) is None:
        return None
    is_json = text.lstrip("\ufeff \t\r\n").startswith("{")
    document = parse_json(text, name) if is_json else parse_yaml(text, name, has_functions=True)
    if not isinstance(document.root, Mapping) or not isinstance(document.root.get("Resources"), Mapping):
        return None
    if document.problems:
        hint = "correct the file, and run the command again"
        raise PolicyInvalid(f"{name} can't be used", hint=hint, problems=document.problems)
    template = to_plain(document.root)
    values = template if isinstance(template, dict) else {}
    return read_stacks([Stack(values, "", account_in(values), DEFAULT_REGION)], name)


def read_plan(text: str, name: str) -> tuple[OrganizationFacts, OrganizationFacts]:
    """Return the facts before and after a Terraform plan is applied. Raises PolicyInvalid for any other text."""
    root = _parsed(text)
    account = account_in(root)
    return read_prior_state(root, name, account), read_terraform(root, name, account)


def account_in(root: object) -> str:
    """Return the account that most ARNs in a template are about; NO_ACCOUNT if it has none.

    Principals and conditions do not count, because they name other accounts.
    """
    accounts: Counter[str] = Counter()
    pending = [root]
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            if value.lstrip().startswith("{"):
                pending.append(_parsed(value))
            else:
                accounts.update(_ACCOUNT_IN_ARN.findall(value))
        elif isinstance(value, dict):
            pending += [item for key, item in value.items() if key.lower() not in _ABOUT_OTHERS]
        elif isinstance(value, list):
            pending += value
    return max(accounts, key=accounts.__getitem__, default=NO_ACCOUNT)


def _parsed(text: str) -> Values:
    try:
        root = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return root if isinstance(root, dict) else {}
