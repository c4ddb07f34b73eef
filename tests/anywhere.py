"""A sandbox with IAM Roles Anywhere: one trust anchor, one profile, and a role that trusts the certificates."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsops.sandbox.roles_anywhere.records import PROFILE, TRUST_ANCHOR, Location
from dsops.sandbox.seed.roles_anywhere_setup import id_of
from tests.certificates import Authority, Holder, SessionCall
from tests.sandboxes import ACCOUNT, Keys, Lab, Person

if TYPE_CHECKING:
    from collections.abc import Mapping

ROLE = f"arn:aws:iam::{ACCOUNT}:role/Deploy"
ACTIONS = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
ROOT = Authority.root()
"""The certificate authority of the trust anchor."""
MACHINE = ROOT.machine()


def arn_of(kind: str, name: str, region: str = "us-east-1") -> str:
    """The ARN of a seed's trust anchor or profile."""
    record_kind = TRUST_ANCHOR if kind == "trust-anchor" else PROFILE
    identifier = id_of(record_kind, Location("aws", region, ACCOUNT), name)
    return f"arn:aws:rolesanywhere:{region}:{ACCOUNT}:{kind}/{identifier}"


ANCHOR = arn_of("trust-anchor", "factory")
ANYWHERE_PROFILE = arn_of("profile", "machines")


def trust(actions: list[str] | None = None, **condition: Mapping[str, object]) -> dict[str, object]:
    """A trust policy for the service, with conditions such as `StringEquals={...}`."""
    statement: dict[str, object] = {
        "Effect": "Allow",
        "Principal": {"Service": "rolesanywhere.amazonaws.com"},
        "Action": ACTIONS if actions is None else actions,
    }
    return {"Version": "2012-10-17", "Statement": {**statement, **({"Condition": condition} if condition else {})}}


def allow(action: str) -> dict[str, object]:
    """An identity policy that allows the action on every resource."""
    return {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}}


def seed(
    *,
    trust_policy: Mapping[str, object] | None = None,
    anchor: Mapping[str, object] | None = None,
    profile: Mapping[str, object] | None = None,
    max_session_duration: int = 43200,
) -> str:
    """A seed whose parts can be changed."""
    roles = {
        "Deploy": {
            "trust": trust() if trust_policy is None else trust_policy,
            "policies": [allow("secretsmanager:GetSecretValue")],
            "max_session_duration": max_session_duration,
        },
        "Other": {"trust": trust()},
    }
    anywhere = {
        "trust_anchors": {"factory": {"certificates": ROOT.pem, **(anchor or {})}},
        "profiles": {"machines": {"roles": ["Deploy"], **(profile or {})}},
    }
    account = {"roles": roles, "roles_anywhere": anywhere, "secrets": {"token": "value"}}
    return json.dumps({"accounts": {ACCOUNT: account}})


def call(holder: Holder = MACHINE, role_arn: str = ROLE, **changes: Any) -> SessionCall:  # Any: fields of SessionCall
    """A CreateSession request for the seed's trust anchor and profile."""
    values = {"trust_anchor_arn": ANCHOR, "profile_arn": ANYWHERE_PROFILE, "role_arn": role_arn, **changes}
    return SessionCall(holder=holder, **values)


@dataclass(frozen=True, slots=True)
class SessionAnswer:
    """The response to CreateSession."""

    status: int
    code: str
    content: Mapping[str, Any]

    @property
    def message(self) -> str:
        """The error's message."""
        return str(self.content.get("Message") or self.content.get("message") or "")

    @property
    def session(self) -> Mapping[str, Any]:
        """The issued session; fails the test if the request was refused."""
        assert self.status == 201, self.content
        session: Mapping[str, Any] = self.content["credentialSet"][0]
        return session


def send(lab: Lab, request: SessionCall) -> SessionAnswer:
    """Send the request to the sandbox."""
    answer = lab.sandbox.handle(request.request()).answer
    return SessionAnswer(answer.status, dict(answer.headers).get("x-amzn-ErrorType", ""), json.loads(answer.body))


def person(lab: Lab, answer: SessionAnswer) -> Person:
    """The caller that has the issued session."""
    parts = answer.session["credentials"]
    keys = Keys(
        access_key_id=parts["accessKeyId"],
        secret_access_key=parts["secretAccessKey"],
        session_token=parts["sessionToken"],
    )
    return Person(lab, keys)
