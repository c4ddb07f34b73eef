"""The control endpoint that issues SAML responses on request: `/_sandbox/saml`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dsops.arn import Arn, parse_arn
from dsops.request.messages import HttpRequest
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.saml import response as saml
from dsops.sandbox.saml.assertion import sign_in
from dsops.sandbox.saml.issuer import SamlOptions

_FORM = (
    'send {"role": "arn:aws:iam::...:role/...", "provider": "...", "session_name": "...", "subject": "...", '
    '"tags": {...}, "transitive": [...], "source_identity": "...", "duration_seconds": 3600, "attributes": {...}, '
    '"expires_seconds": 300}'
)
_KEYS = frozenset(
    """
    role provider session_name subject tags transitive source_identity duration_seconds session_seconds attributes
    expires_seconds audience recipient subject_format
    """.split()
)
_MAX_SECONDS = 10 * 366 * 86_400

Said = tuple[int, Mapping[str, object]]
"""HTTP status and JSON content of a response."""


class SamlResponses:
    """The SAML endpoints of one sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def metadata(self, _: HttpRequest) -> Said:
        """Return the metadata document of the sandbox's identity provider, for CreateSAMLProvider."""
        with self._sandbox.world.lock:
            return 200, {"metadata": self._sandbox.issuers.saml.metadata}

    def mint(self, request: HttpRequest) -> Said:
        """Issue a SAML response in base64, and return it with the ARNs of the role and the provider.

        The request has the format of _FORM. Responses that STS refuses can be issued too, so that tests can cover
        refusals.
        """
        try:
            fields = dict(json.loads(request.body))
            role, provider_name = str(fields["role"]), str(fields.get("provider", ""))
            wish = _wish(fields)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return 400, {"error": _FORM}
        unknown = sorted(set(fields) - _KEYS)
        if unknown:
            return 400, {"error": f"there is no `{unknown[0]}`: {_FORM}"}
        if not all(abs(seconds) <= _MAX_SECONDS for seconds in (wish.seconds, wish.session_seconds or 0)):
            return 400, {"error": "a response can't live that long"}
        with self._sandbox.world.lock:
            provider, problem = self._provider(role, provider_name)
            if problem:
                return 404, {"error": problem}
            attributes = {saml.ROLE: [f"{role},{provider}"], **wish.attributes}
            try:
                assertion = self._sandbox.issuers.saml.mint(
                    wish._replace(attributes=attributes), self._sandbox.clock.now()
                )
            except ValueError:
                return 400, {"error": "XML can't hold one of the texts: there is a control character in it"}
        return 200, {"assertion": assertion, "role": role, "provider": provider}

    def _provider(self, role: str, named: str) -> tuple[str, str]:
        """Return (ARN of the provider, ""), or ("", reason) if the provider can't be determined.

        If the request names no provider, the only provider in the role's account is used.
        """
        arn = parse_arn(role)
        if arn is None or arn.service != "iam" or arn.resource_type != "role":
            return "", f"{role} is not the ARN of a role"
        if named.startswith("arn:"):
            return named, ""
        if named:
            return str(Arn(arn.partition, "iam", "", arn.account, f"saml-provider/{named}")), ""
        provider_arns = self._sandbox.world.saml_providers(arn.account)
        if len(provider_arns) != 1:
            alternatives = f"it has {', '.join(provider_arns)}" if provider_arns else "there is none in that account"
            return "", f"say which SAML provider: {alternatives}"
        return provider_arns[0], ""


def _wish(wish_data: Mapping[str, Any]) -> SamlOptions:
    """Parse all fields of the request except the role. Raises ValueError, TypeError or AttributeError."""
    name = str(wish_data.get("session_name") or "user")
    attributes: dict[str, list[str]] = {saml.SESSION_NAME: [name]}
    for key, value in dict(wish_data.get("tags") or {}).items():
        attributes[f"{saml.PRINCIPAL_TAG}{key}"] = [str(value)]
    if wish_data.get("transitive"):
        attributes[saml.TRANSITIVE_KEYS] = [str(key) for key in wish_data["transitive"]]
    if wish_data.get("source_identity"):
        attributes[saml.SOURCE_IDENTITY] = [str(wish_data["source_identity"])]
    if wish_data.get("duration_seconds") is not None:
        attributes[saml.SESSION_DURATION] = [str(int(wish_data["duration_seconds"]))]
    for key, values in dict(wish_data.get("attributes") or {}).items():
        attributes[str(key)] = [str(value) for value in (values if isinstance(values, list) else [values])]
    wish = SamlOptions(str(wish_data.get("subject") or name), attributes)
    session, role = wish_data.get("session_seconds"), parse_arn(str(wish_data["role"]))
    place = sign_in("aws" if role is None else role.partition)
    return wish._replace(
        seconds=int(wish_data.get("expires_seconds", wish.seconds)),
        session_seconds=None if session is None else int(session),
        subject_format=str(wish_data.get("subject_format") or wish.subject_format),
        audience=str(wish_data.get("audience") or wish.audience),
        recipient=str(wish_data.get("recipient") or place),
    )
