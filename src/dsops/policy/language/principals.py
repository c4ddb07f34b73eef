"""Callers of requests, and the principals that a Principal element names.

The test whether a policy names the caller returns a Reach, not a bool. The Reach tells how specifically the policy
names the caller, and this decides which other policies must allow the request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from dsops.arn import is_account_id, parse_arn
from dsops.startup import NamedTuple

PrincipalKind = Literal[
    "user", "role-session", "federated-session", "root", "web-identity", "saml", "service", "anonymous"
]


class Principal(NamedTuple):
    """The caller of a request."""

    kind: PrincipalKind
    """The kind of caller. A GetSessionToken session has the kind of its user.

    `web-identity` and `saml` callers send unsigned AssumeRoleWith... requests.
    """
    account: str
    """The 12-digit account id; "" for anonymous callers, services, and callers without credentials yet."""
    arn: str
    """The caller's ARN: user, assumed-role, federated-user or root."""
    issuer_arn: str = ""
    """The ARN of the session's role, including its path, or of the user that issued the federated session."""
    unique_id: str = ""
    """The unique id: AIDA... for a user, AROA... for a session's role. For a federated session, the issuing user's."""
    federated: str = ""
    """The ARN or name of the identity provider (web identity and SAML), or the name of the service."""


Reach = int
"""How specifically a policy names a principal, from UNNAMED to DIRECT.

The reach decides which other policies of the account must allow the request (IAM User Guide).
"""
UNNAMED: Final = 0
ACCOUNT: Final = 1
"""The policy names the account or its root. The caller's identity policies must also allow the request."""
ISSUER: Final = 2
"""The policy names the session's role or the federating user. Boundary and session policy still limit the session."""
DIRECT: Final = 3
"""The policy names the user, the exact session, everyone, a provider or a service.

No other policy needs to allow the request.
"""

Type = Literal["AWS", "Federated", "Service", "CanonicalUser"]
Written = tuple[Type, str]

FEDERATED_NAMES: Final = (
    "accounts.google.com",
    "cognito-identity.amazonaws.com",
    "graph.facebook.com",
    "www.amazon.com",
)


class Principals(NamedTuple):
    """A compiled Principal or NotPrincipal element. Both `"*"` and `{"AWS": "*"}` become `("AWS", "*")`."""

    written: tuple[Written, ...]
    is_negated: bool
    is_deny: bool
    is_everyone: bool
    accounts: frozenset[tuple[str, str]]
    """Pairs of partition ("" for a bare account id) and account id."""
    arns: frozenset[str]
    ids: frozenset[str]
    providers: frozenset[str]
    services: frozenset[str]

    @property
    def element(self) -> str:
        """The element's name in the policy document."""
        return "NotPrincipal" if self.is_negated else "Principal"

    def reach(self, principal: Principal) -> Reach:
        """Return how specifically the element names the principal; UNNAMED if the element does not name it."""
        if self.is_negated:
            return UNNAMED if self._is_excepted(principal) else DIRECT
        if self.is_everyone:
            return DIRECT
        if principal.kind in ("user", "role-session", "federated-session", "root"):
            return self._reach_of_identity(principal)
        return DIRECT if self._names_provider(principal) else UNNAMED

    def _reach_of_identity(self, principal: Principal) -> Reach:
        if principal.arn in self.arns:
            return DIRECT
        if principal.issuer_arn in self.arns and principal.issuer_arn:
            return ISSUER
        if principal.unique_id in self.ids and principal.unique_id:
            return DIRECT if principal.kind == "user" else ISSUER
        return ACCOUNT if self._names_account(principal) else UNNAMED

    def _names_account(self, principal: Principal) -> bool:
        if not self.accounts or not principal.account:
            return False
        partition = principal.arn.split(":", 2)[1] if ":" in principal.arn else ""
        return (partition, principal.account) in self.accounts or ("", principal.account) in self.accounts

    def _names_provider(self, principal: Principal) -> bool:
        if principal.kind in ("web-identity", "saml"):
            return principal.federated in self.providers
        return principal.kind == "service" and principal.federated in self.services

    def _is_excepted(self, principal: Principal) -> bool:
        """Whether NotPrincipal lists the principal as an exception.

        In a Deny, a caller is an exception only if its account root, role and session are all listed (AWS IAM User
        Guide, NotPrincipal). In an Allow, one of these entries is enough. Both rules grant less rather than more.
        """
        if self.is_everyone:
            return True
        if principal.kind not in ("user", "role-session", "federated-session", "root"):
            return self._names_provider(principal)
        by_account = self._names_account(principal)
        names = [by_account]
        by_id = bool(principal.unique_id) and principal.unique_id in self.ids
        if principal.kind == "user":
            names.append(principal.arn in self.arns or by_id)
        elif principal.kind != "root":
            names.append(principal.arn in self.arns)
            names.append(principal.issuer_arn in self.arns or by_id)
        return all(names) if self.is_deny else any(names)


