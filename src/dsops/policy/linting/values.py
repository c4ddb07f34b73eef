"""Rules about values that a condition key never has, such as private addresses, or user ids of the wrong form."""

from __future__ import annotations

from typing import Final

from dsops.policy.language.operators import STRING_FAMILIES
from dsops.policy.language.principals import is_unique_id
from dsops.policy.linting.document_view import Clause, DocumentView, View
from dsops.policy.linting.finding import FindingCollector, LintRule

PRIVATE_ADDRESS: Final = LintRule(
    "condition.private-address",
    "warning",
    "aws:SourceIp is never a private address",
    why="aws:SourceIp is the public IP address from which a request reached AWS. A request through a VPC endpoint "
    "has no aws:SourceIp; its private address is aws:VpcSourceIp. So an Allow for 10.0.0.0/8 allows no "
    "request, and a Deny for everything but 10.0.0.0/8 denies all.",
    cure="use the public addresses of the network (of its NAT gateway or proxy), or compare aws:VpcSourceIp "
    "together with aws:SourceVpce",
    source="AWS IAM User Guide, AWS global condition context keys, aws:SourceIp and aws:VpcSourceIp",
)
ONE_USERID: Final = LintRule(
    "condition.userid-of-user",
    "note",
    "aws:userid is compared with the id of one IAM user",
    why="AIDA... is the unique id of a user, not the name: a user who is deleted and created again has another id. "
    "Role sessions have AROA...:session instead, so the condition never matches them.",
    cure="for a role compare AROA...:* with StringLike; for people, aws:PrincipalArn or tags are easier to read",
    source="AWS IAM User Guide, IAM identifiers, Unique identifiers",
)
BARE_ROLE_ID: Final = LintRule(
    "condition.userid-of-role",
    "warning",
    "aws:userid is compared with the bare id of a role",
    why="The value for a role session is the role's id, a colon and the session name. No request has the id alone.",
    cure="write StringLike and AROA...:*",
    source="AWS IAM User Guide, IAM policy elements: Variables and tags, Principal key values",
)
NO_SESSION_ARN: Final = LintRule(
    "condition.session-arn",
    "warning",
    "aws:PrincipalArn is compared with the ARN of a role session",
    why="For a session aws:PrincipalArn is the role's ARN, with its path (measured on AWS in July 2026), never "
    "arn:aws:sts::...:assumed-role/...",
    cure="write the role's ARN; for one session add sts:RoleSessionName or aws:userid",
    source="AWS IAM User Guide, AWS global condition context keys, aws:PrincipalArn",
)

# Private and shared addresses. The documentation ranges (203.0.113.0/24 and so on) are not reported, because examples
# use them as public addresses.
_PRIVATE: Final = tuple(
    """
    10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 169.254.0.0/16 127.0.0.0/8 fc00::/7 fe80::/10 ::1/128
    """.split()
)


def check_values(document: DocumentView, findings: FindingCollector) -> None:
    """Check every condition on aws:SourceIp, aws:userid and aws:PrincipalArn."""
    for view in document.statements:
        for clause in view.clauses:
            if clause.lower == "aws:sourceip" and clause.parsed.family == "IpAddress":
                _check_addresses(view, clause, findings)
            elif clause.lower == "aws:userid":
                _check_userids(clause, findings)
            elif clause.lower == "aws:principalarn" and clause.parsed.family != "Null":
                _check_arns(clause, findings)


def _check_addresses(view: View, clause: Clause, findings: FindingCollector) -> None:
    private = [value for value in clause.values if _is_private(value.text)]
    if not private:
        return
    which = ", ".join(value.text for value in private[:5])
    if len(private) < len(clause.values):
        message = f"no request comes to AWS from {which}: these ranges are private"
    else:
        message = f"aws:SourceIp is never in {which}, which is private: {_consequence(view, clause)}"
    findings.add(PRIVATE_ADDRESS, private[0].line, clause.path, message)


def _consequence(view: View, clause: Clause) -> str:
    """Return what a test for an impossible address means for the condition or the statement."""
    if clause.parsed.is_if_exists and not clause.parsed.is_negated:
        return "the condition is met by requests without aws:SourceIp only"
    if clause.parsed.is_negated:
        return "the statement denies every request" if view.effect == "Deny" else "the condition excludes no request"
    return "the statement denies no request" if view.effect == "Deny" else "the condition is met by no request"


def _is_private(text: str) -> bool:
    import ipaddress

    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:  # The grammar check reports an invalid address.
        return False
    first, last = int(network.network_address), int(network.broadcast_address)
    return any(
        private.version == network.version
        and int(private.network_address) <= first
        and last <= int(private.broadcast_address)
        for private in map(ipaddress.ip_network, _PRIVATE)
    )


def _check_userids(clause: Clause, findings: FindingCollector) -> None:
    if clause.parsed.family not in STRING_FAMILIES:
        return
    for value in clause.values:
        if not is_unique_id(value.text):
            continue
        if value.text.startswith("AIDA"):
            message = f"`{value.text}` is one user, by its unique id; sessions of roles never match it"
            findings.add(ONE_USERID, value.line, clause.path, message)
        else:
            message = f"`{value.text}` is no request's aws:userid: a session's goes on with a colon and its name"
            hint = f"write StringLike and `{value.text}:*`"
            findings.add(BARE_ROLE_ID, value.line, clause.path, message, hint=hint)


def _check_arns(clause: Clause, findings: FindingCollector) -> None:
    for value in clause.values:
        parts = value.text.split(":", 5)
        if len(parts) == 6 and parts[2] == "sts" and parts[5].startswith("assumed-role/"):
            message = "aws:PrincipalArn is the role's ARN also in its sessions, so no request has this value"
            findings.add(NO_SESSION_ARN, value.line, clause.path, message)
