"""Extract attribute names and partition key values from DynamoDB expressions, for condition keys.

Amazon DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access control".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Final

from dsops.request.parameter_values import Parameters, inside, many, text, texts
from dsops.request.question import Context

_EXPRESSIONS: Final = (
    "ProjectionExpression",
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "UpdateExpression",
)
# Matches a top-level name: a nested attribute follows a dot, and a value placeholder follows a colon.
_NAME: Final = re.compile(r"(?<![:\w.#-])#?[A-Za-z_][A-Za-z0-9_]*")
_EQUALITY: Final = re.compile(r"(#?[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(:[A-Za-z0-9_]+)")
_EQUALS: Final = re.compile(r"(?<![<>])=")
_UNREADABLE: Final = ""
_WORDS: Final = frozenset(
    """
    set remove add delete and or not between in attribute_exists attribute_not_exists attribute_type begins_with
    contains size if_not_exists list_append
    """.split()
)
_OLD_FORMS: Final = ("AttributeUpdates", "Expected", "KeyConditions", "QueryFilter", "ScanFilter")
"""Legacy parameters. Each is a map whose keys are attribute names."""


def attributes(parameters: Parameters, items: Iterable[Parameters]) -> Context:
    """Return `dynamodb:Attributes` with all attributes that the request names; {} if it names none."""
    named = dict.fromkeys(name for item in items for name in item)
    for form in _OLD_FORMS:
        named |= dict.fromkeys(inside(parameters, form))
    named |= dict.fromkeys(texts(parameters, "AttributesToGet"))
    for expression in _EXPRESSIONS:
        named |= dict.fromkeys(_in_expression(text(parameters, expression), parameters))
    return {"dynamodb:Attributes": tuple(named)} if named else {}


def leading_keys(parameters: Parameters, items: Iterable[Parameters], partition_key: str) -> Context:
    """Return `dynamodb:LeadingKeys` with the partition key values; {} if there are none, as in a Scan."""
    if not partition_key:
        return {}
    values = [plain(item[partition_key]) for item in items if partition_key in item]
    condition = inside(inside(parameters, "KeyConditions"), partition_key)
    if text(condition, "ComparisonOperator") == "EQ":
        values += [plain(value) for value in many(condition, "AttributeValueList")]
    values += _in_key_condition(parameters, partition_key)
    return {"dynamodb:LeadingKeys": tuple(values)} if values else {}


def _in_key_condition(parameters: Parameters, partition_key: str) -> Iterator[str]:
    """Yield partition key values in a query's key condition; yield "" if a value can't be determined.

    "" matches no policy. It is needed because moto also accepts conditions that AWS refuses, such as a literal value
    in the expression.
    """
    condition = text(parameters, "KeyConditionExpression").replace("(", " ").replace(")", " ")
    value_map = inside(parameters, "ExpressionAttributeValues")
    equalities = _EQUALITY.findall(condition)
    if condition and len(equalities) != len(_EQUALS.findall(condition)):
        yield _UNREADABLE
    placeholders = [value for name, value in equalities if _attribute_name(name, parameters) == partition_key]
    if condition and not placeholders:
        yield _UNREADABLE
    for value in placeholders:
        yield plain(value_map[value]) if value in value_map else _UNREADABLE


def _in_expression(expression: str, parameters: Parameters) -> Iterator[str]:
    for name in _NAME.findall(expression):
        if name.lower() not in _WORDS:
            yield _attribute_name(name, parameters)


def _attribute_name(name: str, parameters: Parameters) -> str:
    """Return the attribute for a placeholder such as `#p`. Names of attributes are returned unchanged."""
    return text(inside(parameters, "ExpressionAttributeNames"), name) or name if name.startswith("#") else name


def plain(value: object) -> str:
    """Return the text of a typed value such as `{"S": "x"}`."""
    for plain in value.values() if isinstance(value, dict) else (value,):
        return base64.b64encode(plain).decode() if isinstance(plain, bytes) else str(plain)
    return ""
