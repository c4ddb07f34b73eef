"""Determine the authorization checks of DynamoDB: tables, indexes, streams, backups.

A batch request can contain several tables. DynamoDB Streams is a separate service in botocore, but its operations
require actions of DynamoDB.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from dsops.arn import parse_arn
from dsops.request.context import request_tags, tag_keys
from dsops.request.lookups import ResourceLookup, SecretLocation
from dsops.request.parameter_values import Parameters, inside, key_if_given, listed_tags, many, shown, text, texts
from dsops.request.question import AuthorizationQuestion, CallerView, Context
from dsops.request.resources.expressions import attributes, leading_keys, plain
from dsops.request.resources.partiql import ACTIONS, attributes_named, fixes, key_values, read_statement
from dsops.request.stored_policies import StoredPolicy

_ARNS: Final = ("BackupArn", "ExportArn", "ImportArn", "StreamArn", "ResourceArn", "TableArn", "SourceTableArn")
_TABLES: Final = ("TableName", "SourceTableName", "TargetTableName")
_TRANSACTED: Final[Mapping[str, str]] = {
    "ConditionCheck": "ConditionCheckItem",
    "Delete": "DeleteItem",
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
}
"""Type of a transaction item -> the action to authorize. A transaction itself has no action."""
_ABOUT_ALL: Final = frozenset({"ListBackups", "ListContributorInsights"})
"""Operations that use a table only as a filter. AWS's reference lists no resource for them."""
_TABLE: Final = re.compile(r"table/([A-Za-z0-9_.-]+)")


