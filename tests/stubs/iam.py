"""IAM on loopback, read-only: users, groups, roles and managed policies in AWS's XML, with pages and refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

from tests.stubs.aws import STS_NAMESPACE, json_answer, json_error, parameters_of, sts_error
from tests.stubs.organizations import StubOrganizations
from tests.stubs.server import Answer, Seen

NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
ACCOUNT = "111122223333"
Document = Mapping[str, Any]  # a policy, as `json.dumps` takes it


@dataclass(slots=True, kw_only=True)
class Entity:
    """A user, a role or a group."""

    policies: Mapping[str, Document] = field(default_factory=dict)
    attached: Sequence[str] = ()
    """ARNs of managed policies."""
    groups: Sequence[str] = ()
    trust: Document | None = None
    boundary: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"


class StubIam:
    """One account; `denied` are actions that its caller may not call, and `page` is the size of a page."""

    def __init__(
        self,
        *,
        users: Mapping[str, Entity] | None = None,
        roles: Mapping[str, Entity] | None = None,
        groups: Mapping[str, Entity] | None = None,
        managed: Mapping[str, Document] | None = None,
        denied: Sequence[str] = (),
        page: int = 100,
        organizations: StubOrganizations | None = None,
        secrets: Mapping[str, Document | None] | None = None,
        keys: Mapping[str, Document] | None = None,
    ) -> None:
        """Without `organizations`, the account is in none.

        `secrets` are the secrets' policies by ARN, each tagged `team`. `keys` are the KMS keys' policies by ARN; all
        keys are enabled.
        """
        self.users = users or {}
        self.roles = roles or {}
        self._kinds = {"User": self.users, "Role": self.roles, "Group": groups or {}}
        self._managed = managed or {}
        self._denied = denied
        self._page = page
        self._organizations = organizations
        self._secrets = secrets or {}
        self._keys = keys or {}
        self.calls: list[str] = []
        """Each action with the name in its request."""

    def __call__(self, seen: Seen) -> Answer:
        """The answer to one request."""
        if seen.header("X-Amz-Target").startswith("secretsmanager."):
            return self._secret(seen)
        if seen.header("X-Amz-Target").startswith("TrentService."):
            return self._key(seen)
        if seen.header("X-Amz-Target"):
            not_in_use = json_error("AWSOrganizationsNotInUseException", "Your account is not a member.")
            return self._organizations(seen) if self._organizations is not None else not_in_use
        return self._query(seen)

    def _secret(self, seen: Seen) -> Answer:
        action = seen.header("X-Amz-Target").partition(".")[2]
        name = json.loads(seen.body)["SecretId"]
        self.calls.append(f"{action} {name}")
        if action in self._denied:
            return json_error("AccessDeniedException", f"User: {CALLER} is not authorized to perform: {action}")
        arn = next((arn for arn in self._secrets if arn.startswith(name)), None)
        if arn is None:
            return json_error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        policy = self._secrets[arn]
        if action == "DescribeSecret":
            return json_answer({"ARN": arn, "Name": "x", "Tags": [{"Key": "team", "Value": "core"}]})
        return json_answer({"ARN": arn, "Name": "x", **({"ResourcePolicy": json.dumps(policy)} if policy else {})})

    def _key(self, seen: Seen) -> Answer:
        action = seen.header("X-Amz-Target").partition(".")[2]
        name = json.loads(seen.body)["KeyId"]
        self.calls.append(f"{action} {name}")
        if action in self._denied:
            return json_error("AccessDeniedException", f"User: {CALLER} is not authorized to perform: kms:{action}")
        arn = next((arn for arn in self._keys if arn.endswith(name)), None)
        if arn is None:
            return json_error("NotFoundException", f"Invalid keyId '{name}'")
        if action == "DescribeKey":
            return json_answer({"KeyMetadata": {"Arn": arn, "KeyId": arn.rpartition("/")[2], "KeyState": "Enabled"}})
        return json_answer({"Policy": json.dumps(self._keys[arn]), "PolicyName": "default"})

    def _query(self, seen: Seen) -> Answer:
        parameters = parameters_of(seen)
        action = parameters["Action"]
        about = next((parameters[name] for name in _NAMES if name in parameters), "")
        self.calls.append(f"{action} {about}".strip())
        if action in self._denied:
            return sts_error("AccessDenied", f"User: {CALLER} is not authorized to perform: iam:{action}")
        if action == "GetCallerIdentity":
            return _answer(
                action, f"<Arn>{CALLER}</Arn><UserId>AIDAEXAMPLE</UserId><Account>{ACCOUNT}</Account>", STS_NAMESPACE
            )
        if action == "GetPolicy":
            return _answer(action, "<Policy><DefaultVersionId>v2</DefaultVersionId></Policy>")
        if action == "GetPolicyVersion":
            assert parameters["VersionId"] == "v2"
            text = _quoted(self._managed[parameters["PolicyArn"]])
            return _answer(action, f"<PolicyVersion><Document>{text}</Document></PolicyVersion>")
        kind = next(kind for kind in self._kinds if f"{kind}Name" in parameters)
        entity = self._kinds[kind].get(parameters[f"{kind}Name"])
        if entity is None:
            return sts_error("NoSuchEntity", f"The {kind.lower()} with name {about} cannot be found.", 404)
        return self._about(action, kind, entity, parameters)

    def _about(self, action: str, kind: str, entity: Entity, parameters: Mapping[str, str]) -> Answer:
        name = parameters[f"{kind}Name"]
        if action == f"Get{kind}":
            return _answer(action, f"<{kind}>{_described(kind, name, entity)}</{kind}>")
        if action == f"Get{kind}Policy":
            text = _quoted(entity.policies[parameters["PolicyName"]])
            return _answer(action, f"<PolicyDocument>{text}</PolicyDocument>")
        if action == f"List{kind}Policies":
            members = [escape(policy) for policy in entity.policies]
            return self._list(action, "PolicyNames", members, parameters)
        if action == f"ListAttached{kind}Policies":
            members = [
                f"<PolicyName>{arn.rpartition('/')[2]}</PolicyName><PolicyArn>{arn}</PolicyArn>"
                for arn in entity.attached
            ]
            return self._list(action, "AttachedPolicies", members, parameters)
        assert action == "ListGroupsForUser"
        members = [f"<GroupName>{group}</GroupName>" for group in entity.groups]
        return self._list(action, "Groups", members, parameters)

    def _list(self, action: str, name: str, members: Sequence[str], parameters: Mapping[str, str]) -> Answer:
        start = int(parameters.get("Marker", "0"))
        shown_text = "".join(f"<member>{member}</member>" for member in members[start : start + self._page])
        end = start + self._page
        more = end < len(members)
        tail = f"<IsTruncated>{str(more).lower()}</IsTruncated>" + (f"<Marker>{end}</Marker>" if more else "")
        return _answer(action, f"<{name}>{shown_text}</{name}>{tail}")


CALLER = f"arn:aws:iam::{ACCOUNT}:user/ada"
_NAMES = ("PolicyName", "PolicyArn", "UserName", "RoleName", "GroupName")


def _described(kind: str, name: str, entity: Entity) -> str:
    prefix = {"User": "AIDA", "Role": "AROA"}[kind]
    text = f"<Path>{entity.path}</Path><{kind}Name>{name}</{kind}Name>"
    text += f"<{kind}Id>{prefix}{name.upper():0<17}</{kind}Id>"
    text += f"<Arn>arn:aws:iam::{ACCOUNT}:{kind.lower()}{entity.path}{name}</Arn>"
    if entity.trust is not None:
        text += f"<AssumeRolePolicyDocument>{_quoted(entity.trust)}</AssumeRolePolicyDocument>"
    if entity.boundary:
        text += "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>"
        text += f"<PermissionsBoundaryArn>{entity.boundary}</PermissionsBoundaryArn></PermissionsBoundary>"
    tags = "".join(
        f"<member><Key>{escape(key)}</Key><Value>{escape(value)}</Value></member>" for key, value in entity.tags.items()
    )
    return text + (f"<Tags>{tags}</Tags>" if tags else "")


def _quoted(document: Document) -> str:
    """Policies in IAM's form: percent-encoded."""
    return quote(json.dumps(document, indent=2), safe="")


def _answer(action: str, result: str, namespace: str = NAMESPACE) -> Answer:
    return Answer(
        body=f"""<{action}Response xmlns="{namespace}">
  <{action}Result>
    {result}
  </{action}Result>
  <ResponseMetadata>
    <RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId>
  </ResponseMetadata>
</{action}Response>
""".encode(),
        headers=(("Content-Type", "text/xml"),),
    )
