"""Makes calls: each is added to the tally and written as a record, from the same values."""

from __future__ import annotations

import random
from typing import Any, Final

from tests.cloudtrail.columns import spoken
from tests.cloudtrail.company import REGIONS, Company, act_as
from tests.cloudtrail.facts import Actor, Issue, Json, Role, Session
from tests.cloudtrail.files import Files
from tests.cloudtrail.records import HIDDEN, Kind, answer, encode, expiration, record, uuid_of
from tests.cloudtrail.tally import Tally

DEFAULT_SECONDS: Final = {"GetSessionToken": 43200, "GetFederationToken": 43200, "AssumeRoot": 900}
_KEY_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
# Error messages appear in no answer, but must not break parsing.
_MESSAGES: Final = (
    "User is not authorized to perform this action",
    'no "quotes" left: \'\\ </script><script>x()</script>',
    "Rate exceeded",
    "\N{PILE OF POO} caf\u00e9 %s %(name)s {0}",
)


class Desk:
    """Makes the calls of one part of the month."""

    def __init__(self, company: Company, chance: random.Random, tally: Tally, files: Files, *, is_dirty: bool) -> None:
        self.company = company
        self.chance = chance
        self.tally = tally
        self.files = files
        self.is_dirty = is_dirty
        self._open: list[Session] = []
        self._inside = frozenset(company.accounts.values())

    def new_id(self) -> str:
        """A new id for an event or request."""
        return uuid_of(self.chance.getrandbits(128))

    def new_key(self) -> str:
        """A new access key id for a session."""
        return "ASIA" + "".join(self.chance.choices(_KEY_LETTERS, k=16))

    def put(self, account: str, region: str, time: int, text: str) -> None:
        """Add a record; in a dirty folder, some records are added more than once."""
        self.files.add(account, region, time, text)
        if self.is_dirty and self.chance.random() < 0.02:
            late = self.chance.choice((0, 0, 7200, -7200))
            self.files.add(account, region, time + late, text)

    def call(self, actor: Actor, kind: Kind, time: int, code: str = "") -> None:
        """Make a call of an ordinary service."""
        chance = self.chance
        self.tally.call(time, kind.category, kind.service)
        error = ""
        if code:
            self.tally.refuse(time, (actor.principal, kind.service, kind.name, ""), code)
            error = f'"errorCode":"{code}","errorMessage":{encode(chance.choice(_MESSAGES))},'
        if actor.session is not None:
            actor.session.use(time)
        if not actor.text:
            actor.text = encode(actor.identity)
        account = actor.account or self.company.accounts["production"]
        region = REGIONS[chance.random() < 0.3]
        bits = chance.getrandbits(256)
        text = kind.template % {
            "identity": actor.text,
            "error": error,
            "time": spoken(time),
            "region": region,
            "address": actor.address,
            "agent": encode(actor.agent),
            "account": account,
            "number": bits % 997,
            "request": uuid_of(bits >> 128),
            "event": uuid_of(bits & (1 << 128) - 1),
        }
        self.put(account, region, time, text)

    def issue(
        self,
        actor: Actor,
        time: int,
        name: str,
        role: Role | None = None,
        *,
        session_name: str = "",
        asked: int | None = None,
        code: str = "",
        has_serial: bool = False,
        source_identity: str = "",
        without: str = "",
    ) -> Actor | None:
        """Make a call for credentials; returns the session as caller. `without` omits `parameters` or `answer`.

        Without a role, the call is GetSessionToken or GetFederationToken; for AssumeRoot, only the role's account is
        used.
        """
        parameters = self._parameters(name, role, session_name, asked, source_identity, has_serial=has_serial)
        if without == "parameters":
            parameters, role = None, None
        named = name if role is None else f"arn:aws:iam::{role.account}:root" if name == "AssumeRoot" else role.arn
        it = Issue(
            time=time,
            name=name,
            role=named,
            principal=actor.principal,
            from_account=actor.account,
            to_account="" if role is None else role.account,
            code=code,
            has_mfa=actor.has_mfa or (has_serial and parameters is not None),
            is_user=actor.is_user,
            address=actor.address,
            is_outsider=bool(actor.account) and actor.account not in self._inside,
        )
        acting = given = None
        if not code and without != "answer":
            it.session = session = self._session(it, actor, asked, source_identity)
            if role is not None and name != "AssumeRoot":
                session.session_name = session_name
            acting = self._acting(actor, session, role, session_name, has_serial=has_serial)
            given = self._given(session, acting, source_identity, is_explicit=asked is not None)
            self._open.append(session)
        self._record(it, actor, role, parameters, given)
        self._tell(it, actor)
        return acting

    def _session(self, it: Issue, actor: Actor, asked: int | None, source_identity: str) -> Session:
        """The issued session; its name and ARN are set later."""
        return Session(
            key=self.new_key(),
            time=it.time,
            name=it.name,
            role=it.role,
            principal=it.principal,
            session_name="",
            source_identity=source_identity or actor.source_identity,
            address=actor.address,
            parent=actor.session,
            asked=asked or DEFAULT_SECONDS.get(it.name, 3600),
            signed_by=actor.identity.get("accessKeyId", ""),
            pair=(it.from_account, it.to_account),
            slack=self.chance.choice((-1, 1, 2)) if asked and self.chance.random() < 0.1 else 0,
        )

    def _given(self, session: Session, acting: Actor, source_identity: str, *, is_explicit: bool) -> Json:
        """The response elements of the record."""
        unique, arn = acting.identity["principalId"], acting.identity["arn"]
        if acting.identity["type"] == "AssumedRole":
            session.arn = arn
        given = answer(session.key, expiration(session.expires), session.arn, unique, source_identity)
        if acting.identity["type"] == "FederatedUser":
            given["federatedUser"] = {"federatedUserId": unique, "arn": arn}
        if self.is_dirty and self.chance.random() < 0.1:
            given["credentials"]["expiration"] = spoken(session.expires)
        elif self.is_dirty and is_explicit and not session.slack and self.chance.random() < 0.1:
            del given["credentials"]["expiration"]
        return given

    def close(self) -> None:
        """Close all open sessions, whose uses are then complete."""
        for session in self._open:
            self.tally.session(session)
        self._open.clear()

    def _tell(self, it: Issue, actor: Actor) -> None:
        self.tally.call(it.time, "Management", "sts")
        self.tally.issue(it)
        if it.code:
            self.tally.refuse(it.time, (it.principal, "sts", it.name, it.role), it.code)
        if actor.session is not None:
            actor.session.use(it.time)

    @staticmethod
    def _parameters(
        name: str, role: Role | None, session_name: str, asked: int | None, source_identity: str, *, has_serial: bool
    ) -> Json | None:
        """The request parameters of the record."""
        made: Json = {}
        if name == "AssumeRoot":
            target = role.account if role is not None else ""
            if asked is not None:
                target = f"arn:aws:iam::{target}:root"
            made = {
                "targetPrincipal": target,
                "taskPolicyArn": {"arn": "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials"},
            }
        elif name == "GetFederationToken":
            made = {"name": session_name, "policy": '{"Version":"2012-10-17","Statement":[]}'}
        elif role is not None:
            made = {"roleArn": role.arn, "roleSessionName": session_name}
        if name == "AssumeRoleWithSAML":
            made |= {
                "sAMLAssertionID": "_4f6a2c1e-EXAMPLE",
                "principalArn": "arn:aws:iam::123456789012:saml-provider/Directory",
            }
        if asked is not None:
            made["durationSeconds"] = asked
        if has_serial:
            made["serialNumber"] = "arn:aws:iam::123456789012:mfa/phone"
        if source_identity:
            made["sourceIdentity"] = source_identity
        return made or None

    def _acting(
        self, actor: Actor, session: Session, role: Role | None, session_name: str, *, has_serial: bool
    ) -> Actor:
        """The caller that uses the new session."""
        created = spoken(session.time)
        if session.name == "AssumeRoot" and role is not None:
            arn = f"arn:aws:iam::{role.account}:root"
            identity: Json = {
                "type": "Root",
                "principalId": role.account,
                "arn": arn,
                "accountId": role.account,
                "sessionContext": {
                    "attributes": {"creationDate": created, "mfaAuthenticated": "false"},
                    "assumedRoot": "true",
                },
            }
            acting = Actor(arn, role.account, identity)
        elif role is not None:
            acting = act_as(role, session_name, session.key, created, session.source_identity)
        elif session.name == "GetFederationToken":
            arn = f"arn:aws:sts::{actor.account}:federated-user/{session_name}"
            issuer = {name: actor.identity[name] for name in ("principalId", "arn", "accountId", "userName")}
            identity = {
                "type": "FederatedUser",
                "principalId": f"{actor.account}:{session_name}",
                "arn": arn,
                "accountId": actor.account,
                "sessionContext": {
                    "sessionIssuer": {"type": "IAMUser", **issuer},
                    "attributes": {"creationDate": created, "mfaAuthenticated": "false"},
                },
            }
            acting = Actor(arn, actor.account, identity)
        else:
            attributes = {"creationDate": created, "mfaAuthenticated": "true" if has_serial else "false"}
            identity = {**actor.identity, "sessionContext": {"attributes": attributes}}
            acting = Actor(actor.principal, actor.account, identity, actor.twin, has_mfa=has_serial, is_user=True)
        acting.identity["accessKeyId"] = session.key
        acting.session = session
        acting.address, acting.agent = actor.address, actor.agent
        if acting.address.endswith(".amazonaws.com"):
            acting.address, acting.agent = "10.1.2.3", "aws-sdk-java/2.34.1"
        return acting

    def _record(self, it: Issue, actor: Actor, role: Role | None, parameters: Json | None, given: Json | None) -> None:
        """Add the record to the caller's trail, and its copy to the trail of the role's account."""
        region = REGIONS[self.chance.random() < 0.4]
        more: dict[str, Any] = {  # a record may contain any JSON value
            "awsRegion": region,
            "sourceIPAddress": actor.address,
            "userAgent": actor.agent,
            "requestParameters": parameters,
            "responseElements": given,
            "requestID": self.new_id(),
            "additionalEventData": {"RequestDetails": {"endpointType": "regional", "awsServingRegion": region}},
        }
        if it.code:
            more |= {"errorCode": it.code, "errorMessage": self.chance.choice(_MESSAGES)}
        if (
            parameters is not None
            and "externalId" not in parameters
            and self.chance.random() < 0.1
            and role is not None
        ):
            parameters["externalId"] = HIDDEN
            it.has_external_id = True
        if role is not None and it.name != "AssumeRoot":
            more["resources"] = [{"accountId": role.account, "type": "AWS::IAM::Role", "ARN": role.arn}]
        trails = [account for account in (actor.account,) if account in self._inside]
        if role is not None and role.account not in trails:
            trails.append(role.account)
        if len(trails) > 1 or (actor.account not in self._inside and actor.account):
            more["sharedEventID"] = self.new_id()
        for account in trails or [self.company.accounts["management"]]:
            is_twin = account != actor.account and actor.twin is not None
            identity = actor.twin if is_twin else actor.identity
            made = record(
                it.time,
                "sts.amazonaws.com",
                it.name,
                identity,
                eventID=self.new_id(),
                recipientAccountId=account,
                **more,
            )
            self.put(account, region, it.time, encode(made))
