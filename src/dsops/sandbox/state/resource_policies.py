"""Find the resource policies of all services except Secrets Manager, each with a function to rewrite it.

A service that was never called has no policies, so its moto module is not imported.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from dsops.sandbox.resource_policies.principals import Carrier
from dsops.sandbox.state.world import World

# moto's backends have a different type for each service, so they are annotated as Any here.


def resource_policies(world: World) -> Iterator[Carrier]:
    """Yield all resource policies in the accounts of the sandbox."""
    for (module, name), carriers_of in _READ.items():
        loaded = sys.modules.get(f"moto.{module}.models")
        if loaded is None:
            continue
        for account in world.partitions:
            for backend in getattr(loaded, name)[account].values():
                yield from carriers_of(backend)


def other_resources(world: World) -> Iterator[str]:
    """Yield a text for each service other than IAM, KMS, Organizations, and those of secrets and parameters.

    The text names what the service holds in an account, or says that it may hold something.
    """
    from moto.core.base_backend import BackendDict

    for backends in BackendDict._instances:  # type: ignore[misc]  # noqa: SLF001 - moto's own list of what is in use
        service = backends.service_name
        for account in world.partitions if service not in _APART else ():
            for region, backend in dict.items(backends[account]) if account in backends else ():
                names = sorted(getattr(backend, _HELD[service])) if service in _HELD else None
                if names is None:
                    yield f"account {account}: the resources of {service} in {region}, if there are any"
                elif names:
                    yield f"account {account}: {_HELD[service].replace('_', ' ')} in {region}: {', '.join(names[:9])}"


_APART = frozenset("iam sts kms organizations secretsmanager ssm".split())
_HELD: Mapping[str, str] = {
    "s3": "buckets",
    "sqs": "queues",
    "sns": "topics",
    "dynamodb": "tables",
    "ecr": "repositories",
}
"""Service -> the attribute of moto's backend that holds its main resources."""


def _of_buckets(backend: Any) -> Iterator[Carrier]:
    for bucket in backend.buckets.values():
        if bucket.policy is not None:
            yield Carrier(bucket.policy.decode(), partial(_write_bytes, bucket))


def _of_keys(backend: Any) -> Iterator[Carrier]:
    """Yield the key policies, and the grantee and retiring principals of all grants."""
    yield from _text_policies("keys", backend)
    for key in backend.keys.values():
        for grant in key.grants.values():
            for name in ("grantee_principal", "retiring_principal"):
                if getattr(grant, name):
                    yield _of_statement(getattr(grant, name), partial(_write_name, grant, name))


def _of_tables(backend: Any) -> Iterator[Carrier]:
    for policy in backend.resource_policies.values():
        yield Carrier(policy.policy_doc, partial(setattr, policy, "policy_doc"))


def _of_functions(backend: Any) -> Iterator[Carrier]:
    for versions in backend._lambdas._functions.values():  # noqa: SLF001 - moto has no public access to functions
        for statement in versions["latest"].policy.statements:
            yield _of_statement(statement.get("Principal"), partial(statement.__setitem__, "Principal"))


def _of_buses(backend: Any) -> Iterator[Carrier]:
    for bus in backend.event_buses.values():
        for statement in bus._statements.values():  # noqa: SLF001 - moto generates the policy from these
            yield _of_statement(statement.principal, partial(setattr, statement, "principal"))


def _text_policies(resources: str, backend: Any) -> Iterator[Carrier]:
    """Yield the policies of resources whose policy is stored as text.

    `resources` is the attribute of the backend that contains these resources.
    """
    for resource in getattr(backend, resources).values():
        if resource.policy:
            yield Carrier(resource.policy, partial(setattr, resource, "policy"))


def _of_statement(principal: object, write: Callable[[object], None]) -> Carrier:
    """Return a minimal policy that contains only the statement's principal.

    moto may store the principal as a plain string.
    """
    named = {"AWS": principal} if isinstance(principal, str) else principal
    text = json.dumps({"Statement": {"Principal": named}})
    return Carrier(text, lambda changed: write(json.loads(changed)["Statement"]["Principal"]))


def _write_name(grant: Any, name: str, principal: Any) -> None:
    setattr(grant, name, principal["AWS"])


def _write_bytes(bucket: Any, text: str) -> None:
    bucket.policy = text.encode()


_READ: Mapping[tuple[str, str], Callable[[Any], Iterator[Carrier]]] = {
    ("awslambda_simple", "lambda_simple_backends"): _of_functions,
    ("dynamodb", "dynamodb_backends"): _of_tables,
    ("ecr", "ecr_backends"): partial(_text_policies, "repositories"),
    ("events", "events_backends"): _of_buses,
    ("kms", "kms_backends"): _of_keys,
    ("s3", "s3_backends"): _of_buckets,
    ("sns", "sns_backends"): partial(_text_policies, "topics"),
    ("sqs", "sqs_backends"): partial(_text_policies, "queues"),
}
"""(moto module, name of the module's backends) -> function that yields the policies of one backend."""
