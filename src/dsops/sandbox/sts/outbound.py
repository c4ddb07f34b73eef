"""GetWebIdentityToken: a token that identifies the caller to a service outside of AWS.

IAM User Guide, "Understanding token claims"; STS API Reference, GetWebIdentityToken. Key ids and discovery documents
have the format observed on AWS. Tokens contain AWS's own issuer URL. The sandbox publishes the keys that verify them
at `/_sandbox/outbound/ACCOUNT/.well-known/...`.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import uuid4

from dsops.request.context import iso_time, request_tags
from dsops.request.question import AuthorizationQuestion, Context
from dsops.request.wire.errors import access_denied, refusal, validation
from dsops.request.wire.responses import Moment, Value
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.sts.issuing import Issuing, refuse_global_endpoint
from dsops.sandbox.sts.session_policy import read_tags

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

CLAIMS: Final = "https://sts.amazonaws.com/"
"""Name of the claim that contains AWS's data about the caller."""

_KEY_IDS: Final = {"RS256": "RSA_0", "ES384": "EC384_0"}
_DEFAULT_SECONDS: Final = 300
# AWS does not publish its limit. Most servers accept headers of up to 8 KB, and the token must fit into a header.
_MAX_PAYLOAD: Final = 6_000
_ORIGIN: Final = "aws:OriginIdentity/"


