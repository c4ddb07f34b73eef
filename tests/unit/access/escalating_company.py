"""The made-up company with planted escalations, in many accounts or in one.

In each account, the role `Builder` becomes an administrator by passing the role `LambdaAdmin` to a function, and the
role `KeyMaker` by making an access key of the user `mail`. A condition stops the role `Stopped`. Twenty functions run
with the role `Runtime`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from dsops.access.escalations.find import Escalation, Escalations
from dsops.access.escalations.table import ESCALATION_RULES
from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.assuming import Assumptions
from dsops.access.questions.evaluator import Evaluator
from tests.unit.access.company import REGION, Company, write_json
from tests.unit.access.worlds import NOW, policy, trust

_ADMINISTRATOR: Final = ("arn:aws:iam::aws:policy/AdministratorAccess",)
_FUNCTIONS: Final = 20


class EscalatingCompany(Company):
    """A company in which two roles of each account can become an administrator."""

    @property
    def escalating(self) -> frozenset[str]:
        """The ARNs of the roles that can become an administrator."""
        return frozenset(
            f"arn:aws:iam::{account}:role/{name}" for account in self.accounts for name in ("Builder", "KeyMaker")
        )

    def _roles(self, number: int) -> list[tuple[str, Any, Any, tuple[str, ...]]]:
        iam = f"arn:aws:iam::{self.accounts[number]}"
        function = {"Action": ["iam:PassRole", "lambda:CreateFunction", "lambda:InvokeFunction"]}
        only_ec2 = {"Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}
        own = trust({"AWS": f"{iam}:root"})
        planted: dict[str, tuple[str, Any, Any, tuple[str, ...]]] = {
            "ReadOnly": ("LambdaAdmin", trust({"Service": "lambda.amazonaws.com"}), None, _ADMINISTRATOR),
            "Data": ("Builder", own, policy(function), ()),
            "Partner": ("KeyMaker", own, policy({"Action": "iam:CreateAccessKey", "Resource": f"{iam}:user/mail"}), ()),
            "Backup": ("Stopped", own, policy({**function, **only_ec2}), ()),
        }
        return [planted.get(role[0], role) for role in super()._roles(number)]

    def _user(self, number: int, position: int) -> dict[str, Any]:
        user = super()._user(number, position)
        administers = {"AttachedManagedPolicies": [{"PolicyArn": arn} for arn in _ADMINISTRATOR]}
        return {**user, **administers} if user["Arn"].endswith("/mail") else user

    def _functions(self, account: str) -> list[dict[str, Any]]:
        prefix = f"arn:aws:lambda:{REGION}:{account}:function:"
        role = f"arn:aws:iam::{account}:role/Runtime"
        return [{"Arn": f"{prefix}f{number}", "Role": role} for number in range(_FUNCTIONS)]

    def write_as_one_account(self, folder: Path) -> frozenset[str]:
        """Write the users, roles and functions of all accounts as those of one, with a number in each name.

        Returns the ARNs of the roles that can become an administrator.
        """
        parts, own = folder / "parts", folder / "accounts" / self.security
        merged: dict[str, dict[str, Any]] = {}
        for number, account in enumerate(self.accounts):
            self.write_account(parts, number)
            for file in sorted((parts / "accounts" / account).rglob("*.json")):
                named = re.sub(
                    rf"(:{account}:(?:role|user|policy|function)[/:][\w-]+)", rf"\1-{number}", file.read_text()
                )
                known = merged.setdefault(str(file.relative_to(parts / "accounts" / account)), {})
                for key, value in json.loads(named.replace(f":{account}:", f":{self.security}:")).items():
                    known[key] = (
                        [*known.get(key, []), *value] if key.endswith(("List", "Policies", "Resources")) else value
                    )
        for name, content in merged.items():
            write_json(own / name, content)
        write_json(folder / "organization.json", {"Organization": None, "Accounts": [{"Id": self.security}]})
        return frozenset(
            f"arn:aws:iam::{self.security}:role/{name}-{number}"
            for number in range(len(self.accounts))
            for name in ("Builder", "KeyMaker")
        )


def escalations_of(facts: OrganizationFacts) -> list[Escalation]:
    """Return the escalations by all rules but those about roles that a principal can assume anyway."""
    evaluator = Evaluator(facts, NOW)
    rules = [rule for rule in ESCALATION_RULES if rule.target != "assumed"]
    return [*Escalations(evaluator, Assumptions(evaluator), rules).find(facts.identities.values())]


def administrators(found: list[Escalation]) -> frozenset[str]:
    """Return the ARNs of the principals that become an administrator."""
    return frozenset(each.caller.name for each in found if each.gain.is_administrator)
