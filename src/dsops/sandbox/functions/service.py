"""The functions of one sandbox, and the deliveries between its services."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.request.messages import HttpAnswer
from dsops.sandbox.authorization.authorizer import Authorizer
from dsops.sandbox.authorization.request import AuthenticatedRequest
from dsops.sandbox.authorization.stored_resources import StoredResources
from dsops.sandbox.cloudtrail.events import Events
from dsops.sandbox.functions.deliveries import Deliveries
from dsops.sandbox.functions.invocations import Invocations, Powers
from dsops.sandbox.functions.queues import QueueReader
from dsops.sandbox.functions.run import FunctionHost
from dsops.sandbox.functions.settings import check_settings
from dsops.sandbox.state.service_actions.deliveries import HOOKS


class ServiceActions:
    """Invokes functions, and decides about deliveries. Without a host, no function runs."""

    def __init__(self, powers: Powers, judge: Authorizer, resources: StoredResources, events: Events) -> None:
        self._invocations = Invocations(powers)
        self._deliveries = Deliveries(powers, judge, resources, events, self._invocations)
        self.queues = QueueReader(powers, judge, resources, self._invocations)
        HOOKS.deliver = self._deliveries.deliver
        HOOKS.queue_filled = self.queues.queue_filled

    @property
    def host(self) -> FunctionHost | None:
        """What runs the functions; None if functions don't run in this sandbox."""
        return self._invocations.host

    def run_on(self, host: FunctionHost) -> None:
        """Run functions on a host."""
        self._invocations.host = host

    def serves(self, service: str, operation: str) -> bool:
        """Whether the operation is Invoke, and functions run in this sandbox."""
        return self.host is not None and (service, operation) == ("lambda", "Invoke")

    def invoke(self, turn: AuthenticatedRequest, account: str, resource: str) -> HttpAnswer:
        """Perform an authorized Invoke. Raises SandboxRefusal."""
        return self._invocations.invoke(turn, account, resource)

    def check(self, turn: AuthenticatedRequest, account: str) -> None:
        """Make Lambda's checks of an authorized operation that moto does not make. Raises SandboxRefusal."""
        operation, region = turn.operation, turn.caller.region
        if operation in {"CreateFunction", "UpdateFunctionConfiguration"}:
            check_settings(turn)
        if operation in {"CreateFunction", "UpdateFunctionConfiguration"} and "Role" in turn.parameters:
            self._invocations.check_new_role(turn.text("Role"), turn.text("FunctionName"), region)
        elif operation == "CreateEventSourceMapping":
            self.queues.check(turn.text("FunctionName"), turn.text("EventSourceArn"), account, region)

    def check_bucket(self, turn: AuthenticatedRequest, account: str, parameters: Mapping[str, object]) -> None:
        """Check that S3 may deliver to the targets of a bucket's new notifications. Raises SandboxRefusal."""
        if turn.operation == "PutBucketNotificationConfiguration":
            self._deliveries.check_bucket(turn.text("Bucket"), account, turn.caller.partition, parameters)

    def close(self) -> None:
        """Kill the functions that are running."""
        if self.host is not None:
            self.host.close()
