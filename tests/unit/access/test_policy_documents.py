"""Policies stay JSON values until their text is needed, and equal ones of a name are kept once."""

from __future__ import annotations

import gc
from pathlib import Path
from unittest.mock import patch

import pytest

from dsops.access.facts.documents import Documents
from dsops.access.facts.memory import without_collection
from dsops.access.facts.world import PolicyDocument
from tests.unit.access.company import READ, Company
from tests.unit.access.test_scale import facts_of
from tests.unit.access.worlds import ask, policy

NAME = "arn:aws:iam::aws:policy/Shared"


def policy_with(value: object) -> dict[str, object]:
    """Return a policy with a value in a condition."""
    return policy({"Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": value}}})


def test_equal_values_share_a_document() -> None:
    """The copies of a managed policy in several accounts are one document."""
    documents = Documents()

    assert documents.of(NAME, "identity", policy_with("true")) is documents.of(NAME, "identity", policy_with("true"))


@pytest.mark.parametrize("other", [1, "true", False, None, [True]])
def test_different_values_are_different_documents(other: object) -> None:
    """A value that Python calls equal (1 and true), and another version of a policy, are not the same policy."""
    documents = Documents()
    first = documents.of(NAME, "identity", policy_with(True))

    second = documents.of(NAME, "identity", policy_with(other))

    assert first != second
    assert (policy_with_text(True), policy_with_text(other)) == (first.text, second.text)


def policy_with_text(value: object) -> str:
    """Return the JSON text of a policy."""
    return PolicyDocument("any", "identity", policy_with(value)).text


def test_a_value_and_its_text_are_the_same_policy() -> None:
    """A policy is the same one as an object and as a text: the actions, the text and the parsed statements."""
    value = PolicyDocument(NAME, "identity", policy_with("true"))
    text = PolicyDocument(NAME, "identity", value.text)

    assert value.actions == text.actions
    assert value == text
    assert value.policy is not None


@pytest.mark.parametrize("content", [None, 5, [], {}, {"Statement": 1}, {"Statement": [{"Action": 5}]}, "{"])
def test_a_value_that_is_no_policy_may_be_about_anything(content: object) -> None:
    """A document that can't be read has a problem, and no action rules it out."""
    document = PolicyDocument(NAME, "identity", content)

    assert document.actions.is_open
    assert document.problem


def test_only_policies_on_the_way_are_parsed(tmp_path: Path) -> None:
    """Who can assume a role that trusts one account depends on the policies of this account only."""
    company = Company(120)
    facts = facts_of(company, tmp_path)

    with patch.object(PolicyDocument, "_checked", autospec=True, side_effect=PolicyDocument._checked) as parse:
        ask(facts, READ, company.secret)

    names = [call.args[0].name for call in parse.call_args_list]
    parsed = {name.split(":")[4] for name in names if name.endswith(":user/dev-0")}
    assert {company.security, company.first, company.last} == parsed


@pytest.mark.parametrize(("is_enabled", "objects"), [(True, 10), (True, 300_000), (False, 10)])
def test_the_collector_is_as_before(is_enabled: bool, objects: int) -> None:  # noqa: FBT001 (a case)
    """A load pauses Python's garbage collector, also if it fails, and leaves a paused one paused."""
    with patch.object(gc, "freeze") as freeze:
        if not is_enabled:
            gc.disable()
        try:
            with pytest.raises(KeyError), without_collection():
                raise KeyError
            with without_collection():
                assert not gc.isenabled()
                kept: list[list[int]] = [[] for _ in range(objects)]
            assert is_enabled == gc.isenabled()
        finally:
            gc.enable()
    assert len(kept) == objects
    assert (objects > 200_000) is freeze.called
