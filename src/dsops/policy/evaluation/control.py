"""Decide to which actions resource control policies (RCPs) apply."""

from __future__ import annotations

from typing import Final

from dsops.policy.language.letters import lower_case

# AWS Organizations User Guide, "Services that support RCPs" (September 2026).
_SERVICES: Final = frozenset(
    """
    aoss appconfig appstream autoscaling autoscaling-plans budgets clouddirectory cloudfront cloudsearch
    cloudtrail-data codeartifact codebuild codecommit codepipeline cognito-identity cognito-idp comprehend
    comprehendmedical compute-optimizer cost-optimization-hub dax dsql dynamodb ecr ecr-public events firehose fis
    fms gamelift health inspector-scan kendra kinesisvideo kms logs memorydb networkmonitor notifications
    opensearch pca-connector-ad personalize polly pricing resource-groups rolesanywhere s3 secretsmanager
    servicediscovery signin sqs sts support swf textract timestream-influxdb transcribe transfer translate wafv2
    workspaces xray
    """.split()
)
_EXEMPT: Final = frozenset({"kms:retiregrant"})


def has_resource_control(action: str) -> bool:
    """Whether resource control policies apply to the action, such as `sts:AssumeRole`."""
    lower = lower_case(action)
    return lower.partition(":")[0] in _SERVICES and lower not in _EXEMPT
