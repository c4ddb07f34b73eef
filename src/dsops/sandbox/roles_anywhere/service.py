"""The entry points of IAM Roles Anywhere in a sandbox: CreateSession, and the operations that administrators call."""

from __future__ import annotations

import json
from collections.abc import Mapping

from dsops.errors import SandboxRefusal
from dsops.request.context import iso_time
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.errors import answer_of
from dsops.request.wire.models import ROLES_ANYWHERE
from dsops.request.wire.responses import json_code
from dsops.request.wire.route import Route
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.cloudtrail.event_record import HIDDEN, VERSION
from dsops.sandbox.cloudtrail.events import Events
from dsops.sandbox.roles_anywhere.management import Management
from dsops.sandbox.roles_anywhere.parameters import SessionRequest, read_session_request
from dsops.sandbox.roles_anywhere.records import AnywhereResources
from dsops.sandbox.roles_anywhere.route import CREATE_SESSION
from dsops.sandbox.roles_anywhere.sessions import CertificateSessions, VerifiedRequest, location_of
from dsops.sandbox.roles_anywhere.signature import read_certificate_claim
from dsops.sandbox.state.rate_limits import Throttle
from dsops.sandbox.state.world import World
from dsops.sandbox.sts.sts import StsService

_JSON = ("Content-Type", "application/json")


class RolesAnywhere:
    """IAM Roles Anywhere of one sandbox."""

    def __init__(self, world: World, sts: StsService, events: Events, throttle: Throttle, clock: MovableClock) -> None:
        self.records = AnywhereResources()
        self._world = world
        self._events = events
        self._throttle = throttle
        self._clock = clock
        self._sessions = CertificateSessions(world, self.records, sts)
        self._management = Management(self.records)

    def perform(self, turn: AuthenticatedRequest) -> HttpAnswer:
        """Perform an authorized operation of an administrator. Raises SandboxRefusal if AWS would refuse it."""
        return self._management.perform(turn)

    def create_session(self, request: HttpRequest, request_id: str) -> HttpAnswer:
        """Answer CreateSession, and record it. Callers must hold `World.lock`. Raises SandboxRefusal."""
        now = self._clock.now()
        claim = read_certificate_claim(request, self._clock.wall())
        asked = read_session_request(request)
        location = location_of(asked.trust_anchor_arn)
        account = "" if location is None or location.account not in self._world.partitions else location.account
        self._throttle.check(ROLES_ANYWHERE, account, claim.region)
        try:
            verified = self._sessions.verify(request, claim, asked, now)
            content = self._assumed(request, verified, now, request_id)
        except SandboxRefusal as refused:
            self._record(request, asked, account, claim.region, (now, request_id), refused=refused)
            raise
        self._record(request, asked, account, claim.region, (now, request_id), content=content)
        return HttpAnswer(201, (_JSON,), json.dumps(content).encode())

    def _assumed(
        self, request: HttpRequest, verified: VerifiedRequest, now: float, request_id: str
    ) -> dict[str, object]:
        """Assume the role, record the AssumeRole call, and return the response of CreateSession."""
        turn = self._sessions.turn(verified, now, request_id)
        route = Route("sts", turn.operation, "query", wants_json=False, fields={}, document={})
        try:
            issued, result = self._sessions.assume(turn, verified)
        except SandboxRefusal as refused:
            self._events.add(request, route, turn, {}, refused)
            self._sessions.note_subject(verified, now, has_failed=True)
            raise
        self._events.add(request, route, turn, result, None)
        subject = self._sessions.note_subject(verified, now, has_failed=False)
        user = result["AssumedRoleUser"]
        arn, role_id = (user["Arn"], user["AssumedRoleId"]) if isinstance(user, Mapping) else ("", "")
        credentials = {
            "accessKeyId": issued.access_key_id,
            "secretAccessKey": issued.secret_access_key,
            "sessionToken": issued.session_token,
            "expiration": iso_time(issued.expires_at),
        }
        session: dict[str, object] = {
            "assumedRoleUser": {"arn": arn, "assumedRoleId": role_id},
            "credentials": credentials,
            "packedPolicySize": result.get("PackedPolicySize", 0),
            "roleArn": verified.role.arn,
            "sourceIdentity": verified.source_identity,
        }
        return {"credentialSet": [session], "subjectArn": subject.arn}

    def _record(
        self,
        request: HttpRequest,
        asked: SessionRequest,
        account: str,
        region: str,
        moment: tuple[float, str],
        *,
        content: Mapping[str, object] | None = None,
        refused: SandboxRefusal | None = None,
    ) -> None:
        """Record a CreateSession call in the trail of the trust anchor's account, if the account exists."""
        if not account:
            return
        now, request_id = moment
        record: dict[str, object] = {
            "eventVersion": VERSION,
            "userIdentity": {"type": "Unknown", "principalId": "", "arn": "", "accountId": account, "accessKeyId": ""},
            "eventTime": iso_time(now),
            "eventSource": f"{ROLES_ANYWHERE}.amazonaws.com",
            "eventName": CREATE_SESSION,
            "awsRegion": region,
            "sourceIPAddress": request.peer,
            "userAgent": request.headers.get("user-agent", ""),
        }
        if refused is not None:
            aws = answer_of(refused)
            record |= {"errorCode": json_code(aws.code), "errorMessage": aws.message}
        record |= {
            "requestParameters": {**asked.recorded, "cert": request.headers.get("x-amz-x509", "")},
            "responseElements": _without_secrets(content),
            "requestID": request_id,
            "readOnly": False,
            "eventType": "AwsApiCall",
            "managementEvent": True,
            "eventCategory": "Management",
        }
        self._events.keep(record, account)


def _without_secrets(content: Mapping[str, object] | None) -> dict[str, object] | None:
    """Return the response with its secret key and session token hidden."""
    if content is None:
        return None
    text = json.loads(json.dumps(content))
    for session in text["credentialSet"]:
        session["credentials"] |= {"secretAccessKey": HIDDEN, "sessionToken": HIDDEN}
    return dict(text)
