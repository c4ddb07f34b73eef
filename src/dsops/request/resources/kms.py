"""Determine the authorization checks of KMS: keys by id, ARN, alias or ciphertext, and aliases.

A key can be used only if its own policy allows it, even by the account's administrator (KMS Developer Guide, "Key
policies"). A grant has the same effect as a statement in the key's policy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from dsops.arn import is_account_id, parse_arn
from dsops.errors import SandboxRefusal
from dsops.policy import ANY_TEXT
from dsops.request.context import request_tags, tag_keys
from dsops.request.lookups import KeyLookup, SecretLocation
from dsops.request.parameter_values import Parameters, inside, key_if_given, listed_tags, shown, text, texts
from dsops.request.question import AuthorizationQuestion, CallerView, Context
from dsops.request.resources.kms_grants import with_grants
from dsops.request.wire.errors import refusal

_KEY: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_ALIAS: Final = re.compile(r"alias/[A-Za-z0-9/_-]{1,250}")

_FOR_OTHER_ACCOUNTS: Final = frozenset(
    """
    CreateGrant Decrypt DeriveSharedSecret DescribeKey Encrypt GenerateDataKey GenerateDataKeyPair
    GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac GetKeyRotationStatus
    GetPublicKey ListGrants ReEncryptFrom ReEncryptTo RetireGrant RevokeGrant Sign Verify VerifyMac
    """.split()
)
"""Operations that a key policy can allow for other accounts (KMS Developer Guide, "Allowing users in other accounts").
"""

_CONDITION_KEYS: Final[Mapping[str, str]] = {
    name: f"kms:{name}"
    for name in """
    BypassPolicyLockoutSafetyCheck EncryptionAlgorithm ExpirationModel GranteePrincipal KeyAgreementAlgorithm
    MacAlgorithm MessageType PrimaryRegion ReplicaRegion RetiringPrincipal RotationPeriodInDays SigningAlgorithm
    ValidTo WrappingAlgorithm WrappingKeySpec
    """.split()
} | {
    "CustomerMasterKeySpec": "kms:KeySpec",
    "KeyPairSpec": "kms:DataKeyPairSpec",
    "PendingWindowInDays": "kms:ScheduleKeyDeletionPendingWindowInDays",
}
"""Parameter -> the condition key that has the parameter's value."""

Kind = Literal["key", "alias"]


class _Named(NamedTuple):
    """A KeyId parameter in parsed form."""

    kind: Kind
    account: str
    name: str
    """A key id, or an alias in the form `alias/NAME`."""


