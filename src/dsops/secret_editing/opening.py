"""Opens the secret of a plan's store for writing."""

from __future__ import annotations

from dsops.arn import parse_arn
from dsops.aws.http.call import make_client
from dsops.cache import CredentialCache
from dsops.credentials import Credentials
from dsops.plan import Plan
from dsops.resolve.sessions import PlanSessions
from dsops.runtime import Runtime
from dsops.stores import writable_store
from dsops.stores.writing.writable_secret import Operation, PlannedCalls, WritableSecret


def open_secret(plan: Plan, store: str, key: str, credentials: Credentials, runtime: Runtime) -> WritableSecret:
    """Return the secret with that key. The credentials sign its calls. Sends no request."""
    step = plan.steps[store]
    cache = CredentialCache(runtime.now, is_of_one_run=True)
    context = PlanSessions(plan, runtime, make_client(runtime), cache, {}).context(step)
    return writable_store(step.type.name).open_secret(step, key, credentials, context)


def planned_calls(plan: Plan, store: str, key: str, operation: Operation) -> PlannedCalls:
    """Return the calls and permissions of an operation on a secret. Sends no request."""
    step = plan.steps[store]
    return writable_store(step.type.name).planned_calls(step, key, operation, _account(plan, store))


def _account(plan: Plan, store: str) -> str:
    """Return the account of the role whose session signs the store's calls; "" if the plan does not contain it."""
    step = plan.steps[store]
    while step.credentials_from and not step.role:
        step = plan.steps[step.credentials_from]
    arn = parse_arn(step.role)
    return arn.account if arn is not None else ""
