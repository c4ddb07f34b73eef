"""The rules about the APIs of IAM and STS."""

from __future__ import annotations

from typing import Final

from dsops.access.escalations.rules import Rule, RuleNeed, needs_on

_ADMINISTRATOR: Final = "arn:{partition}:iam::aws:policy/AdministratorAccess"
_KEYS_LEFT: Final = "the user has fewer than two access keys"


def _attach(kind: str, on: str) -> RuleNeed:
    return RuleNeed(f"iam:Attach{kind}Policy", on, {"iam:PolicyARN": _ADMINISTRATOR})


_NEW_VERSION: Final = RuleNeed("iam:CreatePolicyVersion", "policy")
_ASSUME: Final = RuleNeed("sts:AssumeRole", "role")
_TRUST: Final = RuleNeed("iam:UpdateAssumeRolePolicy", "role")
_KEY: Final = RuleNeed("iam:CreateAccessKey", "user")

IAM_RULES: Final = (
    Rule(
        "iam-001",
        "own-policy",
        "writes a new version of a policy that is attached to it",
        "self",
        (_NEW_VERSION,),
        True,
    ),
    Rule("iam-002", "credentials-of-others", "makes an access key of the user", "user", (_KEY,), assumes=_KEYS_LEFT),
    Rule(
        "iam-003",
        "credentials-of-others",
        "replaces an access key of the user",
        "user",
        (_KEY, RuleNeed("iam:DeleteAccessKey", "user")),
        assumes="the user has two access keys",
    ),
    Rule(
        "iam-004",
        "credentials-of-others",
        "sets a first password for the user",
        "user",
        needs_on("user", "iam:CreateLoginProfile"),
        assumes="the user has no password",
    ),
    Rule(
        "iam-005",
        "own-policy",
        "writes an inline policy of itself",
        "self",
        needs_on("caller", "iam:PutRolePolicy"),
        True,
    ),
    Rule(
        "iam-006",
        "credentials-of-others",
        "changes the password of the user",
        "user",
        needs_on("user", "iam:UpdateLoginProfile"),
        assumes="the user has a password, and signs in without MFA",
    ),
    Rule(
        "iam-007",
        "own-policy",
        "writes an inline policy of itself",
        "self",
        needs_on("caller", "iam:PutUserPolicy"),
        True,
    ),
    Rule("iam-008", "own-policy", "attaches a policy to itself", "self", (_attach("User", "caller"),), True),
    Rule("iam-009", "own-policy", "attaches a policy to itself", "self", (_attach("Role", "caller"),), True),
    Rule("iam-010", "own-policy", "attaches a policy to its group", "self", (_attach("Group", "group"),), True),
    Rule(
        "iam-011",
        "own-policy",
        "writes an inline policy of its group",
        "self",
        needs_on("group", "iam:PutGroupPolicy"),
        True,
    ),
    Rule("iam-012", "trust", "changes the trust policy of the role, and assumes it", "role", (_TRUST,)),
    Rule("iam-013", "own-policy", "adds itself to the group", "group", needs_on("group", "iam:AddUserToGroup")),
    Rule(
        "iam-014",
        "policy-of-others",
        "attaches a policy to the role, and assumes it",
        "role",
        (_attach("Role", "role"), _ASSUME),
        True,
    ),
    Rule(
        "iam-015",
        "policy-of-others",
        "attaches a policy to the user, and makes an access key",
        "user",
        (_attach("User", "user"), _KEY),
        True,
        assumes=_KEYS_LEFT,
    ),
    Rule(
        "iam-016",
        "policy-of-others",
        "writes a new version of a policy of the role, and assumes it",
        "role",
        (_NEW_VERSION, _ASSUME),
        True,
    ),
    Rule(
        "iam-017",
        "policy-of-others",
        "writes an inline policy of the role, and assumes it",
        "role",
        (RuleNeed("iam:PutRolePolicy", "role"), _ASSUME),
        True,
    ),
    Rule(
        "iam-018",
        "policy-of-others",
        "writes an inline policy of the user, and makes an access key",
        "user",
        (RuleNeed("iam:PutUserPolicy", "user"), _KEY),
        True,
        assumes=_KEYS_LEFT,
    ),
    Rule(
        "iam-019",
        "trust",
        "attaches a policy to the role, and changes its trust policy",
        "role",
        (_attach("Role", "role"), _TRUST),
        True,
    ),
    Rule(
        "iam-020",
        "trust",
        "writes a new version of a policy of the role, and changes its trust policy",
        "role",
        (_NEW_VERSION, _TRUST),
        True,
    ),
    Rule(
        "iam-021",
        "trust",
        "writes an inline policy of the role, and changes its trust policy",
        "role",
        (RuleNeed("iam:PutRolePolicy", "role"), _TRUST),
        True,
    ),
    Rule("sts-001", "assume-role", "assumes the role", "assumed", (_ASSUME,)),
)
