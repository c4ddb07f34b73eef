"""Find the operation of a REST request by matching method, path and query with the model's URI templates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from dsops.request.wire.models import operation_names, service_model

Query = Sequence[tuple[str, str]]
"""Decoded (name, value) pairs in the order in which they were sent."""

_LABEL = re.compile(r"\{([^}+]+)(\+?)\}")
# Operations whose requests equal the requests of newer operations, and operations that other endpoints serve.
_NOT_ROUTED = frozenset(
    {
        ("s3", "GetBucketLifecycle"),
        ("s3", "PutBucketLifecycle"),
        ("s3", "GetBucketNotification"),
        ("s3", "PutBucketNotification"),
        ("s3", "ListDirectoryBuckets"),
        ("s3", "WriteGetObjectResponse"),
    }
)


class RouteMatch(NamedTuple):
    """An operation and the values of the labels in the path."""

    operation: str
    labels: Mapping[str, str]
    """Label name -> decoded value from the path."""


class _Template(NamedTuple):
    """The request pattern of one operation."""

    operation: str
    path: re.Pattern[str]
    labels: tuple[str, ...]
    plain_length: int
    """The number of characters outside labels. If several templates match a path, the largest number wins."""
    literals: tuple[tuple[str, str], ...]
    """Query parameters that must have this value; "" allows any value."""
    needed_query: frozenset[str]
    """Query parameters that the model requires. For example, they distinguish UploadPart from PutObject."""
    needed_headers: frozenset[str]


def find_operation(service: str, method: str, path: str, query: Query, headers: Mapping[str, str]) -> RouteMatch | None:
    """Return the operation that matches a request, or None. `path` is percent-encoded, as sent.

    Raises ValueError for a path whose escapes are not valid UTF-8.
    """
    sent = dict(reversed(query))
    best: tuple[tuple[int, int, int, int], _Template, re.Match[str]] | None = None
    for template in _templates(service, has_query=bool(sent)).get(method, ()):
        if not all(name in sent and value in {"", sent[name]} for name, value in template.literals):
            continue
        match = template.path.fullmatch(path)
        if match is None:
            continue
        missing = len(template.needed_query - sent.keys()) + len(template.needed_headers - headers.keys())
        needed = len(template.needed_query) + len(template.needed_headers)
        rank = template.plain_length, len(template.literals), -missing, needed
        if best is None or rank > best[0]:
            best = rank, template, match
    if best is None:
        return None
    _, template, match = best
    values = (unquote(value, errors="strict") for value in match.groups())
    return RouteMatch(template.operation, dict(zip(template.labels, values, strict=True)))


@cache
def _templates(service: str, *, has_query: bool) -> Mapping[str, Sequence[_Template]]:
    """Map HTTP methods to the request patterns of the operations of a service that may match.

    Most operations of S3 differ only in the query, so a request without a query has few candidates.
    """
    if not has_query:
        return {
            method: [template for template in templates if not template.literals]
            for method, templates in _templates(service, has_query=True).items()
        }
    by_method: dict[str, list[_Template]] = {}
    for operation in sorted(operation_names(service)):
        if (service, operation) in _NOT_ROUTED:
            continue
        model = service_model(service).operation_model(operation)
        by_method.setdefault(model.http["method"], []).append(_template(operation, model))
    return by_method


def _template(operation: str, model: Any) -> _Template:  # Any: botocore has no type hints
    path, _, query = model.http["requestUri"].partition("?")
    parts = _LABEL.split(path)  # the parts are: text, label, "+" or "", text, label, ...
    pattern = re.escape(parts[0])
    for _, plus, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += ("(.+)" if plus else "([^/]+)") + re.escape(text)
    if not path.endswith("+}"):
        pattern = pattern.removesuffix("/") + "/?"
    shape = model.input_shape
    needed = [shape.members[name] for name in shape.required_members] if shape is not None else []
    located = [(member.serialization.get("location"), member.serialization.get("name", "")) for member in needed]
    return _Template(
        operation,
        re.compile(pattern, re.DOTALL),
        tuple(parts[1::3]),
        sum(map(len, parts[0::3])),
        tuple(parse_qsl(query, keep_blank_values=True)),
        frozenset(name for location, name in located if location == "querystring"),
        frozenset(name.lower() for location, name in located if location == "header"),
    )