class KmsResources:
    """Yields the authorization checks of KMS in one sandbox."""

    def __init__(self, keys: KeyLookup) -> None:
        self._keys = keys

    def questions(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of a KMS operation."""
        context = _context(parameters, caller)
        if operation == "ReEncrypt":
            yield from self._re_encryption(parameters, caller)
        elif operation in {"CreateAlias", "UpdateAlias", "DeleteAlias"}:
            yield from self._of_alias(operation, parameters, caller, context)
        elif operation == "CreateKey":
            context |= _new_key(parameters)
            yield AuthorizationQuestion("kms:CreateKey", "*", caller.account, context)
            if parameters.get("Tags"):
                yield AuthorizationQuestion(
                    "kms:TagResource", f"{_prefix(caller, caller.account)}key/*", caller.account, context
                )
        elif operation == "Decrypt":
            yield self._of_ciphertext("Decrypt", parameters, "CiphertextBlob", "KeyId", caller, context)
        elif operation == "RetireGrant":
            yield self._retirement(parameters, caller, context)
        elif "KeyId" in parameters and operation != "ListAliases":
            yield self._of_key(operation, text(parameters, "KeyId"), caller, context)
        else:
            # ListAliases may name a key. The check then uses the key's account.
            key_id = text(parameters, "KeyId")
            account = _read(key_id, caller, caller.account).account if key_id else caller.account
            yield _about_all(operation, caller, context)._replace(account=account)

    def through_s3(
        self, operation: str, key: str, caller: CallerView, account: str, bucket: str
    ) -> Iterator[AuthorizationQuestion]:
        """Yield the check for S3's KMS call on the caller's behalf. Yield nothing for S3's default key.

        `account` is the account of the bucket. It is also the account of `key` if that contains no account.
        """
        if key.endswith("alias/aws/s3"):
            return
        pairs = {"aws:s3:arn": f"arn:{caller.partition}:s3:::{bucket}"}
        yield self._of_key(operation, key, caller, _via_service("s3", caller, pairs), home=account)

    def through(
        self, service: str, operation: str, key: str, caller: CallerView, account: str, pairs: Mapping[str, str]
    ) -> AuthorizationQuestion:
        """Return the check for a service's KMS call on the caller's behalf; `pairs` is the encryption context.

        `account` is the account of `key` if that contains no account. An invalid key is treated as a missing key, so
        only the caller's own policies decide.
        """
        context = {**_via_service(service, caller, pairs), "aws:ViaAWSService": ("true",)}
        try:
            return self._of_key(operation, key, caller, context, home=account)
        except SandboxRefusal:
            resource = key if key.startswith("arn:") else f"{_prefix(caller, account)}key/{key}"
            return AuthorizationQuestion(f"kms:{operation}", resource, account, context)

    def _retirement(self, parameters: Parameters, caller: CallerView, context: Context) -> AuthorizationQuestion:
        """Return the authorization check for retiring a grant. Other grants can't allow it.

        A grant token is sufficient permission. If the request has a grant token, moto ignores the other parameters.
        """
        token, key_id = text(parameters, "GrantToken"), text(parameters, "KeyId")
        if token:
            key_id = self._keys.key_of_grant(SecretLocation(caller.account, caller.region), token)
        if not key_id:
            return _about_all("RetireGrant", caller, context)
        return self._of_key("RetireGrant", key_id, caller, context, grant=token or text(parameters, "GrantId"))

    def _of_key(
        self, operation: str, key_id: str, caller: CallerView, context: Context, home: str = "", grant: str = ""
    ) -> AuthorizationQuestion:
        """Return the authorization check for a key, given by id, ARN or alias.

        `home` is the account of the key if `key_id` contains no account. If `grant` is set, other grants are ignored.
        """
        named = _read(key_id, caller, home or caller.account)
        place = SecretLocation(named.account, caller.region)
        own_keys: Context = {}
        name = named.name
        if named.kind == "alias":
            own_keys["kms:RequestAlias"] = (name,)
            name = self._keys.key_of_alias(place, name)
            if not name:
                # The alias does not exist. Only a caller with permission on all aliases gets NotFound.
                arn = f"{_prefix(caller, named.account)}{named.name}"
                return AuthorizationQuestion(f"kms:{operation}", arn, named.account, context | own_keys)
        key = self._keys.key(place, name)
        if key is None:
            return AuthorizationQuestion(
                f"kms:{operation}", f"{_prefix(caller, named.account)}key/{name}", named.account, context | own_keys
            )
        own_keys |= {
            "kms:KeySpec": (key.spec,),
            "kms:KeyUsage": (key.usage,),
            "kms:KeyOrigin": (key.origin,),
            "kms:MultiRegion": (shown(key.is_multi_region),),
            **tag_keys(("aws:ResourceTag",), key.tags),
        }
        if key.aliases:
            own_keys["kms:ResourceAliases"] = key.aliases
        is_open = caller.account == named.account or operation in _FOR_OTHER_ACCOUNTS
        grants = tuple(key_grant for key_grant in key.grants if not grant or grant in key_grant.names)
        policy = with_grants(key.policy, grants) if is_open else None
        return AuthorizationQuestion(
            f"kms:{operation}", key.arn, named.account, context | own_keys, policy, must_policy_allow=True
        )

    def _of_ciphertext(
        self, action: str, parameters: Parameters, blob: str, name: str, caller: CallerView, context: Context
    ) -> AuthorizationQuestion:
        """Return the check for the key that encrypted a ciphertext.

        If the request has a KeyId, it must be the same key.
        """
        ciphertext = parameters.get(blob)
        key_id = self._keys.key_of_ciphertext(ciphertext) if isinstance(ciphertext, bytes) else ""
        sent_key_id = text(parameters, name)
        if not key_id:
            # The key is unknown. KMS reports an invalid ciphertext only to a caller who may use the key in the request.
            return (
                self._of_key(action, sent_key_id, caller, context)
                if sent_key_id
                else _about_all(action, caller, context)
            )
        if not sent_key_id:
            return self._of_key(action, key_id, caller, context)
        question = self._of_key(action, sent_key_id, caller, context)
        if question.resource.rpartition("/")[2] != key_id:
            raise refusal(
                "IncorrectKeyException",
                "The key ID in the request does not identify a CMK that can perform this operation.",
            )
        return question

    def _re_encryption(self, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        algorithms = {"SourceEncryptionAlgorithm": "From", "DestinationEncryptionAlgorithm": "To"}
        from_to = {side: key_if_given("kms:EncryptionAlgorithm", parameters, name) for name, side in algorithms.items()}
        source = _encryption_context(inside(parameters, "SourceEncryptionContext")) | from_to["From"]
        target = _encryption_context(inside(parameters, "DestinationEncryptionContext")) | from_to["To"]
        caller_key: Context = {"kms:CallerAccount": (caller.account,)}
        first = self._of_ciphertext(
            "ReEncryptFrom", parameters, "CiphertextBlob", "SourceKeyId", caller, caller_key | source
        )
        second = self._of_key("ReEncryptTo", text(parameters, "DestinationKeyId"), caller, caller_key | target)
        is_same: Context = {"kms:ReEncryptOnSameKey": (shown(first.resource == second.resource),)}
        for question in (first, second):
            yield question._replace(context={**question.context, **is_same})

    def _of_alias(
        self, operation: str, parameters: Parameters, caller: CallerView, context: Context
    ) -> Iterator[AuthorizationQuestion]:
        """Yield the checks for an operation on an alias: for the alias, for its current key, and for its new key.

        Only identity policies can allow the check for the alias.
        """
        alias = text(parameters, "AliasName")
        if not _ALIAS.fullmatch(alias):
            raise refusal(
                "ValidationException",
                'Alias must start with the prefix "alias/". Please see '
                "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
            )
        yield AuthorizationQuestion(
            f"kms:{operation}", f"{_prefix(caller, caller.account)}{alias}", caller.account, context
        )
        if operation != "CreateAlias":
            key_id = self._keys.key_of_alias(SecretLocation(caller.account, caller.region), alias)
            if key_id:
                yield self._of_key(operation, key_id, caller, context)
        if "TargetKeyId" in parameters:
            yield self._of_key(operation, text(parameters, "TargetKeyId"), caller, context)


def _read(key_id: str, caller: CallerView, home: str) -> _Named:
    """Parse a KeyId. Unusual forms are refused, because moto might interpret them as a key that was not authorized."""
    account, name = home, key_id
    if key_id == ANY_TEXT:
        return _Named("key", account, name)
    if key_id.startswith("arn:"):
        arn = parse_arn(key_id)
        if arn is None or arn.service != "kms" or arn.partition != caller.partition or not is_account_id(arn.account):
            raise _no_key(key_id)
        if arn.region != caller.region:
            raise refusal("NotFoundException", f"Invalid arn {arn.region}")
        account, name = arn.account, arn.resource.removeprefix("key/")
        if not arn.resource.startswith(("key/", "alias/")):
            raise _no_key(key_id)
    if _ALIAS.fullmatch(name):
        return _Named("alias", account, name)
    if not _KEY.fullmatch(name):
        raise _no_key(key_id)
    return _Named("key", account, name)


def _no_key(key_id: str) -> SandboxRefusal:
    return refusal("NotFoundException", f"Invalid keyId '{key_id}'")


def _prefix(caller: CallerView, account: str) -> str:
    return f"arn:{caller.partition}:kms:{caller.region}:{account}:"


def _about_all(operation: str, caller: CallerView, context: Context) -> AuthorizationQuestion:
    return AuthorizationQuestion(f"kms:{operation}", "*", caller.account, context)


def _context(parameters: Parameters, caller: CallerView) -> Context:
    context: Context = {"kms:CallerAccount": (caller.account,)}
    for name, key in _CONDITION_KEYS.items():
        context |= key_if_given(key, parameters, name)
    context |= _encryption_context(inside(parameters, "EncryptionContext"))
    context |= request_tags(listed_tags(parameters.get("Tags")))
    if "TagKeys" in parameters:
        context["aws:TagKeys"] = texts(parameters, "TagKeys")
    if "Operations" in parameters:
        context["kms:GrantOperations"] = texts(parameters, "Operations")
        context["kms:GrantIsForAWSResource"] = ("false",)
    constraints = inside(parameters, "Constraints")
    if constraints:
        context["kms:GrantConstraintType"] = tuple(constraints)
        context |= _encryption_context(
            {**inside(constraints, "EncryptionContextSubset"), **inside(constraints, "EncryptionContextEquals")}
        )
    return context


def _via_service(service: str, caller: CallerView, pairs: Mapping[str, str]) -> Context:
    """Return the condition keys of a KMS call that a service makes on the caller's behalf."""
    return {
        "kms:CallerAccount": (caller.account,),
        "kms:ViaService": (f"{service}.{caller.region}.amazonaws.com",),
        **_encryption_context(pairs),
    }


def _encryption_context(pairs: Parameters) -> Context:
    if not pairs:
        return {}
    context: Context = {f"kms:EncryptionContext:{key}": (str(value),) for key, value in pairs.items()}
    return {**context, "kms:EncryptionContextKeys": tuple(pairs)}


def _new_key(parameters: Parameters) -> Context:
    """Return condition keys with the attributes of a key to be created, with AWS's defaults."""
    spec = text(parameters, "KeySpec") or text(parameters, "CustomerMasterKeySpec") or "SYMMETRIC_DEFAULT"
    return {
        "kms:KeySpec": (spec,),
        "kms:KeyUsage": (text(parameters, "KeyUsage") or "ENCRYPT_DECRYPT",),
        "kms:KeyOrigin": (text(parameters, "Origin") or "AWS_KMS",),
        "kms:MultiRegion": (text(parameters, "MultiRegion") or "false",),
    }
