"""The IAM operations that a root user can call on itself. moto has no root user.

IAM User Guide, "Perform a privileged task": the task policies of AssumeRoot allow these operations.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.request.wire.errors import no_such_entity
from dsops.request.wire.responses import Value
from dsops.sandbox.state.world import World


def perform_for_root(world: World, operation: str, parameters: Mapping[str, object], account: str) -> dict[str, Value]:
    """Perform the operation for the account's root user; return its result. Raises SandboxRefusal."""
    keys = [key_id for key_id, (owner, _) in world.root_keys.items() if owner == account]
    if operation == "GetUser":
        return {"User": {"UserId": account, "Arn": f"arn:{world.partitions[account]}:iam::{account}:root"}}
    if operation == "ListAccessKeys":
        key_metadata = [{"AccessKeyId": key_id, "Status": "Active"} for key_id in keys]
        return {"AccessKeyMetadata": key_metadata, "IsTruncated": "false"}
    if operation == "DeleteAccessKey":
        key_id = str(parameters["AccessKeyId"])
        if key_id not in keys:
            raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")
        del world.root_keys[key_id]
        return {}
    if operation.endswith("LoginProfile"):
        raise no_such_entity("Login Profile for the root user cannot be found.")
    # The sandbox's root users have neither MFA devices nor certificates.
    return {"MFADevices" if operation == "ListMFADevices" else "Certificates": [], "IsTruncated": "false"}
