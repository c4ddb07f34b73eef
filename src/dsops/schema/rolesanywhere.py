"""The store type `aws.rolesanywhere`: a role's session for the holder of an X.509 certificate."""

from __future__ import annotations

from dsops.schema.aws import AWS_KEYS
from dsops.schema.local import COMMON_KEYS, DANGER_KEY
from dsops.schema.store_type import SESSION_PARTS, Conflict, KeyRule, Settings, StoreKey, StoreType
from dsops.schema.sts_keys import STS_KEYS

_REGION, _ENDPOINT = AWS_KEYS[0], AWS_KEYS[3]
_BY_NAME = {key.name: key for key in STS_KEYS}
_GUIDE = "the IAM Roles Anywhere User Guide"
_UUID = r"[a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12}"
_SIGNERS = ("private_key", "sign_process")


def _check_signer(settings: Settings) -> list[Conflict]:
    named = [name for name in _SIGNERS if name in settings]
    if len(named) == 2:
        return [Conflict("sign_process", "`private_key` and `sign_process` name two keys", "remove one of the two")]
    if not named and "certificate" in settings:
        hint = "set `private_key` to the file of the key, or `sign_process` to a command that signs with it"
        return [Conflict("certificate", "nothing says with which key to sign", hint)]
    return []


ROLES_ANYWHERE_TYPE = StoreType(
    "aws.rolesanywhere",
    (
        "A role's session for a machine with an X.509 certificate, from IAM Roles Anywhere. Other stores use it with "
        "`credentials_from`, and variables can read its credentials. Of the keys for every `aws.*` type, the store "
        "accepts only `region` and `endpoint_url`."
    ),
    (
        *COMMON_KEYS,
        DANGER_KEY,
        _ENDPOINT,
        _REGION._replace(
            help="The region of stores that use this one. Default: AWS_REGION, AWS_DEFAULT_REGION or the trust "
            "anchor's region."
        ),
        StoreKey(
            "trust_anchor_arn",
            "text",
            "The trust anchor whose certificate authority issued the certificate.",
            is_required=True,
            pattern=rf"arn:[a-z0-9-]+:rolesanywhere:[a-z0-9-]+:[0-9]{{12}}:trust-anchor/{_UUID}",
            shape="a trust anchor's ARN, arn:aws:rolesanywhere:REGION:ACCOUNT:trust-anchor/ID",
        ),
        StoreKey(
            "profile_arn",
            "text",
            "The profile that contains the role.",
            is_required=True,
            pattern=rf"arn:[a-z0-9-]+:rolesanywhere:[a-z0-9-]+:[0-9]{{12}}:profile/{_UUID}",
            shape="a profile's ARN, arn:aws:rolesanywhere:REGION:ACCOUNT:profile/ID",
        ),
        _BY_NAME["role_arn"]._replace(help="The role to assume.", is_required=True, aliases=()),
        StoreKey(
            "certificate",
            "file",
            "The machine's certificate, a PEM file. Relative to the folder of this file, or `~/...`.",
            is_required=True,
            is_identity=False,
            minimum=1,
        ),
        StoreKey(
            "private_key",
            "file",
            "The certificate's private key, a PEM file without encryption (RSA or ECDSA) that other users can't read. "
            "Excludes `sign_process`.",
            is_identity=False,
            minimum=1,
        ),
        StoreKey(
            "sign_process",
            "command",
            "A command that signs with a key that can't be read, such as one in a TPM: it reads data on its standard "
            "input and writes the signature with SHA-256, as bytes or as hexadecimal digits. It runs in the folder of "
            "this file.",
            is_identity=False,
        ),
        StoreKey(
            "intermediates",
            "file",
            "The certificates between the machine's certificate and the trust anchor, a PEM file.",
            is_identity=False,
            minimum=1,
        ),
        _BY_NAME["role_session_name"]._replace(
            help="The name of the session, if the profile accepts custom names. Default: the certificate's serial "
            "number."
        ),
        StoreKey(
            "duration_seconds",
            "integer",
            "The duration of the session in seconds, 900 to 43200, and at most the profile's duration, which is the "
            "default.",
            aliases=("duration",),
            minimum=900,
            maximum=43200,
            source=_GUIDE,
        ),
    ),
    gives_credentials=True,
    takes_credentials=True,
    service="rolesanywhere",
    session_action="CreateSession",
    session_parts=SESSION_PARTS,
    proof_keys=("certificate",),
    refused_keys={
        "profile": "its credentials come from a certificate: remove it (the Roles Anywhere profile is `profile_arn`)",
        "credentials_from": "its credentials come from a certificate: remove it",
        "trust_anchor": "the key is called `trust_anchor_arn`",
        "session_policy": "the profile of Roles Anywhere has the session policy: remove it",
        "policy_arns": "the profile of Roles Anywhere has the policies: remove it",
        "source_identity": "AWS sets it to the certificate's common name: remove it",
        "tags": "AWS sets the tags from the certificate's attributes: remove it",
        "external_id": "a certificate replaces it: remove it",
        "serial_number": "the certificate contains its serial number; a session by certificate has no MFA: remove it",
    },
    rules=(KeyRule(_check_signer, apart=(_SIGNERS,), needs=(("certificate", _SIGNERS),)),),
)
