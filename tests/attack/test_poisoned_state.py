"""A request for a missing resource is refused with AWS's error and changes nothing.

Each operation of twelve services is called for missing resources, with its required parameters and with all
parameters, from botocore's models. moto fails on many of these calls, and used to keep half of the change: after a
label on a missing parameter, no parameter could be listed or written any more.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from dsops.request.wire.models import operation_model, operation_names
from tests.groups import one_in
from tests.sandboxes import ACCOUNT, Lab, Person

SEED = f'accounts: {{"{ACCOUNT}": {{}}}}'
POLICY = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
KEY = "12345678-1234-1234-1234-123456789012"
ARNS = {
    "cloudwatch": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:missing",
    "dynamodb": f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/missing",
    "events": f"arn:aws:events:us-east-1:{ACCOUNT}:rule/missing",
    "iam": f"arn:aws:iam::{ACCOUNT}:role/missing",
    "kms": f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY}",
    "logs": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:missing",
    "s3": "arn:aws:s3:::missing",
    "secretsmanager": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:missing-AbCdEf",
    "sns": f"arn:aws:sns:us-east-1:{ACCOUNT}:missing",
    "sqs": f"arn:aws:sqs:us-east-1:{ACCOUNT}:missing",
    "ssm": f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/missing",
    "sts": f"arn:aws:iam::{ACCOUNT}:role/missing",
}
LISTS: dict[str, tuple[tuple[str, dict[str, object]], ...]] = {
    "cloudwatch": (("DescribeAlarms", {}), ("ListDashboards", {})),
    "dynamodb": (("ListTables", {}), ("ListBackups", {})),
    "events": (("ListRules", {}), ("ListEventBuses", {}), ("ListArchives", {}), ("ListConnections", {})),
    "iam": (
        ("ListUsers", {}),
        ("ListRoles", {}),
        ("ListGroups", {}),
        ("ListPolicies", {"Scope": "Local"}),
        ("ListInstanceProfiles", {}),
        ("ListVirtualMFADevices", {}),
        ("ListOpenIDConnectProviders", {}),
    ),
    "kms": (("ListKeys", {}), ("ListAliases", {})),
    "logs": (("DescribeLogGroups", {}), ("DescribeMetricFilters", {}), ("DescribeResourcePolicies", {})),
    "s3": (("ListBuckets", {}),),
    "secretsmanager": (("ListSecrets", {}),),
    "sns": (("ListTopics", {}), ("ListSubscriptions", {})),
    "sqs": (("ListQueues", {}),),
    "ssm": (("DescribeParameters", {}), ("GetParametersByPath", {"Path": "/"}), ("ListDocuments", {})),
    "sts": (("GetCallerIdentity", {}),),
}
"""Service -> operations that list what exists."""
MAKERS = ("Create", "Put", "Register", "Import", "Restore", "Subscribe")
WITHOUT_A_FITTING_ERROR = {
    # The operation's model has no error for a missing resource; what AWS answers is not known.
    ("ssm", "DeletePatchBaseline"),
    ("ssm", "GetPatchBaselineForPatchGroup"),
    ("sns", "DeletePlatformApplication"),
    ("events", "DeletePartnerEventSource"),
    ("events", "PutPartnerEvents"),
    # AWS requires one of several parameters, but the model requires none of them.
    ("dynamodb", "CreateTable"),
    ("dynamodb", "ListExports"),
    ("logs", "PutDeliveryDestination"),
    ("logs", "StartQuery"),
    ("sns", "Publish"),
}
"""Operations for which moto fails with a 500. They are listed, so that a new one makes the test fail."""


@pytest.fixture
def admin() -> Person:
    """The administrator of an empty account."""
    return Lab.of(SEED).user("admin")


class Missing:
    """Well-formed parameters of a service's operations that name missing resources."""

    def __init__(self, service: str) -> None:
        self._service = service

    def of(self, operation: str, *, is_full: bool) -> dict[str, Any]:
        """The required parameters, or all parameters, three levels deep."""
        shape = operation_model(self._service, operation).input_shape
        if shape is None:
            return {}
        names = shape.members if is_full else shape.required_members
        return {name: self._value(shape.members[name], name, 0, is_full=is_full) for name in names}

    def _value(self, shape: Any, name: str, depth: int, *, is_full: bool) -> object:  # botocore ships no types
        kind = shape.type_name
        if kind == "structure":
            names = shape.members if is_full and depth < 3 else shape.required_members
            if getattr(shape, "is_tagged_union", False):
                names = [next(iter(shape.members))]
            return {each: self._value(shape.members[each], each, depth + 1, is_full=is_full) for each in names}
        if kind == "list":
            return [self._value(shape.member, name, depth + 1, is_full=is_full)]
        if kind == "map":
            return {self._text(shape.key, "key"): self._value(shape.value, name, depth + 1, is_full=is_full)}
        plain = {"boolean": True, "blob": b"missing", "timestamp": "2026-01-01T00:00:00Z"}
        return self._text(shape, name) if kind == "string" else plain.get(kind, shape.metadata.get("min", 1) or 1)

    def _text(self, shape: Any, name: str) -> str:
        if shape.metadata.get("enum"):
            return str(shape.metadata["enum"][0])
        lower = name.lower()
        if "policy" in lower and not any(part in lower for part in ("arn", "id", "name")):
            return POLICY
        if "arn" in lower:
            return ARNS[self._service]
        known_names = {
            ("sqs", "queueurl"): f"http://127.0.0.1:4566/{ACCOUNT}/missing",
            ("dynamodb", "statement"): 'SELECT * FROM "missing" WHERE "k" = \'v\'',
            ("kms", "aliasname"): "alias/missing",
        }
        if self._service == "kms" and lower.endswith("keyid"):
            return KEY
        text = "2026-01-01T00:00:00Z" if "date" in lower else "missing"
        return known_names.get((self._service, lower), text.ljust(shape.metadata.get("min", 0), "x"))


