"""Write CloudTrail records of IAM Identity Center's operations and of the roles that it assumes.

IAM Identity Center User Guide, "Understanding CloudTrail events"; records published by users in 2026. CloudTrail
records the sign-in service's CreateToken as an API call, and the portal's calls as service events with separate
details. CloudTrail records neither client registrations nor polls before the token is issued.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from uuid import uuid4

from dsops.errors import SandboxRefusal
from dsops.policy import Principal
from dsops.request.context import iso_time, unsigned_context
from dsops.request.messages import HttpRequest
from dsops.request.wire.errors import answer_of
from dsops.request.wire.responses import Moment, Value
from dsops.request.wire.route import Route
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.cloudtrail.event_record import HIDDEN, VERSION
from dsops.sandbox.cloudtrail.events import Events
from dsops.sandbox.federation.federation import unsigned_caller
from dsops.sandbox.identity_center.directory import Instance
from dsops.sandbox.identity_center.portal import PERSISTENT, Assumed
from dsops.sandbox.identity_center.records import PortalLogin
from dsops.sandbox.saml.assertion import sign_in

_SOURCE = "sso.amazonaws.com"
_SHOWN = ("clientId", "grantType", "redirectUri", "scope")
_HIDDEN = ("clientSecret", "deviceCode", "code", "codeVerifier", "refreshToken")
"""Parameters that records hide. AWS shows the device code, because it is used up; the sandbox hides it, too."""
_DETAILS: Mapping[str, Mapping[str, str]] = {
    "GetRoleCredentials": {"roleName": "role_name", "accountId": "account_id"},
    "ListAccountRoles": {"accountId": "account_id"},
}


class CenterEvents:
    """Adds IAM Identity Center's records to a sandbox's events."""

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
        """Record a CreateToken call that issued a token. Other calls have no known user and are not recorded."""
        request_parameters = {name: parameters[name] for name in _SHOWN if name in parameters}
        request_parameters |= {name: HIDDEN for name in _HIDDEN if name in parameters}
        response_elements = {name: HIDDEN if name.endswith("Token") else value for name, value in content.items()}
        record = self._record(request, instance, login, "CreateToken", now, request_id) | {
            "requestParameters": request_parameters,
            "responseElements": response_elements,
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
        """Record a call to the portal that had a valid access token."""
        record = self._record(request, instance, login, operation, now, request_id)
        if refused is not None:
            aws = answer_of(refused)
            record |= {"errorCode": aws.code, "errorMessage": aws.message}
        details = {
            detail_name: str(parameters[name])
            for name, detail_name in _DETAILS.get(operation, {}).items()
            if name in parameters
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
        """Record the AssumeRoleWithSAML call that Identity Center made for the user, in the role's account."""
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
        turn = AuthenticatedRequest(
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
    """Return the `onBehalfOf` element, which identifies the user."""
    return {"userId": instance.users[user].user_id, "identityStoreArn": instance.store_arn}


def credential_id(login: PortalLogin) -> str:
    """Return the credential id for all records of the login; no token can be derived from the id."""
    return sha256(login.session_id.encode()).hexdigest()