class DynamoDbResources:
    """Yields the authorization checks of DynamoDB in one sandbox."""

    def __init__(self, stored: ResourceLookup) -> None:
        self._stored = stored

    def questions(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of a DynamoDB operation."""
        if operation in {"BatchGetItem", "BatchWriteItem"}:
            yield from self._batch(operation, inside(parameters, "RequestItems"), caller, _common(parameters))
        elif operation in {"TransactGetItems", "TransactWriteItems"}:
            yield from self._transaction(operation, parameters, caller)
        elif operation in {"ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction"}:
            statements = many(parameters, "TransactStatements") or many(parameters, "Statements") or (parameters,)
            for statement in statements:
                yield from self._statement(operation, statement, caller)
        else:
            yield from self._about_named_tables(operation, parameters, caller)

    def _about_named_tables(
        self, operation: str, parameters: Parameters, caller: CallerView
    ) -> Iterator[AuthorizationQuestion]:
        """Yield a check for each table or ARN in the parameters, or one check on `*` if there are none."""
        context = _common(parameters)
        if operation in _ABOUT_ALL:
            yield AuthorizationQuestion(f"dynamodb:{operation}", "*", caller.account, context)
            return
        index = text(parameters, "IndexName")
        new = inside(parameters, "TableCreationParameters")
        tables = [text(parameters, name) for name in _TABLES if name in parameters]
        tables += [text(new, "TableName")] if "TableName" in new else []
        for table in tables:
            question = self._of_table(operation, table, caller, context, index)
            yield _with_items(question, parameters, self._partition_key(question, caller, index))
        others = [text(parameters, name) for name in _ARNS if name in parameters]
        if "GlobalTableName" in parameters:
            name = text(parameters, "GlobalTableName")
            others.append(f"arn:{caller.partition}:dynamodb::{caller.account}:global-table/{name}")
        if "ShardIterator" in parameters:
            # The iterator has the form `STREAM|VERSION|POSITION`.
            others.append(text(parameters, "ShardIterator").partition("|")[0])
        for arn in others:
            yield self._of_arn(operation, arn, caller, context)
        if not tables and not others:
            yield AuthorizationQuestion(f"dynamodb:{operation}", "*", caller.account, context)
        if operation == "CreateTable":
            for name, action in (("Tags", "TagResource"), ("ResourcePolicy", "PutResourcePolicy")):
                if parameters.get(name):
                    yield self._of_table(action, tables[0], caller, context)

    def _batch(
        self, operation: str, items: Parameters, caller: CallerView, context: Context
    ) -> Iterator[AuthorizationQuestion]:
        for table in items:
            question = self._of_table(operation, table, caller, context)
            key = self._partition_key(question, caller, "")
            if operation == "BatchGetItem":
                request = inside(items, table)
                keys = many(request, "Keys")
                attribute_names = attributes({**request, "Keys": None}, keys)
            else:
                writes = many(items, table)
                keys = [
                    inside(inside(write, "PutRequest"), "Item") or inside(inside(write, "DeleteRequest"), "Key")
                    for write in writes
                ]
                attribute_names = attributes({}, keys)
            yield question._replace(context={**question.context, **leading_keys({}, keys, key), **attribute_names})

    def _transaction(
        self, operation: str, parameters: Parameters, caller: CallerView
    ) -> Iterator[AuthorizationQuestion]:
        context: Context = {**_common(parameters), "dynamodb:EnclosingOperation": (operation,)}
        for item in many(parameters, "TransactItems"):
            for kind, action in _TRANSACTED.items():
                if kind in item:
                    inner = inside(item, kind)
                    question = self._of_table(action, text(inner, "TableName"), caller, context)
                    yield _with_items(question, inner, self._partition_key(question, caller, ""))

    def _statement(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        context: Context = {"dynamodb:EnclosingOperation": (operation,)} if operation == "ExecuteTransaction" else {}
        statement = read_statement(text(parameters, "Statement"))
        if statement is None:
            for action in ACTIONS:
                yield AuthorizationQuestion(f"dynamodb:{action}", "*", caller.account, context)
            return
        question = self._of_table(statement.action, statement.table, caller, context, statement.secondary_index)
        key = self._partition_key(question, caller, statement.secondary_index)
        own_keys: Context = {}
        if statement.action == "PartiQLSelect":
            own_keys["dynamodb:FullTableScan"] = (shown(not (key and fixes(statement, key))),)
        statement_parameters = [plain(value) for value in many(parameters, "Parameters")]
        values = key_values(statement, key, statement_parameters) if key else ()
        own_keys |= {"dynamodb:LeadingKeys": values} if values else {}
        attribute_names = attributes_named(statement)
        own_keys |= {"dynamodb:Attributes": attribute_names} if attribute_names else {}
        yield question._replace(context={**question.context, **own_keys})

    def _of_table(
        self, action: str, table: str, caller: CallerView, context: Context, index: str = ""
    ) -> AuthorizationQuestion:
        """Return the authorization check for a table, given by name or ARN, or for one of its indexes."""
        arn = table
        if not table.startswith("arn:"):
            arn = f"arn:{caller.partition}:dynamodb:{caller.region}:{caller.account}:table/{table}"
        question = self._of_arn(action, arn, caller, context)
        return question._replace(resource=f"{question.resource}/index/{index}") if index else question

    def _of_arn(self, action: str, arn: str, caller: CallerView, context: Context) -> AuthorizationQuestion:
        """Return the authorization check for an ARN, with the policy of the stream or table."""
        parts = parse_arn(arn)
        if parts is None or parts.service != "dynamodb":
            return AuthorizationQuestion(f"dynamodb:{action}", "*", caller.account, context)
        table_match = _TABLE.match(parts.resource)
        place = SecretLocation(parts.account, parts.region)
        table = None if table_match is None else self._stored.table(place, table_match[1])
        if table_match is None or table is None:
            return AuthorizationQuestion(f"dynamodb:{action}", arn, parts.account, context)
        inner = parts.resource.removeprefix(table_match[0])
        # An index has its table's policy, and a stream has a policy of its own. Backups and exports have no policy.
        policy: StoredPolicy | None = None
        if inner.startswith("/stream/"):
            policy = self._stored.table_policy(place, arn)
        elif not inner or inner.startswith("/index/"):
            policy = self._stored.table_policy(place, str(parts._replace(resource=table_match[0])))
        own = tag_keys(("aws:ResourceTag",), table.tags)
        return AuthorizationQuestion(f"dynamodb:{action}", arn, parts.account, context | own, policy)

    def _partition_key(self, question: AuthorizationQuestion, caller: CallerView, index: str) -> str:
        """Return the partition key of the check's table or index; "" if the table or index does not exist."""
        parts = parse_arn(question.resource)
        table_match = None if parts is None else _TABLE.match(parts.resource)
        if parts is None or table_match is None:
            return ""
        table = self._stored.table(SecretLocation(parts.account, caller.region), table_match[1])
        if table is None:
            return ""
        return table.index_keys.get(index, "") if index else table.partition_key


def _with_items(question: AuthorizationQuestion, parameters: Parameters, key: str) -> AuthorizationQuestion:
    """Return the check with condition keys for the partition keys and attributes of the request's items."""
    items = [item for item in (inside(parameters, "Key"), inside(parameters, "Item")) if item]
    context = {**question.context, **leading_keys(parameters, items, key), **attributes(parameters, items)}
    return question._replace(context=context)


def _common(parameters: Parameters) -> Context:
    context: Context = request_tags(listed_tags(parameters.get("Tags")))
    if "TagKeys" in parameters:
        context["aws:TagKeys"] = texts(parameters, "TagKeys")
    for name in ("ReturnConsumedCapacity", "ReturnValues", "Select"):
        context |= key_if_given(f"dynamodb:{name}", parameters, name)
    return context