def seen(person: Person, service: str) -> list[str]:
    """Everything that the service lists, without ids and times that change by themselves."""
    bodies = []
    for operation, parameters in LISTS[service]:
        answer = person.answer(service, operation, **parameters)
        assert answer.status == 200, (operation, answer.body)
        text = answer.body.decode()
        bodies.append(re.sub(r"(?i)<RequestId>[^<]*|\"?(last|created?)[^,}<]*date[^,}<]*", "", text))
    return bodies


@pytest.mark.parametrize("service", one_in(3, sorted(ARNS), str))
def test_what_is_missing_is_refused_and_changes_nothing(service: str, capfd: pytest.CaptureFixture[str]) -> None:
    """No internal failure of moto reaches the client, and a refused operation creates nothing."""
    person = Lab.of(SEED).user("admin")
    failed, before = set(), seen(person, service)
    # Operations that create something come last, or nothing would be missing.
    for operation in sorted(operation_names(service), key=lambda name: (name.startswith(MAKERS), name)):
        for is_full in (False, True):
            parameters = Missing(service).of(operation, is_full=is_full)
            answer = person.answer(service, operation, **parameters)
            after = seen(person, service)
            if answer.status >= 400:
                assert before == after, (operation, parameters)
            if answer.status not in {501, *range(500)}:
                failed.add((service, operation))
            before = after

    assert {known for known in WITHOUT_A_FITTING_ERROR if known[0] == service} == failed
    # Each failure is logged with its position in moto's code.
    noted = set(re.findall(r"moto failed at (\w+):(\w+): \w+ at \S+/moto/\S+:\d+", capfd.readouterr().err))
    assert failed <= noted


def test_a_label_on_a_missing_parameter_leaves_no_parameter_behind(admin: Person) -> None:
    """After a request to label a missing parameter, parameters can still be listed, read and written."""
    admin.call("ssm", "PutParameter", Name="/app/there", Value="v", Type="String")

    for operation in ("LabelParameterVersion", "UnlabelParameterVersion"):
        refused = admin.refused("ssm", operation, Name="/app/missing", Labels=["l"], ParameterVersion=1)
        assert refused.code == "ParameterNotFound"

    assert ["/app/there"] == [parameter["Name"] for parameter in admin.call("ssm", "DescribeParameters")["Parameters"]]
    assert 1 == len(admin.call("ssm", "GetParametersByPath", Path="/app")["Parameters"])
    assert 1 == admin.call("ssm", "PutParameter", Name="/app/missing", Value="v", Type="String")["Version"]


def test_a_new_parameter_has_no_tags_of_a_deleted_namesake(admin: Person) -> None:
    """A new parameter gets no tags of a deleted parameter of the same name, with or without a leading slash."""
    for first, second in (("x", "/x"), ("/x", "x"), ("/a/x", "/a/x")):
        admin.call("ssm", "PutParameter", Name=first, Value="v", Type="String", Tags=[{"Key": "team", "Value": "blue"}])
        admin.call("ssm", "DeleteParameter", Name=second)
        admin.call("ssm", "PutParameter", Name=second, Value="v", Type="String")

        listed = admin.call("ssm", "ListTagsForResource", ResourceType="Parameter", ResourceId=second)
        assert [] == listed["TagList"]
        admin.call("ssm", "DeleteParameter", Name=second)
