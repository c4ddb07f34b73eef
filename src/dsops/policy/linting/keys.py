"""The global condition keys and their value types.

The data comes from AWS IAM User Guide, "AWS global condition context keys" (November 2026), which
states each key's data type and value type. No package that we know of has this data. The condition keys of single
services come from AWS's reference data (see `reference`).
"""

from __future__ import annotations

from typing import Final, Literal

from dsops.policy.language.letters import lower_case

KeyType = Literal[
    "String",
    "ARN",
    "Bool",
    "Numeric",
    "Date",
    "IPAddress",
    "Binary",
    "ArrayOfString",
    "ArrayOfARN",
    "ArrayOfBool",
    "ArrayOfNumeric",
]
"""The key types, as AWS's service authorization data names them. `ArrayOf...` keys may have several values."""


def _typed(**names: str) -> dict[str, KeyType]:
    table: dict[str, KeyType] = {}
    for kind, keys in names.items():
        for key in keys.split():
            table[key] = kind  # type: ignore[assignment]  # a test compares the kinds with KeyType's
    return table


GLOBAL_KEYS: Final = _typed(
    String="""
        aws:PrincipalAccount aws:PrincipalOrgID aws:PrincipalServiceName aws:PrincipalType aws:userid aws:username
        aws:AssumedRoot aws:FederatedProvider aws:Ec2InstanceSourceVpc aws:SourceIdentity aws:SourceVpc aws:SourceVpce
        aws:VpceAccount aws:VpceOrgID aws:ResourceAccount aws:ResourceOrgID aws:CalledViaFirst aws:CalledViaLast
        aws:CalledViaAWSMCP aws:referer aws:RequestedRegion aws:SourceAccount aws:SourceOrgID aws:SourceOwner
        aws:UserAgent glue:RoleAssumedBy glue:CredentialIssuingService identitystore:UserId
    """,
    ARN="""
        aws:PrincipalArn aws:ChatbotSourceArn aws:SignInSessionArn aws:SourceArn aws:SourceVpcArn
        ec2:SourceInstanceArn lambda:SourceFunctionArn ssm:SourceInstanceArn codebuild:BuildArn codebuild:ProjectArn
    """,
    Bool="""
        aws:PrincipalIsAWSService aws:MultiFactorAuthPresent aws:SecureTransport aws:ViaAWSService aws:ViaAWSMCPService
        aws:IsMcpServiceAction
    """,
    Numeric="aws:MultiFactorAuthAge ec2:RoleDelivery",
    Date="aws:TokenIssueTime aws:CurrentTime aws:EpochTime",
    IPAddress="aws:SourceIp aws:VpcSourceIp aws:Ec2InstanceSourcePrivateIPv4",
    ArrayOfString="""
        aws:PrincipalOrgPaths aws:PrincipalServiceNamesList aws:ResourceOrgPaths aws:CalledVia aws:TagKeys
        aws:SourceOrgPaths aws:VpceOrgPaths
    """,
)

TAG_KEYS: Final = ("aws:PrincipalTag/", "aws:RequestTag/", "aws:ResourceTag/")
"""The prefixes of condition keys that end in a tag's name."""

_BY_LOWER: Final = {lower_case(key): kind for key, kind in GLOBAL_KEYS.items()}
_TAGS_BY_LOWER: Final = tuple(lower_case(prefix) for prefix in TAG_KEYS)


def global_key_type(lower: str) -> KeyType | None:
    """Return the type of a global condition key, given in lower case; None for other keys."""
    key_type = _BY_LOWER.get(lower)
    if key_type is None and lower.startswith(_TAGS_BY_LOWER) and not lower.endswith("/"):
        return "String"
    return key_type


def is_multi_valued(kind: str | None) -> bool:
    """Whether a request may have several values for a key of this type."""
    return kind is not None and kind.startswith("ArrayOf")