def compile_principals(entries: Sequence[Written], *, is_negated: bool, is_deny: bool) -> Principals:
    """Compile principals that `check_principal` accepted."""
    accounts: set[tuple[str, str]] = set()
    arns: set[str] = set()
    ids: set[str] = set()
    for kind, text in entries:
        if kind != "AWS" or text == "*":
            continue
        arn = parse_arn(text)
        if is_account_id(text):
            accounts.add(("", text))
        elif arn is None:
            ids.add(text)
        elif arn.resource == "root":
            accounts.add((arn.partition, arn.account))
        else:
            arns.add(text)
    return Principals(
        written=tuple(entries),
        is_negated=is_negated,
        is_deny=is_deny,
        is_everyone=("AWS", "*") in entries,
        accounts=frozenset(accounts),
        arns=frozenset(arns),
        ids=frozenset(ids),
        providers=frozenset(text for kind, text in entries if kind == "Federated"),
        services=frozenset(text for kind, text in entries if kind == "Service"),
    )


def check_principal(kind: Type, text: str, *, takes_cloudfront: bool = False) -> None:
    """Raise ValueError unless the text is a valid principal of that type.

    `takes_cloudfront`: whether CloudFront origin access identities are valid too, as in bucket policies.
    """
    if text == "*":
        if kind != "AWS":
            raise ValueError(f"`*` is no {kind} principal: name the one you mean")
        return
    if "*" in text or "?" in text:
        raise ValueError(f"`{text}` has a wildcard: name the principal in full, or use a condition on aws:PrincipalArn")
    if "${" in text:
        raise ValueError(f"`{text}` has a variable: those work in `Resource` and `Condition`, not in a principal")
    is_valid = {
        "AWS": _is_aws_principal,
        "Federated": _is_provider,
        "Service": _is_service,
        "CanonicalUser": str.isalnum,
    }[kind]
    # Names in ARNs, service names and canonical ids are ASCII on AWS. `str.isalnum` also accepts other letters and
    # digits.
    if kind == "AWS" and takes_cloudfront and _is_access_identity(text):
        return
    if not text.isascii() or not is_valid(text):
        raise ValueError(f"`{text}` is not a principal of type {kind}")


def _is_aws_principal(text: str) -> bool:
    """Whether the text is an account, its root, a user, role, role session or federated user, or a unique id."""
    if is_account_id(text) or is_unique_id(text):
        return True
    arn = parse_arn(text)
    if arn is None or arn.region or not is_account_id(arn.account):
        return False
    kind, slash, name = arn.resource.partition("/")
    if arn.service == "iam":
        return arn.resource == "root" or (kind in ("user", "role") and bool(name) and not name.endswith("/"))
    if arn.service != "sts":
        return False
    if kind == "assumed-role":
        role, _, session = name.partition("/")
        return bool(role) and bool(session) and "/" not in session
    return kind == "federated-user" and bool(slash) and bool(name)


def _is_access_identity(text: str) -> bool:
    """Whether the text is the ARN of a CloudFront origin access identity.

    Source: Amazon S3 User Guide, "Bucket policy examples". No caller has an ARN of this form.
    """
    arn = parse_arn(text)
    if arn is None or (arn.service, arn.region, arn.account) != ("iam", "", "cloudfront"):
        return False
    identifier = arn.resource.removeprefix("user/CloudFront Origin Access Identity ")
    return identifier.isascii() and identifier.isalnum() and identifier.startswith("E")


def is_unique_id(text: str) -> bool:
    """Whether the text is a unique id of a user (AIDA...) or role (AROA...).

    In a policy that names a deleted user or role, AWS replaces the ARN by this id.
    """
    return text.startswith(("AIDA", "AROA")) and 16 <= len(text) <= 128 and text.isascii() and text.isalnum()


def _is_provider(text: str) -> bool:
    arn = parse_arn(text)
    if arn is None:
        return text in FEDERATED_NAMES
    kind, _, name = arn.resource.partition("/")
    return arn.service == "iam" and kind in ("oidc-provider", "saml-provider") and bool(name)


def _is_service(text: str) -> bool:
    return "." in text and all(character.isalnum() or character in ".-_" for character in text)
