"""Fuzzing authorization: any operation with random parameters needs a permission or gets an AWS error."""

from __future__ import annotations

from contextlib import suppress
from random import Random

import pytest

from dsops.errors import SandboxRefusal
from dsops.request.wire.models import operation_model, operation_names, protocols
from dsops.request.wire.service_table import SERVED
from tests.groups import one_in
from tests.questions import REGION, Desk
from tests.sandboxes import ACCOUNT, OTHER
from tests.shapes import ShapeMaker
from tests.unit.sandbox.conftest import LabFactory

SERVICES = sorted(set(SERVED) - {"sts"})
THIRD = 3
"""The test takes every third operation of a service, since there are 11,000."""


@pytest.fixture
def desk(make_lab: LabFactory) -> Desk:
    """The authorization of two accounts with their administrators."""
    return Desk(make_lab(f'accounts: {{"{ACCOUNT}": {{}}, "{OTHER}": {{}}}}'))


@pytest.mark.parametrize("service", one_in(3, SERVICES, str))
def test_random_operations_have_a_resource(desk: Desk, service: str) -> None:
    """Any operation with random parameters needs at least one permission, or gets an error that AWS could send."""
    random = Random(service)  # noqa: S311
    maker = ShapeMaker(random, protocols(service)[0])
    admin = desk.caller("admin")
    for operation in sorted(operation_names(service))[::THIRD]:
        shape = operation_model(service, operation).input_shape
        parameters = {} if shape is None else maker.parameters(shape)
        try:
            questions = desk.questions(admin, service, operation, **parameters)
        except SandboxRefusal:
            continue
        assert questions, f"{operation} {parameters}"
        for question in questions:
            assert question.resource == "*" or question.resource.startswith("arn:aws:"), question
            assert question.account, question
            assert all(isinstance(value, tuple) for value in question.context.values()), question


ARNS = {
    "dynamodb": "table/x",
    "ecs": "cluster/x",
    "kinesis": "stream/x",
    "kms": "key/1234abcd-12ab-34cd-56ef-1234567890ab",
    "lambda": "function:x",
    "logs": "log-group:x",
    "rds": "db:x",
    "secretsmanager": "secret:x",
    "sns": "x",
    "sqs": "x",
    "ssm": "parameter/x",
}


@pytest.mark.parametrize("service", ARNS)
def test_an_arn_of_another_account_stays_foreign(desk: Desk, service: str) -> None:
    """An ARN of another account is denied in any parameter, even to an administrator."""
    arn = f"arn:aws:{service}:{REGION}:{ACCOUNT}:{ARNS[service]}"
    stranger = desk.caller("admin", OTHER)
    asked = 0
    for operation in sorted(operation_names(service)):
        shape = operation_model(service, operation).input_shape
        for name, member in {} if shape is None else shape.members.items():
            is_name = member.type_name == "string" and name.lower().endswith(("arn", "keyid", "secretid", "tablename"))
            if not is_name or member.metadata.get("enum"):
                continue
            if service in {"sqs", "sns"} and not name.startswith(("Topic", "Target", "Resource", "Source")):
                continue
            asked += 1
            needed = dict.fromkeys(shape.required_members, "x") if shape is not None else {}
            strings = {each: "x" for each in needed if shape.members[each].type_name == "string"}
            with suppress(SandboxRefusal):
                assert not desk.allows(stranger, service, operation, **{**strings, name: arn}), f"{operation} {name}"
    assert asked > 1
