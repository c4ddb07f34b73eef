"""DynamoDB's expressions, as far as condition keys need them: attributes that are named, values of the partition key.

Amazon DynamoDB Developer Guide, "Using IAM policy conditions for fine-grained access control".
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Final

from dsops.sandbox.authorization.context import Context
from dsops.sandbox.authorization.parameter_values import Parameters, inside, many, text, texts

_EXPRESSIONS: Final = (
    "ProjectionExpression",
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "UpdateExpression",
)
# A name at the top: what follows a dot is inside an attribute, what follows a colon is a value.
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
"""Maps whose keys are attributes."""


def attributes(parameters: Parameters, items: Iterable[Parameters]) -> Context:
    """`dynamodb:Attributes`: every attribute that the request names; nothing when it names none."""
    named = dict.fromkeys(name for item in items for name in item)
    for form in _OLD_FORMS:
        named |= dict.fromkeys(inside(parameters, form))
    named |= dict.fromkeys(texts(parameters, "AttributesToGet"))
    for expression in _EXPRESSIONS:
        named |= dict.fromkeys(_in_expression(text(parameters, expression), parameters))
    return {"dynamodb:Attributes": tuple(named)} if named else {}


def leading_keys(parameters: Parameters, items: Iterable[Parameters], partition_key: str) -> Context:
    """`dynamodb:LeadingKeys`: the values of the partition key; nothing when there are none, as in a Scan."""
    if not partition_key:
        return {}
    values = [plain(item[partition_key]) for item in items if partition_key in item]
    condition = inside(inside(parameters, "KeyConditions"), partition_key)
    if text(condition, "ComparisonOperator") == "EQ":
        values += [plain(value) for value in many(condition, "AttributeValueList")]
    values += _in_key_condition(parameters, partition_key)
    return {"dynamodb:LeadingKeys": tuple(values)} if values else {}


def _in_key_condition(parameters: Parameters, partition_key: str) -> Iterator[str]:
    """What a query wants the key to be; "", which no policy has, where that can't be read for sure.

    moto also takes forms that AWS does not, such as a value in the expression itself.
    """
    condition = text(parameters, "KeyConditionExpression").replace("(", " ").replace(")", " ")
    given = inside(parameters, "ExpressionAttributeValues")
    equalities = _EQUALITY.findall(condition)
    if condition and len(equalities) != len(_EQUALS.findall(condition)):
        yield _UNREADABLE
    wanted = [value for name, value in equalities if _real(name, parameters) == partition_key]
    if condition and not wanted:
        yield _UNREADABLE
    for value in wanted:
        yield plain(given[value]) if value in given else _UNREADABLE


def _in_expression(expression: str, parameters: Parameters) -> Iterator[str]:
    for name in _NAME.findall(expression):
        if name.lower() not in _WORDS:
            yield _real(name, parameters)


def _real(name: str, parameters: Parameters) -> str:
    """What a placeholder such as `#p` stands for."""
    return text(inside(parameters, "ExpressionAttributeNames"), name) or name if name.startswith("#") else name


def plain(value: object) -> str:
    """A typed value such as `{"S": "x"}` as text."""
    for plain in value.values() if isinstance(value, dict) else (value,):
        return base64.b64encode(plain).decode() if isinstance(plain, bytes) else str(plain)
    return ""
