"""Parse a caller's ARN or name into a Principal."""

from __future__ import annotations

from typing import Final

from dsops.arn import Arn, is_account_id, parse_arn, role_session_arn
from dsops.policy.language.principals import FEDERATED_NAMES, Principal

SESSION_NAME: Final = "simulated"
"""The session name to use if the caller is given as a role's ARN."""

ANONYMOUS: Final = "anonymous"


def read_caller(text: str, *, role_arn: str = "", unique_id: str = "") -> Principal:
    """Return the Principal for an ARN, service name or provider. Raises ValueError for any other text.

    A role's ARN is read as the ARN of one of its sessions. For the ARN of a session, which lacks the role's path, pass
    the role's full ARN as `role_arn`.
    """
    if text == ANONYMOUS:
        return Principal("anonymous", "", "")
    if text in FEDERATED_NAMES:
        return Principal("web-identity", "", "", federated=text)
    arn = parse_arn(text)
    if arn is None:
        if is_account_id(text):
            raise ValueError(f"an account is not a caller: write arn:aws:iam::{text}:root for its root user")
        if "." in text and ":" not in text and "/" not in text:
            return Principal("service", "", "", federated=text)
        raise ValueError(f"`{text}` is neither an ARN, nor a service such as ec2.amazonaws.com, nor `{ANONYMOUS}`")
    caller = _caller_of(arn, role_arn) if is_account_id(arn.account) else None
    if caller is None:
        raise ValueError(
            f"`{text}` can't call: name a user, a role, an assumed role, a federated user, a root or a provider"
        )
    return caller._replace(unique_id=unique_id or caller.unique_id)


def _caller_of(arn: Arn, role_arn: str) -> Principal | None:
    kind, _, name = arn.resource.partition("/")
    text = str(arn)
    if arn.service == "sts" and name:
        return _session_of(arn, kind, name, role_arn)
    if arn.service != "iam" or (not name and arn.resource != "root"):
        return None
    if kind in ("oidc-provider", "saml-provider"):
        return Principal("web-identity" if kind == "oidc-provider" else "saml", "", "", federated=text)
    if kind == "role":
        return Principal("role-session", arn.account, role_session_arn(arn, SESSION_NAME), issuer_arn=text)
    if kind in ("user", "root"):
        return Principal("user" if kind == "user" else "root", arn.account, text)
    return None


def _session_of(arn: Arn, kind: str, name: str, role_arn: str) -> Principal | None:
    if kind == "federated-user":
        return Principal("federated-session", arn.account, str(arn))
    role, _, session = name.partition("/")
    if kind != "assumed-role" or not role or not session or "/" in session:
        return None
    issuer = role_arn or f"arn:{arn.partition}:iam::{arn.account}:role/{role}"
    return Principal("role-session", arn.account, str(arn), issuer_arn=issuer)
