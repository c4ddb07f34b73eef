"""What CloudTrail records of IAM Identity Center, and of the roles that it assumes.

IAM Identity Center User Guide, "Understanding CloudTrail events"; records that people have published in 2026. The
sign-in service's CreateToken is an API call, the portal's calls are service events whose details stand apart. Clients'
registrations and the asking for a token before there is one are recorded nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from uuid import uuid4

from dsops.errors import SandboxRefusal
from dsops.policy import Principal
from dsops.sandbox.authorization.context import unsigned_context
from dsops.sandbox.cloudtrail.event_record import HIDDEN, VERSION
from dsops.sandbox.cloudtrail.events import Events
from dsops.sandbox.control.clock import iso_time
from dsops.sandbox.federation.federation import unsigned_caller
from dsops.sandbox.identity_center.directory import Instance
from dsops.sandbox.identity_center.memory import PortalLogin
from dsops.sandbox.identity_center.portal import PERSISTENT, Assumed
from dsops.sandbox.saml.assertion import sign_in
from dsops.sandbox.sts.turn import StsRequest
from dsops.sandbox.wire.answers import Moment, Value
from dsops.sandbox.wire.refusals import answer_of
from dsops.sandbox.wire.route import Route
from dsops.sandbox.wire.wire import HttpRequest

_SOURCE = "sso.amazonaws.com"
_SHOWN = ("clientId", "grantType", "redirectUri", "scope")
_HIDDEN = ("clientSecret", "deviceCode", "code", "codeVerifier", "refreshToken")
"""AWS shows a device code; by now it is spent, but what is read over a shoulder is better hidden."""
_DETAILS: Mapping[str, Mapping[str, str]] = {
    "GetRoleCredentials": {"roleName": "role_name", "accountId": "account_id"},
    "ListAccountRoles": {"accountId": "account_id"},
}


class CenterEvents:
    """Writes into a sandbox's events."""

    def __init__(self, events: Events) -> None:
        self._events = events

    def token_created(
        self,
        request: HttpRequest,
        instance: Instance,
        login: PortalLogin,
        parameters: Mapping[str, object],
        content: Mapping[str, object],
        now: float,
        request_id: str,
    ) -> None:
        """CreateToken that gave a token; of the others nobody knows who asks."""
        asked = {name: parameters[name] for name in _SHOWN if name in parameters}
        asked |= {name: HIDDEN for name in _HIDDEN if name in parameters}
        answered = {name: HIDDEN if name.endswith("Token") else value for name, value in content.items()}
        record = self._record(request, instance, login, "CreateToken", now, request_id) | {
            "requestParameters": asked,
            "responseElements": answered,
            "readOnly": False,
            "resources": [{"accountId": instance.owner, "type": "IdentityStoreId", "ARN": instance.store_id}],
            "eventType": "AwsApiCall",
        }
        self._events.keep(record, instance.owner)

    def portal_called(
        self,
        request: HttpRequest,
        instance: Instance,
        login: PortalLogin,
        operation: str,
        parameters: Mapping[str, object],
        refused: SandboxRefusal | None,
        now: float,
        request_id: str,
    ) -> None:
        """A call with a token that is somebody's."""
        record = self._record(request, instance, login, operation, now, request_id)
        if refused is not None:
            aws = answer_of(refused)
            record |= {"errorCode": aws.code, "errorMessage": aws.message}
        details = {
            shown: str(parameters[name]) for name, shown in _DETAILS.get(operation, {}).items() if name in parameters
        }
        record |= {
            "requestParameters": None,
            "responseElements": None,
            "readOnly": operation != "Logout",
            "eventType": "AwsServiceEvent",
        }
        if details:
            record["serviceEventDetails"] = details
        self._events.keep(record, instance.owner)

    def role_assumed(
        self, request: HttpRequest, instance: Instance, login: PortalLogin, assumed: Assumed, now: float
    ) -> None:
        """AssumeRoleWithSAML in the trail of the role's account, by which Identity Center got the credentials."""
        role, issued, provider = assumed.role, assumed.issued, assumed.assigned.provider_arn
        caller = unsigned_caller(instance.region, instance.partition)._replace(
            principal=Principal("saml", "", "", federated=provider),
            user_id=f"{assumed.qualifier}:{login.user}",
            subject=login.user,
        )
        parameters: dict[str, object] = {
            "SAMLAssertionID": assumed.assertion_id,
            "RoleSessionName": login.user,
            "RoleArn": role.arn,
            "PrincipalArn": provider,
            "DurationSeconds": assumed.assigned.session_duration,
        }
        if instance.users[login.user].attributes:
            parameters["PrincipalTags"] = dict(instance.users[login.user].attributes)
        turn = StsRequest(
            caller, "AssumeRoleWithSAML", parameters, unsigned_context(instance.region, request, now), now, str(uuid4())
        )
        user_arn = f"arn:{instance.partition}:sts::{role.account}:assumed-role/{role.name}/{login.user}"
        result: dict[str, Value] = {
            "Credentials": {"AccessKeyId": issued.access_key_id, "Expiration": Moment(issued.expires_at)},
            "AssumedRoleUser": {"AssumedRoleId": f"{role.unique_id}:{login.user}", "Arn": user_arn},
            "Subject": login.user,
            "SubjectType": PERSISTENT,
            "Issuer": instance.saml_issuer,
            "Audience": sign_in(instance.partition),
            "NameQualifier": assumed.qualifier,
        }
        route = Route("sts", turn.operation, "query", wants_json=False, fields={}, document={})
        self._events.add(request, route, turn, result, None)

    def _record(
        self, request: HttpRequest, instance: Instance, login: PortalLogin, operation: str, now: float, request_id: str
    ) -> dict[str, object]:
        return {
            "eventVersion": VERSION,
            "userIdentity": {
                "type": "IdentityCenterUser",
                "accountId": instance.owner,
                "onBehalfOf": on_behalf_of(instance, login.user),
                "credentialId": credential_id(login),
            },
            "eventTime": iso_time(now),
            "eventSource": _SOURCE,
            "eventName": operation,
            "awsRegion": instance.region,
            "sourceIPAddress": request.peer,
            "userAgent": request.headers.get("user-agent", ""),
            "requestID": request_id,
            "managementEvent": True,
            "eventCategory": "Management",
        }


def on_behalf_of(instance: Instance, user: str) -> dict[str, str]:
    """The person, as records name him."""
    return {"userId": instance.users[user].user_id, "identityStoreArn": instance.store_arn}


def credential_id(login: PortalLogin) -> str:
    """What all records of one session have in common; no token can be made of it."""
    return sha256(login.session_id.encode()).hexdigest()
