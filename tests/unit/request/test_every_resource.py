"""Invariants of the resources of all operations: no request is allowed on a resource that it does not use."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import pytest

from dsops.errors import SandboxRefusal
from dsops.guard.caller import caller_of
from dsops.guard.decision import Judge
from dsops.request.messages import HttpRequest
from dsops.request.resources.reference.actions import actions_of
from dsops.request.resources.reference.placeholders import fits
from dsops.request.wire.models import operation_model, operation_names
from tests.groups import marks_of_rest
from tests.guards import SESSION_ARN, allow, asked, layer_of, reference
from tests.unit.request.test_actions import every_service

if TYPE_CHECKING:
    from dsops.service_reference import ActionUse

PLACES: Final = {"Partition": "aws", "Region": "us-east-1", "Account": "111111111111"}
IDENTIFIERS: Final = ("id", "identifier", "arn", "name")
TEXTS: Final = re.compile(r"(?i)(description|message|comment|body|input|content|text|query|policy)")
FOREIGN: Final = {"bedrock-runtime", "dynamodbstreams", "ec2", "ecs", "events", "lambda", "logs"}
"""Services with readers of their own, whose resources are not only those of the reference."""
SERVICES = [pytest.param(name, marks=marks_of_rest(number, 8)) for number, name in enumerate(every_service())]
REQUEST = HttpRequest("POST", "/", "", {}, b"", "127.0.0.1")


@cache
def use_of(service: str, operation: str) -> ActionUse | None:
    """The facts about an operation's first action."""
    prefix, _, name = actions_of(service, operation, {})[0].lower().partition(":")
    return reference().use_of(prefix, name)


def members(service: str, operation: str) -> dict[str, Any]:
    """The parameters of an operation that are text or lists of text, by name."""
    shape = operation_model(service, operation).input_shape
    found = {} if shape is None else dict(shape.members)
    return {
        name: member
        for name, member in found.items()
        if (member.member if member.type_name == "list" else member).type_name == "string"
    }


def filled(service: str, operation: str, *, text: str = "") -> dict[str, object]:
    """Parameters with a value of their own each, or with `text` where a person writes."""
    values: dict[str, object] = {}
    for name, member in members(service, operation).items():
        value = text if text and TEXTS.search(name) else f"<{name}>"
        enum = (member.member if member.type_name == "list" else member).metadata.get("enum")
        value = enum[0] if enum else value
        values[name] = [value] if member.type_name == "list" else value
    return values


def arns(service: str, operation: str, parameters: dict[str, object]) -> list[str]:
    """The resources of the operation's first action; [] if the request is refused."""
    use = use_of(service, operation)
    try:
        questions = asked(service, operation, parameters)
    except SandboxRefusal:
        return []
    return [arn for action, arn in questions if use and action.endswith(f":{use.name}")]


def operations(service: str) -> list[str]:
    """The operations of a service with a known action."""
    return [name for name in sorted(operation_names(service)) if use_of(service, name) is not None]


@pytest.mark.parametrize("service", SERVICES)
def test_resources_have_the_formats_of_the_action(service: str) -> None:
    """Each resource is unknown, or has the format of one of the action's resource types."""
    if service in FOREIGN:
        return
    for operation in operations(service):
        use = use_of(service, operation)
        assert use is not None
        formats = [part for kind in use.kinds for part in kind.arn.split(", ")]
        for arn in arns(service, operation, filled(service, operation)):
            assert "*" == arn or any(fits(part, arn) for part in formats), (operation, arn)


@pytest.mark.parametrize("service", SERVICES)
def test_a_value_is_in_one_place_of_an_arn(service: str) -> None:
    """No parameter fills two placeholders of an ARN: one of them would be a guess."""
    for operation in operations(service):
        for arn in arns(service, operation, filled(service, operation)):
            values = re.findall(r"<\w+>", arn)
            assert len(set(values)) == len(values), (operation, arn)


@pytest.mark.parametrize("service", SERVICES)
def test_a_new_name_is_no_resource(service: str) -> None:
    """An optional name is no resource if the operation must have an identifier: it may be the new name."""
    for operation in operations(service):
        shape = operation_model(service, operation).input_shape
        required = () if shape is None else shape.required_members
        if operation.startswith("Create") or not any(name.lower().endswith(IDENTIFIERS) for name in required):
            continue
        new = {name for name in members(service, operation) if re.fullmatch(r"(?i)(new|updated?)?name|new\w+", name)}
        for arn in arns(service, operation, filled(service, operation)):
            assert not set(re.findall(r"<(\w+)>", arn)) & (new - set(required)), (operation, arn)


@pytest.mark.parametrize("service", SERVICES)
def test_a_text_is_no_resource(service: str) -> None:
    """An ARN in a description, a message or a document is not taken for the resource."""
    for operation in operations(service):
        use = use_of(service, operation)
        assert use is not None
        for kind in use.kinds:
            if "${" not in kind.arn.partition("${Account}")[2]:
                continue
            decoy = re.sub(r"\$\{(\w+)\}", lambda mark: PLACES.get(mark[1], "decoy"), kind.arn.split(", ")[0])
            name = kind.name
            texts = [key for key in members(service, operation) if TEXTS.search(key)]
            if any(
                key.lower().rstrip("s").endswith(IDENTIFIERS) or name in key.lower() or key.lower().rstrip("s") in name
                for key in texts
            ):
                # The text may be an identifier: `PolicyArn`, or the `content` of a knowledge base.
                continue
            assert decoy not in arns(service, operation, filled(service, operation, text=decoy)), (operation, decoy)


@pytest.mark.parametrize("service", SERVICES)
def test_an_unknown_resource_is_not_allowed(service: str) -> None:
    """A policy for one resource allows no request that names none, if the action needs a resource."""
    uses = [use for operation in operations(service) if (use := use_of(service, operation)) is not None]
    prefixes = {kind.arn.split(":")[2] for use in uses for kind in use.kinds}
    resources = [f"arn:aws:{prefix}:*:*:*one-resource" for prefix in sorted(prefixes) if "$" not in prefix]
    layer = layer_of(allow("*", resources or "arn:aws:s3:::one-resource"), allow("iam:PassRole"))
    judge = Judge(layer, caller_of(SESSION_ARN), reference())
    for operation in operations(service):
        use = use_of(service, operation)
        assert use is not None
        if not any("${" in kind.arn.partition("${Account}")[2] for kind in use.kinds):
            continue
        try:
            judged = judge.judge(service, operation, {}, request=REQUEST, region="us-east-1", now=0)
        except SandboxRefusal:
            continue
        assert judged.refusal is not None, (operation, judged.questions)
