"""The names of the KMS keys that encrypt resources, as ARNs, and the grants of keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from dsops.access.facts.json_files import object_of, objects_of, text_of, texts_of
from dsops.policy import lower_case

_KMS_ALGORITHMS: Final = ("aws:kms", "aws:kms:dsse")


class KeyGrant(NamedTuple):
    """A grant of a KMS key, or the grants that are not among the facts."""

    grantee: str
    """The ARN of the principal that may use the key; "" for all grants of the key, if they are unknown."""
    operations: tuple[str, ...] = ()
    """The names of the actions, such as `Decrypt`."""

    def may_allow(self, action: str) -> bool:
        """Whether it can allow an action, such as `kms:Decrypt`."""
        return not self.grantee or lower_case(action).removeprefix("kms:") in map(lower_case, self.operations)

    @property
    def text(self) -> str:
        """What the grant allows, in words."""
        if not self.grantee:
            return "its grants are not among the facts"
        return f"a grant, whose conditions are not considered, lets {self.grantee} call {', '.join(self.operations)}"


def grants_of(entry: Mapping[str, object]) -> tuple[KeyGrant, ...]:
    """Return the grants in the entry of a key, without those of AWS services."""
    if not isinstance(entry.get("Grants"), list):
        return (KeyGrant(""),)
    grants = (
        KeyGrant(text_of(grant, "GranteePrincipal"), tuple(texts_of(grant, "Operations")))
        for grant in objects_of(entry, "Grants")
    )
    return tuple(grant for grant in grants if not grant.grantee.endswith(".amazonaws.com"))


def key_arn(name: str, partition: str, region: str, account: str) -> str:
    """Return the ARN of a key, or of an alias, given an ARN, an id, or `alias/NAME`."""
    if name.startswith("arn:"):
        return name
    return f"arn:{partition}:kms:{region}:{account}:{name if name.startswith('alias/') else f'key/{name}'}"


def default_key_of(encryption: object) -> str:
    """Return the KMS key in a bucket's default encryption, as GetBucketEncryption and CloudFormation have it.

    "" if the bucket encrypts new objects without a key of KMS, or with a configuration of no rules.
    """
    for rule in objects_of(encryption, "Rules") or objects_of(encryption, "ServerSideEncryptionConfiguration"):
        by_default = object_of(rule, "ApplyServerSideEncryptionByDefault")
        by_default = by_default or object_of(rule, "ServerSideEncryptionByDefault")
        if text_of(by_default, "SSEAlgorithm") in _KMS_ALGORITHMS:
            return text_of(by_default, "KMSMasterKeyID") or "alias/aws/s3"
    return ""
