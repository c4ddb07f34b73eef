"""Operations of the services that only AWS's lists know -> the actions that allow them, where the names differ.

Names are compared without regard to case, so only those that are really others stand here: from the services' own API
references, "Permissions".
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
"""Service of the model -> prefix of its actions, where that is not its name in signatures."""

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
"""Service of the model -> operation -> action."""
