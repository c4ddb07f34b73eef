"""Every served operation, called without permission, gives nothing to other accounts or unpermitted users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from dsops.request.wire.models import operation_model, operation_names
from tests.sandboxes import ACCOUNT, OTHER, Lab, Person
from tests.unit.sandbox.conftest import LabFactory

FULL = '{Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}'
TRUST = (
    f'{{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {{AWS: "arn:aws:iam::{ACCOUNT}:root"}}, '
    'Action: "sts:AssumeRole"}}'
)
WORLD = f"""
accounts:
  "{ACCOUNT}":
    groups: {{MARKgroup: {{policies: [{FULL}]}}}}
    users:
      nobody: {{}}
      MARKuser:
        mfa: {{name: MARKmfa, seed: JBSWY3DPEHPK3PXP}}
        tags: {{MARKtag: MARKvalue}}
        groups: [MARKgroup]
        policies: [{FULL}]
    roles: {{MARKrole: {{trust: {TRUST}, policies: [{FULL}], tags: {{MARKtag: MARKvalue}}}}}}
    policies: {{MARKpolicy: {FULL}}}
    secrets: {{MARKsecret: MARKsecretvalue}}
    parameters: {{/MARKparameter: MARKparametervalue}}
  "{OTHER}":
    users: {{stranger: {{policies: [{FULL}]}}}}
"""
OPEN_TO_ALL = {("sts", "GetCallerIdentity"), ("sts", "GetSessionToken")}
"""The operations that no policy can deny."""
SERVICES = ("iam", "secretsmanager", "ssm", "sts")


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with two accounts.

    The first has one resource of each type, named MARK...; the second has a user with full rights there.
    """
    return make_lab(WORLD)


class Parameters:
    """Generates values for parameters; names that fit refer to the first account's resources."""

    def __init__(self, key_id: str, *, by_arn: bool) -> None:
        self._names = {
            "accesskeyid": key_id,
            "secretid": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:MARKsecret" if by_arn else "MARKsecret",
            "serialnumber": f"arn:aws:iam::{ACCOUNT}:mfa/MARKmfa",
            "rolearn": f"arn:aws:iam::{ACCOUNT}:role/MARKrole",
            "username": "MARKuser",
            "rolename": "MARKrole",
            "groupname": "MARKgroup",
            "policyname": "what-is-attached",
            "arn": f"arn:aws:iam::{ACCOUNT}:user/MARKuser",
            **dict.fromkeys(("policyarn", "permissionsboundary"), f"arn:aws:iam::{ACCOUNT}:policy/MARKpolicy"),
        }
        parameter = f"arn:aws:ssm:us-east-1:{ACCOUNT}:parameter/MARKparameter" if by_arn else "/MARKparameter"
        self._names |= dict.fromkeys(("name", "names", "path", "resourceid"), parameter)

    def of(self, service: str, operation: str) -> Iterator[dict[str, Any]]:
        """Yield the required parameters of the operation, then all its parameters."""
        shape = operation_model(service, operation).input_shape
        for names in ({}, {}) if shape is None else (shape.required_members, set(shape.members)):
            wanted = set(names) - {"Marker", "NextToken"}
            yield {name: self._value(shape.members[name], name) for name in wanted}

    def _value(self, shape: Any, name: str) -> object:  # Any: botocore ships no types
        kind = shape.type_name
        if kind == "structure":
            wanted = {*shape.required_members, "Key", "Value"} & set(shape.members)
            return {member: self._value(shape.members[member], member) for member in wanted}
        if kind == "list":
            return [self._value(shape.member, name)]
        if kind == "map":
            return {"a": self._value(shape.value, name)}
        if kind == "string":
            return self._text(shape, name.lower())
        plain = {"boolean": True, "blob": b"x", "timestamp": "2026-01-01T00:00:00Z"}
        return plain.get(kind, shape.metadata.get("min", 900))

    def _text(self, shape: Any, name: str) -> str:
        if shape.metadata.get("enum"):
            return str(shape.metadata["enum"][0])
        if "policydocument" in name:
            return '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}'
        known = next((text for part, text in self._names.items() if name in {part, f"new{part}"}), "")
        return known or "x" * max(1, shape.metadata.get("min", 1))


def everything(lab: Lab) -> str:
    """Return a text with all content of the first account, as its administrator reads it."""
    admin = lab.user("admin")
    answers = [
        admin.call("iam", "GetAccountAuthorizationDetails"),
        admin.call("iam", "ListVirtualMFADevices"),
        *[admin.call("iam", each, UserName="MARKuser") for each in ("ListMFADevices", "ListAccessKeys")],
        *[admin.call("secretsmanager", each, SecretId="MARKsecret") for each in ("GetSecretValue", "DescribeSecret")],
        admin.call("secretsmanager", "ListSecrets"),
        admin.call("ssm", "GetParameters", Names=["/MARKparameter"]),
        admin.call("ssm", "DescribeParameters"),
    ]
    for answer in answers:
        del answer["ResponseMetadata"]
    return re.sub(r"'Last(Accessed|Used)Date': datetime[^)]*\)\)?", "", repr(answers))


def asked(person: Person, service: str, parameters: Parameters) -> Iterator[tuple[str, dict[str, Any], int, str]]:
    """Call each operation of the service; yield operation, parameters, status and text."""
    # Call Create operations last, since they add resources with the same names to the caller's account.
    for operation in sorted(operation_names(service), key=lambda name: (name.startswith("Create"), name)):
        for given in parameters.of(service, operation):
            answer = person.answer(service, operation, **given)
            yield operation, given, answer.status, answer.body.decode("utf-8", "replace")


@pytest.mark.parametrize("service", SERVICES)
def test_another_account_reads_and_changes_nothing(lab: Lab, service: str) -> None:
    """A user with full rights in one account can't read or change another account's resources."""
    key_id = lab.user("MARKuser").keys.access_key_id
    before = everything(lab)
    for operation, given, status, text in asked(lab.user("stranger", OTHER), service, Parameters(key_id, by_arn=True)):
        if status != 200 or operation.startswith("Create"):
            continue
        # AWS tells any caller the account of a key (GetAccessKeyInfo API reference).
        is_told = "MARK" in text or (ACCOUNT in text and operation != "GetAccessKeyInfo")
        assert not is_told, f"{operation} {given}: {text}"
    assert everything(lab) == before


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("by_arn", [False, True])
def test_a_user_without_permissions_may_do_nothing(lab: Lab, service: str, *, by_arn: bool) -> None:
    """A user without permissions can call no operation that a policy can deny."""
    before = everything(lab)
    parameters = Parameters(lab.user("MARKuser").keys.access_key_id, by_arn=by_arn)
    done = {operation for operation, _, status, _ in asked(lab.user("nobody"), service, parameters) if status == 200}
    assert done <= {operation for of, operation in OPEN_TO_ALL if of == service}
    assert everything(lab) == before


def test_the_sandbox_has_no_operation_that_aws_lacks(lab: Lab) -> None:
    """The sandbox's STS operations all exist in AWS's model; clients could not call a misspelled one."""
    assert lab.sandbox.sts.operations <= operation_names("sts")