class Outbound:
    """Outbound federation: the accounts where it is enabled, their issuer URLs, and the signing keys."""

    def __init__(self, issuing: Issuing) -> None:
        self._issuing = issuing
        self._issuers: dict[str, str] = {}
        self._enabled: set[str] = set()

    def enable(self, account: str) -> str:
        """Enable outbound federation for the account; return its issuer URL, which never changes."""
        self._enabled.add(account)
        return self._issuers.setdefault(account, f"https://{uuid4()}.tokens.sts.global.api.aws")

    def disable(self, account: str) -> None:
        """Disable outbound federation for the account. Tokens that were issued before stay valid."""
        self._enabled.discard(account)

    def is_enabled(self, account: str) -> bool:
        """Whether outbound federation is enabled for the account."""
        return account in self._enabled

    def issuer(self, account: str) -> str | None:
        """Return the account's issuer URL, or None if outbound federation was never enabled."""
        return self._issuers.get(account)

    def get_web_identity_token(self, turn: AuthenticatedRequest) -> dict[str, Value]:
        """Issue a token that identifies the caller. Raises SandboxRefusal if AWS would refuse the request."""
        refuse_global_endpoint(turn)
        caller, session = turn.caller, turn.caller.session
        if caller.principal.kind == "federated-session" or (session is not None and session.kind == "assumed-root"):
            self._issuing.refuse(turn, "sts:GetWebIdentityToken")
        algorithm, seconds = turn.text("SigningAlgorithm"), turn.number("DurationSeconds", _DEFAULT_SECONDS)
        if algorithm not in _KEY_IDS:
            raise validation(f"{algorithm} is not a signing algorithm: RS256 and ES384 are")
        tags = dict(read_tags(turn._replace(caller=caller._replace(session=None))).passed)
        _check_scope(turn)
        subject = _subject(turn)
        self._authorize(turn, seconds, tags)
        if not self.is_enabled(caller.account):
            raise refusal(
                "OutboundWebIdentityFederationDisabledException",
                "Outbound web identity federation is not enabled for this account.",
                403,
            )
        expires_at = int(turn.now) + seconds
        if session is not None and expires_at > session.expires_at:
            raise refusal(
                "SessionDurationEscalationException",
                "The requested token duration would extend the session beyond its original expiration time.",
                403,
            )
        audiences = cast("Sequence[str]", turn.parameters["Audience"])
        payload: dict[str, object] = {
            "iss": self._issuers[caller.account],
            "aud": audiences[0] if len(audiences) == 1 else list(audiences),
            "sub": subject,
            "iat": int(turn.now),
            "exp": expires_at,
            "jti": str(uuid4()),
            CLAIMS: self._claims(turn, tags),
        }
        if "Scope" in turn.parameters:
            payload["scope"] = turn.text("Scope")
        content = json.dumps(payload, ensure_ascii=False).encode()
        if len(content) > _MAX_PAYLOAD:
            raise refusal(
                "JWTPayloadSizeExceededException",
                f"The token payload of {len(content)} bytes exceeds the maximum of {_MAX_PAYLOAD} bytes.",
            )
        return {"WebIdentityToken": self._sign(content, algorithm), "Expiration": Moment(expires_at)}

    def key_set(self) -> dict[str, object]:
        """Return the public keys as a JSON Web Key Set (RFC 7517)."""
        from jwt.algorithms import ECAlgorithm, RSAAlgorithm

        rsa: Mapping[str, Any] = RSAAlgorithm.to_jwk(self._rsa_key.public_key(), as_dict=True)
        curve: Mapping[str, Any] = ECAlgorithm.to_jwk(self._ec_key.public_key(), as_dict=True)
        keys = {"RS256": rsa, "ES384": curve}
        return {"keys": [{**keys[name], "kid": _KEY_IDS[name], "alg": name, "use": "sig"} for name in _KEY_IDS]}

    def discovery(self, account: str, base: str) -> dict[str, object]:
        """Return `/.well-known/openid-configuration`. Its key set URL begins with the URL `base`."""
        return {
            "issuer": self._issuers[account],
            "jwks_uri": f"{base}/.well-known/jwks.json",
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": list(_KEY_IDS),
            "claims_supported": ["sub", "iss", "aud", "exp", "iat", "jti", CLAIMS],
        }

    def _authorize(self, turn: AuthenticatedRequest, seconds: int, tags: Mapping[str, str]) -> None:
        context: Context = {
            **turn.context,
            **request_tags(tags.items()),
            "sts:IdentityTokenAudience": tuple(cast("Sequence[str]", turn.parameters["Audience"])),
            "sts:DurationSeconds": (str(seconds),),
            "sts:SigningAlgorithm": (turn.text("SigningAlgorithm"),),
            "sts:SubjectMode": (turn.text("SubjectMode") or "AWSIdentity",),
        }
        actions = ["sts:GetWebIdentityToken"]
        if tags:
            actions.append("sts:TagGetWebIdentityToken")
        if "Scope" in turn.parameters:
            context["sts:IdentityTokenScope"] = tuple(turn.text("Scope").split(" "))
            actions.append("sts:SetWebIdentityTokenScope")
        for action in actions:
            self._issuing.require(turn, AuthorizationQuestion(action, "*", turn.caller.account, context))

    def _claims(self, turn: AuthenticatedRequest, tags: Mapping[str, str]) -> dict[str, object]:
        caller, session = turn.caller, turn.caller.session
        claims: dict[str, object] = {
            "aws_account": caller.account,
            "source_region": caller.region,
            "principal_id": _principal(turn),
        }
        membership = self._issuing.world.organizations.membership(caller.account)
        if membership is not None:
            # AWS was seen to send a list; its documentation shows a string.
            claims |= {"org_id": membership.organization_id, "ou_path": [membership.path]}
        if turn.text("SubjectMode"):
            claims["subject_mode"] = turn.text("SubjectMode")
        if caller.tags:
            claims["principal_tags"] = dict(caller.tags)
        if session is not None:
            claims["original_session_exp"] = iso_time(session.expires_at)
            if session.source_identity:
                claims["source_identity"] = session.source_identity
            provider = dict(session.federation).get("aws:FederatedProvider")
            if provider:
                claims["federated_provider"] = provider[0]
        if tags:
            claims["request_tags"] = dict(tags)
        return claims

    def _sign(self, content: bytes, algorithm: str) -> str:
        import jwt

        key = self._rsa_key if algorithm == "RS256" else self._ec_key
        return jwt.PyJWS().encode(content, key, algorithm, headers={"kid": _KEY_IDS[algorithm]})

    @cached_property
    def _rsa_key(self) -> RSAPrivateKey:
        return _new_rsa_key()

    @cached_property
    def _ec_key(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key

        return generate_private_key(SECP384R1())


@cache
def _new_rsa_key() -> RSAPrivateKey:
    """Generate the RSA signing key, which takes 0.1 s. All sandboxes of this process share it."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key

    return generate_private_key(65537, 2048)


def _principal(turn: AuthenticatedRequest) -> str:
    """Return the ARN of the calling user or role. A role session is represented by its role's ARN."""
    caller = turn.caller
    return caller.arn if caller.role is None else caller.role.arn


def _check_scope(turn: AuthenticatedRequest) -> None:
    if "Scope" not in turn.parameters:
        return
    scopes = turn.text("Scope").split(" ")
    if turn.text("SubjectMode") != "OriginIdentity" or len(cast("Sequence[str]", turn.parameters["Audience"])) != 1:
        raise validation("Scope can be specified only when SubjectMode is OriginIdentity and there is one audience.")
    if len(set(scopes)) < len(scopes):
        raise validation("A scope value can't be repeated.")


def _subject(turn: AuthenticatedRequest) -> str:
    """Return the token's subject: the session's origin identity if SubjectMode requests it, else the principal."""
    if turn.text("SubjectMode") != "OriginIdentity":
        return _principal(turn)
    session = turn.caller.session
    context = {} if session is None else dict(session.federation)
    subject = context.get(f"{_ORIGIN}Subject", ("",))[0]
    if not subject.strip() or not any(f"{_ORIGIN}{name}" in context for name in ("Issuer", "FederatedProviderArn")):
        raise validation("The calling session has no trusted identity propagation context with an origin identity.")
    is_printable = all(letter == " " or unicodedata.category(letter)[0] not in "CZ" for letter in subject)
    if subject.lower().startswith("arn:") or subject != subject.strip(" ") or not is_printable:
        raise access_denied("The origin identity of the calling session can't be the subject of a token.")
    return subject
