"""Find the KMS key that a service uses with the caller's permissions when it reads or writes encrypted content.

Sources: Secrets Manager User Guide, "Secret encryption and decryption"; Systems Manager User Guide, "AWS KMS encryption
for Parameter Store SecureString parameters"; Amazon S3 User Guide, "Using server-side encryption with AWS KMS keys".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final, NamedTuple

from dsops.access.facts.world import Gap, OrganizationFacts, PolicyDocument, Resource
from dsops.access.questions.answer import AccessAnswer, ContentKeyCondition, Verdict
from dsops.access.questions.topic import Topic
from dsops.arn import Arn, parse_arn
from dsops.policy import lower_case, managed_key_policy

_READ: Final = "kms:Decrypt"
_USES: Final[Mapping[str, tuple[str, str]]] = {
    "secretsmanager:getsecretvalue": (_READ, "secret"),
    "secretsmanager:putsecretvalue": ("kms:GenerateDataKey", "secret"),
    "ssm:getparameter": (_READ, "parameter"),
    "ssm:getparameters": (_READ, "parameter"),
    "ssm:getparametersbypath": (_READ, "parameter"),
    "ssm:getparameterhistory": (_READ, "parameter"),
    "s3:getobject": (_READ, "object"),
    "s3:getobjectversion": (_READ, "object"),
}
"""Action in lower case -> the action on the key, and what is encrypted.

An action whose caller can choose another key, such as s3:PutObject and ssm:PutParameter, does not depend on one key.
"""

_PROPERTIES: Final = (
    "kms:keyorigin",
    "kms:keyspec",
    "kms:keyusage",
    "kms:multiregion",
    "kms:multiregionkeytype",
    "kms:requestalias",
    "kms:resourcealiases",
)
_OF_CONNECTION: Final = ("aws:sourceip", "aws:sourcevpc", "aws:sourcevpcarn", "aws:sourcevpce", "aws:vpcsourceip")
"""Condition keys about the connection of the service to KMS, not of the caller (KMS Developer Guide, "AWS global
condition keys")."""
_BY_OTHER_SERVICES: Final = ("aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast")
"""Condition keys that these services do not set (IAM User Guide, global condition keys)."""
_TAGS: Final = "aws:resourcetag/"


class ContentKeyUse(NamedTuple):
    """The use of a KMS key that comes with an action."""

    action: str
    key: str
    """The ARN of the key, or of an alias if the facts do not say whose alias it is; "" if the key is unknown."""
    topic: Topic | None
    """The request to KMS; None if it is not known which key it is about."""
    is_certain: bool
    """Whether the content is encrypted with this key. An object may have another encryption than its bucket's default.
    """


class Keys:
    """The KMS keys of a world, and what they encrypt."""

    def __init__(self, world: OrganizationFacts) -> None:
        self._world = world
        self.managed: dict[str, Resource] = {}
        """The keys that AWS manages and that the facts do not contain."""
        self._uses: dict[tuple[str, str], ContentKeyUse | None] = {}

    def use(self, action: str, resource: str, known: Resource | None) -> ContentKeyUse | None:
        """Return the key that an action on a resource uses; None if it uses none.

        `known`: the facts about the resource, or about an object's bucket; None if there are none.
        """
        place = (lower_case(action), resource)
        if place not in self._uses:
            self._uses[place] = self._use(*place, known)
        return self._uses[place]

    def _use(self, action: str, resource: str, known: Resource | None) -> ContentKeyUse | None:
        of_action = _USES.get(action)
        arn = parse_arn(resource)
        if of_action is None or arn is None:
            return None
        key_action, content = of_action
        name = known.kms_key if known is not None else None
        if name == "" or (content == "object" and "/" not in arn.resource):
            return None
        key = self._key(name) if name is not None else ""
        is_key = key.split(":", 5)[-1].startswith("key/")
        topic = self._topic(key_action, key, arn) if is_key else None
        return ContentKeyUse(key_action, key, topic, content != "object")

    def _key(self, name: str) -> str:
        """Return the ARN of the key that a name stands for: an ARN of a key, or of an alias."""
        known = self._by_alias.get(name)
        if known is not None:
            return known
        arn = parse_arn(name)
        if arn is None or not arn.resource.startswith("alias/aws/"):
            return name
        service = arn.resource.removeprefix("alias/aws/")
        managed = name.replace(":alias/", ":key/")
        text = managed_key_policy(arn.account, arn.region, service, arn.partition)
        document = PolicyDocument(f"the policy of {arn.resource}", "resource", text)
        self.managed[managed] = Resource(managed, arn.account, document)
        return managed

    @cached_property
    def _by_alias(self) -> dict[str, str]:
        return {alias: known.arn for known in self._world.resources.values() for alias in known.aliases}

    def _topic(self, action: str, key: str, encrypted: Arn) -> Topic:
        known = self._world.resources.get(key)
        region = key.split(":")[3]
        context = {
            "aws:RequestedRegion": (region,),
            "aws:ViaAWSService": ("true",),
            "kms:ViaService": (f"{encrypted.service}.{region}.amazonaws.com",),
            **_encryption_context(encrypted),
        }
        unread = [*_PROPERTIES, *_OF_CONNECTION]
        if encrypted.service == "s3":
            # This key contains the object's ARN, or the bucket's ARN if the bucket uses an S3 Bucket Key (S3 User
            # Guide).
            unread += ["kms:encryptioncontext:aws:s3:arn"]
        if known is None and key not in self.managed:
            unread.append(_TAGS)
        absent = [*_BY_OTHER_SERVICES, *unread, *([_TAGS] if key in self.managed else [])]
        why = "its properties and the connection of the service to KMS are not among the facts"
        gap = Gap(key.split(":")[4], "context", why, key, tuple(unread))
        return Topic(action, key, {**dict.fromkeys(absent, ()), **context}, (gap,))


def _encryption_context(encrypted: Arn) -> dict[str, tuple[str, ...]]:
    """Return the condition keys of the encryption context that a service sends, as far as they are known."""
    if encrypted.service == "s3":
        return {"kms:EncryptionContextKeys": ("aws:s3:arn",)}
    name, more = ("PARAMETER_ARN", ()) if encrypted.service == "ssm" else ("SecretARN", ("SecretVersionId",))
    return {f"kms:EncryptionContext:{name}": (str(encrypted),), "kms:EncryptionContextKeys": (name, *more)}


def depending_on_key(answer: AccessAnswer, use: ContentKeyUse, account: str, resource: str) -> AccessAnswer:
    """Return the answer for content of which it is not known which key encrypts it."""
    what = f"the KMS key with the alias {use.key}" if use.key else f"which KMS key encrypts {resource}"
    gap = Gap(account, "context", f"{what} is not among the facts")
    if_key = ContentKeyCondition(use.action, use.key, is_refused=False)
    verdict: Verdict = "conditional" if answer.is_possible else answer.verdict
    return answer._replace(verdict=verdict, gaps=(*answer.gaps, gap), if_key=if_key)


def refused_by_key(answer: AccessAnswer, of_key: AccessAnswer, use: ContentKeyUse) -> AccessAnswer:
    """Return the answer for content whose key the caller may not use."""
    if use.is_certain:
        return of_key._replace(verdict="no", stopped_by_key=use.key)
    verdict: Verdict = "conditional" if answer.is_possible else answer.verdict
    return answer._replace(verdict=verdict, if_key=ContentKeyCondition(use.action, use.key, is_refused=True))
