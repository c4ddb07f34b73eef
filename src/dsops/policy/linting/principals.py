"""Rules about the callers that a trust policy or another resource-based policy allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, get_args

from dsops.arn import Arn, is_account_id, parse_arn
from dsops.policy.language.letters import lower_case
from dsops.policy.language.principals import is_unique_id
from dsops.policy.language.session_actions import Caller, assuming_action
from dsops.policy.linting.document_view import Clause, DocumentView, Named, View
from dsops.policy.linting.finding import FindingCollector, LintRule
from dsops.policy.linting.guards import CALLER_KEYS, NETWORK_KEYS, SOURCE_KEYS, narrows
from dsops.policy.linting.patterns import glob

ANYBODY_ASSUMES: Final = LintRule(
    "trust.everyone",
    "error",
    "every caller in any AWS account may assume the role",
    why='`"Principal": "*"` matches every caller of every account. An external ID alone does not change that, '
    "because it is not a secret like a password. Use condition keys that AWS itself sets for the caller.",
    cure="name the accounts, users or roles, or add a condition on aws:PrincipalOrgID or aws:PrincipalArn",
    source="AWS IAM User Guide, AWS JSON policy elements: Principal",
)
PUBLIC: Final = LintRule(
    "resource.everyone",
    "warning",
    "the policy gives access to everyone",
    why='`"Principal": "*"` in an Allow includes anonymous callers, and callers of the same account without any '
    "other permission.",
    cure="name the principals, or add a condition on aws:PrincipalOrgID, aws:PrincipalArn or aws:SourceArn",
    source="AWS IAM User Guide, AWS JSON policy elements: Principal",
)
WHOLE_ACCOUNT: Final = LintRule(
    "trust.whole-account",
    "note",
    "the trust policy trusts a whole account without a condition",
    why="The account's root ARN matches every principal of the account whose own policies allow the call. "
    "Such a trust policy is usual between accounts of one owner. If the account belongs to a company that"
    " also works for others, another customer could trick it into using your role (the confused deputy "
    "problem); an external ID that the company generates for you prevents that.",
    cure="for a third party add a condition on sts:ExternalId; within an organization one on aws:PrincipalOrgID",
    source="AWS IAM User Guide, The confused deputy problem; How to use an external ID",
)
ONE_USER: Final = LintRule(
    "principal.one-user",
    "note",
    "the trust policy names one user",
    why="A principal that is one user is valid, and narrower than the account's root. Within the same account"
    " it is sufficient: the user needs no policy that allows sts:AssumeRole (measured on AWS in July "
    "2026). A user of another account also needs a policy that allows sts:AssumeRole. AWS stores the "
    "user's unique id, so a user who is deleted and created again is no longer trusted.",
    cure="keep the user, or name the account's root so that the account's own policies decide",
    source="AWS IAM User Guide, Cross-account policy evaluation logic; AWS JSON policy elements: Principal",
)
DELETED: Final = LintRule(
    "principal.unique-id",
    "warning",
    "a principal is a unique id",
    why="IAM shows a unique id after the named user or role was deleted. A new user or role with the same "
    "name has another id and does not match.",
    cure="name the user's or role's ARN again, or remove the principal",
    source="AWS IAM User Guide, AWS JSON policy elements: Principal",
)
ALL_OTHERS: Final = LintRule(
    "principal.all-others",
    "error",
    "NotPrincipal in an Allow allows every other caller",
    why="The statement allows every caller that is not named, including anonymous callers and the callers of "
    "all other accounts.",
    cure="write `Principal` with the allowed callers",
    source="AWS IAM User Guide, AWS JSON policy elements: NotPrincipal",
)
SPARED: Final = LintRule(
    "principal.spared",
    "note",
    "NotPrincipal in a Deny exempts fewer callers than expected",
    why="To exempt a role session, NotPrincipal has to name the role, the exact session and the account's root, "
    "and session names change.",
    cure='write `"Principal": "*"` and a condition ArnNotEquals on aws:PrincipalArn',
    source="AWS IAM User Guide, AWS JSON policy elements: NotPrincipal",
)
WRONG_CALL: Final = LintRule(
    "trust.other-call",
    "warning",
    "the named principals cannot make the allowed call",
    why="Users, roles, accounts and services call sts:AssumeRole; users of an OIDC provider call "
    "sts:AssumeRoleWithWebIdentity; users of a SAML provider call sts:AssumeRoleWithSAML. Any other "
    "combination is impossible, so the statement allows no caller.",
    cure="write the action that matches the principal",
    source="AWS STS API Reference, AssumeRole, AssumeRoleWithSAML and AssumeRoleWithWebIdentity",
)
NO_SESSION_TAGS: Final = LintRule(
    "trust.no-session-tags",
    "warning",
    "EKS Pod Identity may assume the role, but not tag the session",
    why="EKS Pod Identity always passes session tags, and those need sts:TagSession in the trust policy.",
    cure="allow sts:AssumeRole and sts:TagSession",
    source="Amazon EKS User Guide, EKS Pod Identity; AWS IAM User Guide, Pass session tags in AWS STS",
)
ANY_SOURCE: Final = LintRule(
    "service.any-source",
    "warning",
    "an AWS service may use the resource for any of its customers",
    why=(
        "A service calls AWS under its own name, the same for every account that uses the service. An attacker "
        "in another account can make the service use your resource, unless the policy limits the accounts for "
        "which the service may do so."
    ),
    cure="add a condition on aws:SourceArn or aws:SourceAccount (aws:SourceOrgID for a whole organization)",
    source="AWS IAM User Guide, The confused deputy problem, Cross-service confused deputy prevention",
)
ANY_SOURCE_ROLE: Final = LintRule(
    "service.any-source-role",
    "note",
    "an AWS service may assume the role for any customer",
    why=(
        "Only a caller of the role's own account with iam:PassRole can pass the role to a service, so this is rarely "
        "a risk. Many services send aws:SourceArn and aws:SourceAccount when they assume a role. If the guide of "
        "your service says that it sends them, a condition on these keys limits the role to one resource or account."
    ),
    cure="add a condition on aws:SourceArn or aws:SourceAccount if the service's guide shows one",
    source="AWS IAM User Guide, The confused deputy problem, Cross-service confused deputy prevention",
)

# These services assume a role for code that runs in them. Conditions can't test source keys: the services send none.
_WITHOUT_SOURCE: Final = frozenset(
    """
    ec2.amazonaws.com ec2.amazonaws.com.cn lambda.amazonaws.com edgelambda.amazonaws.com pods.eks.amazonaws.com
    """.split()
)


class _Fence(NamedTuple):
    """A Deny statement for everyone. Its conditions exclude certain callers from the Deny."""

    clauses: tuple[Clause, ...]
    tests: tuple[Callable[[str], bool], ...]
    """A test for each pattern of denied actions. It takes an action in lower case."""


def check_principals(document: DocumentView, findings: FindingCollector, *, has_fences: bool) -> None:
    """Check a policy that has principals.

    With `has_fences`, each Allow is compared with every Deny statement, which is slow for many statements.
    """
    is_trust = document.kind == "trust"
    fences = [fence for view in document.statements if (fence := _fence(view))] if has_fences else []
    for view in document.statements:
        if view.effect == "Deny" and view.are_principals_negated:
            findings.add(SPARED, _line(view), view.element("Principal"), "`NotPrincipal` in a Deny")
        elif view.effect == "Allow" and view.are_principals_negated:
            message = "everyone who is not named here is allowed, in every account"
            findings.add(ALL_OTHERS, _line(view), view.element("Principal"), message)
        elif view.effect == "Allow":
            _check_everyone(view, fences, findings, is_trust=is_trust)
            _check_named(view, findings, is_trust=is_trust)
            _check_services(view, findings, is_trust=is_trust)
            if is_trust:
                _check_calls(view, findings)


def _line(view: View) -> int:
    return view.principals[0].line if view.principals else view.line


def _check_everyone(view: View, fences: Sequence[_Fence], findings: FindingCollector, *, is_trust: bool) -> None:
    if not view.is_for_everyone:
        return

    def tells_callers_apart(key: str) -> bool:
        if key in CALLER_KEYS or key in NETWORK_KEYS or key in SOURCE_KEYS:
            return True
        # A key policy may test keys that the calling service sets for the users of an account.
        return not is_trust and key.startswith(("kms:calleraccount", "aws:sourceowner"))

    if narrows(view, tells_callers_apart) or _is_fenced(view, fences, tells_callers_apart):
        return
    line = next(named.line for named in view.principals if named.text == "*")
    if is_trust:
        findings.add(
            ANYBODY_ASSUMES, line, view.element("Principal"), "every caller in any AWS account may assume the role"
        )
    else:
        message = "everyone is allowed, anonymous callers too"
        findings.add(PUBLIC, line, view.element("Principal"), message)


def _fence(view: View) -> _Fence | None:
    """Return the statement as a fence, or None if it is not a fence.

    A fence is a Deny for everyone that has a condition with a negated operator.
    """
    clauses = tuple(clause for clause in view.clauses if clause.parsed.is_negated)
    if view.effect != "Deny" or not view.is_for_everyone or view.are_actions_negated or not clauses:
        return None
    return _Fence(clauses, tuple(glob(lower_case(scalar.text)) for scalar in view.actions))


def _is_fenced(view: View, fences: Sequence[_Fence], is_wanted: Callable[[str], bool]) -> bool:
    """Whether a fence denies all actions of the statement to all callers, except those that a wanted key identifies."""
    if view.are_actions_negated:
        return False
    actions = [lower_case(scalar.text) for scalar in view.actions]
    return any(
        any(is_wanted(clause.lower) for clause in fence.clauses)
        and all(any(test(action) for test in fence.tests) for action in actions)
        for fence in fences
    )


def _check_named(view: View, findings: FindingCollector, *, is_trust: bool) -> None:
    has_agreement = narrows(view, _is_agreed)
    for named in view.principals:
        if named.type != "AWS":
            continue
        arn = parse_arn(named.text)
        if is_unique_id(named.text):
            kind = "user" if named.text.startswith("AIDA") else "role"
            message = f"`{named.text}` is the unique id of a {kind}: is the one that it meant deleted?"
            findings.add(DELETED, named.line, named.path, message)
        elif is_trust and arn is not None and arn.service == "iam" and arn.resource_type == "user":
            message = (
                f"naming the user `{arn.resource_name}` is valid: narrower than the account's root, "
                "and in the role's own account enough by itself"
            )
            findings.add(ONE_USER, named.line, named.path, message)
        elif is_trust and not has_agreement and _is_account(named.text, arn):
            account = arn.account if arn else named.text
            message = f"everyone in account {account} whose own policies allow it may assume the role"
            findings.add(WHOLE_ACCOUNT, named.line, named.path, message)


def _is_account(text: str, arn: Arn | None) -> bool:
    return is_account_id(text) or (arn is not None and arn.service == "iam" and arn.resource == "root")


def _is_agreed(key: str) -> bool:
    """Whether only the intended callers can send the right value for this condition key."""
    return key == "sts:externalid" or key.startswith("aws:principal") or key in SOURCE_KEYS or key in CALLER_KEYS


def _check_services(view: View, findings: FindingCollector, *, is_trust: bool) -> None:
    services = [named for named in view.principals if named.type == "Service"]
    if not services:
        return

    def says_for_whom(key: str) -> bool:
        return key in SOURCE_KEYS or key == "aws:sourceowner" or key.startswith("kms:encryptioncontext:")

    if not narrows(view, says_for_whom):
        for named in services:
            if not is_trust:
                message = f"`{named.text}` is allowed on behalf of any of its customers"
                findings.add(ANY_SOURCE, named.line, named.path, message)
            elif named.text not in _WITHOUT_SOURCE:
                message = f"`{named.text}` may assume the role, whichever resource it does so for"
                findings.add(ANY_SOURCE_ROLE, named.line, named.path, message)
    pods = next((named for named in services if named.text == "pods.eks.amazonaws.com"), None)
    if is_trust and pods and not _allows(view, "sts:tagsession"):
        message = "EKS Pod Identity needs sts:TagSession beside sts:AssumeRole"
        findings.add(NO_SESSION_TAGS, pods.line, pods.path, message)


def _check_calls(view: View, findings: FindingCollector) -> None:
    """Report principals that never use the AssumeRole actions which the statement allows."""
    allowed = [call for call in _ASSUMING if _allows(view, lower_case(call))]
    if view.are_actions_negated or not allowed:
        return
    for named in view.principals:
        call = _call_of(named)
        if call and call not in allowed:
            message = f"`{named.text}` never calls {' or '.join(allowed)}"
            hint = f"write `{call}`"
            findings.add(WRONG_CALL, named.line, named.path, message, hint=hint)


_ASSUMING: Final = tuple(assuming_action(caller) for caller in get_args(Caller))


def _call_of(named: Named) -> str:
    """Return the action with which the principal assumes a role.

    Returns "" for everyone (`*`) and for texts that are not a principal.
    """
    if named.type == "Federated":
        arn = parse_arn(named.text)
        return assuming_action("saml" if arn is not None and arn.resource_type == "saml-provider" else "web-identity")
    return assuming_action("signed") if named.type in ("AWS", "Service") and named.text != "*" else ""


def _allows(view: View, action: str) -> bool:
    """Whether the statement's Action element matches the action (in lower case)."""
    return any(
        text == action or text.strip("*") == "" or (text.endswith("*") and action.startswith(text[:-1]))
        for text in (lower_case(scalar.text) for scalar in view.actions)
    )
