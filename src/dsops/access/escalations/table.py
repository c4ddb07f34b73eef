"""All rules: the ways that DataDog's pathfinding.cloud lists (Apache-2.0), under the same ids."""

from __future__ import annotations

from typing import Final

from dsops.access.escalations.code_rules import EXISTING_CODE_RULES, PASS_ROLE_RULES
from dsops.access.escalations.iam_rules import IAM_RULES

ESCALATION_RULES: Final = (*IAM_RULES, *PASS_ROLE_RULES, *EXISTING_CODE_RULES)
"""All rules. The reference page docs/reference/access-escalations.md lists them."""
