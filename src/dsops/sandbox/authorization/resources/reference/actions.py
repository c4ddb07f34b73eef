"""Actions whose names differ from their operations, for services known only from AWS's lists.

Names are compared without case, so only real differences are listed, from "Permissions" in the services' API
references.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PREFIXES: Final[Mapping[str, str]] = {
    "cloudwatch": "cloudwatch",
    "iot-data": "iot",
    "mediastore-data": "mediastore",
    "sagemaker-runtime": "sagemaker",
    "resourcegroupstaggingapi": "tag",
}
"""botocore's service name -> prefix of its actions, where that is not the signing name."""

ACTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "lambda": {
        "Invoke": "InvokeFunction",
        "InvokeAsync": "InvokeFunction",
        "InvokeWithResponseStream": "InvokeFunction",
        "GetLayerVersionByArn": "GetLayerVersion",
    },
    "s3control": {
        "DeletePublicAccessBlock": "PutAccountPublicAccessBlock",
        "GetPublicAccessBlock": "GetAccountPublicAccessBlock",
        "PutPublicAccessBlock": "PutAccountPublicAccessBlock",
    },
}
"""botocore's service name -> operation -> action."""
