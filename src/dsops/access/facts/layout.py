"""The names of the files in a folder of facts. `docs/reference/access.md` shows the folder with examples."""

from __future__ import annotations

from typing import Final

ORGANIZATION: Final = "organization.json"
IDENTITY_CENTER: Final = "identity-center.json"
COLLECTION: Final = "collection.json"
"""When the folder was collected, and by which caller."""
ACCOUNTS: Final = "accounts"
ACCOUNT: Final = "account.json"
DETAILS: Final = "authorization-details.json"
PROVIDERS: Final = "identity-providers.json"
RESOURCES: Final = "resources"

REGIONAL_SERVICES: Final = ("kms", "lambda", "secretsmanager", "sns", "sqs", "ssm")
"""The services whose resources are in one file per region."""
GLOBAL_SERVICES: Final = ("s3",)
"""The services whose resources are in one file per account."""
TAGS: Final = "tags"
"""The first part of the names of the files with the tags of all resources in a region."""


def resource_files(regions: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Map the name of each file of resources to its service and region, for an account's regions."""
    files = {f"{service}.json": (service, "") for service in GLOBAL_SERVICES}
    for region in regions:
        for service in (*REGIONAL_SERVICES, TAGS):
            files[f"{service}.{region}.json"] = (service, region)
    return files
