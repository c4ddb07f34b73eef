"""DynamoDB authorization: tables, indexes, batches, transactions, PartiQL statements, and condition keys."""

from __future__ import annotations

import json

import pytest
from moto.dynamodb.models import dynamodb_backends

from dsops.request.resources.partiql import read_statement
from tests.questions import REGION, Desk
from tests.sandboxes import ACCOUNT, OTHER
from tests.unit.sandbox.conftest import LabFactory

TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/games"
SEED = f"""
accounts:
  "{ACCOUNT}":
    users:
      indexer:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "dynamodb:Query", Resource: "{TABLE}/index/*"}}}}
      player:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "dynamodb:*", Resource: "{TABLE}",
           Condition: {{"ForAllValues:StringEquals": {{"dynamodb:LeadingKeys": ["me"]}},
                        "Null": {{"dynamodb:LeadingKeys": "false"}}}}}}}}
      narrow:
        policies:
        - {{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "dynamodb:*", Resource: "{TABLE}",
           Condition: {{"ForAllValues:StringEquals": {{"dynamodb:Attributes": ["id", "score"]}}}}}}}}
      thrifty:
        policies:
        - {{Version: "2012-10-17", Statement: [
           {{Effect: Allow, Action: "dynamodb:PartiQLSelect", Resource: "{TABLE}"}},
           {{Effect: Deny, Action: "dynamodb:PartiQLSelect", Resource: "{TABLE}",
             Condition: {{Bool: {{"dynamodb:FullTableScan": "true"}}}}}}]}}
  "{OTHER}":
    users: {{stranger: {{}}}}
"""


@pytest.fixture
def desk(make_lab: LabFactory) -> Desk:
    """The authorization of an account with the table `games` and its index `by-score`, and of another account."""
    lab = make_lab(SEED)
    index = {
        "IndexName": "by-score",
        "KeySchema": [{"AttributeName": "score", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    dynamodb_backends[ACCOUNT][REGION].create_table(
        "games",
        schema=[{"AttributeName": "id", "KeyType": "HASH"}],
        throughput=None,
        attr=[{"AttributeName": name, "AttributeType": "S"} for name in ("id", "score")],
        global_indexes=[index],
        indexes=None,
        streams=None,
        billing_mode="PAY_PER_REQUEST",
        sse_specification=None,
        tags=[{"Key": "team", "Value": "blue"}],
        deletion_protection_enabled=None,
        warm_throughput=None,
    )
    return Desk(lab)


POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": OTHER},
                "Action": ["dynamodb:GetItem", "dynamodb:Query"],
                "Resource": [TABLE, f"{TABLE}/index/*"],
            }
        ],
    }
)
"""A table policy that lets the other account read the table."""
ME, YOU = {"id": {"S": "me"}}, {"id": {"S": "you"}}


# --- accounts of resources ---------------------------------------------------------------------------------------


def test_a_name_means_the_callers_table(desk: Desk) -> None:
    """A table name means a table in the caller's account.

    For a table ARN of another account, that account must also allow the request.
    """
    assert desk.allows(desk.caller("admin"), "dynamodb", "GetItem", TableName="games", Key=ME)
    assert not desk.allows(desk.caller("admin", OTHER), "dynamodb", "GetItem", TableName=TABLE, Key=ME)
    theirs = desk.asked(desk.caller("admin", OTHER), "dynamodb", "GetItem", TableName="games", Key=ME)
    assert theirs == [("dynamodb:GetItem", TABLE.replace(ACCOUNT, OTHER))]


def test_across_accounts_both_must_allow(desk: Desk) -> None:
    """Across accounts the table's policy and the caller's must both allow; a table's policy covers its indexes."""
    dynamodb_backends[ACCOUNT][REGION].put_resource_policy(TABLE, POLICY, None)
    theirs = desk.caller("admin", OTHER)

    assert desk.allows(theirs, "dynamodb", "GetItem", TableName=TABLE, Key=ME)
    assert desk.allows(theirs, "dynamodb", "Query", TableName=TABLE, IndexName="by-score")
    assert not desk.allows(theirs, "dynamodb", "PutItem", TableName=TABLE, Item=ME)
    assert not desk.allows(desk.caller("stranger", OTHER), "dynamodb", "GetItem", TableName=TABLE, Key=ME)


def test_a_table_policy_does_not_apply_to_streams_and_backups(desk: Desk) -> None:
    """A table's policy does not apply to its streams, which have policies of their own, or to its backups."""
    backend = dynamodb_backends[ACCOUNT][REGION]
    statement = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "dynamodb:*", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    stream, backup = f"{TABLE}/stream/2026-01-01T00:00:00.000", f"{TABLE}/backup/01489602797149-73d8d5bc"
    backend.put_resource_policy(TABLE, text, None)
    theirs = desk.caller("admin", OTHER)

    assert desk.allows(theirs, "dynamodb", "DescribeTable", TableName=TABLE)
    assert not desk.allows(theirs, "dynamodb", "DeleteBackup", BackupArn=backup)
    assert not desk.allows(theirs, "dynamodbstreams", "DescribeStream", StreamArn=stream)
    backend.resource_policies[stream] = backend.resource_policies[TABLE]
    assert desk.allows(theirs, "dynamodbstreams", "DescribeStream", StreamArn=stream)


# --- several resources -------------------------------------------------------------------------------------------


def test_an_index_is_a_separate_resource(desk: Desk) -> None:
    """Permission on an index does not include permission on its table."""
    indexer = desk.caller("indexer")

    assert desk.allows(indexer, "dynamodb", "Query", TableName="games", IndexName="by-score")
    assert not desk.allows(indexer, "dynamodb", "Query", TableName="games")


def test_each_table_of_a_batch_must_be_allowed(desk: Desk) -> None:
    """A batch needs permission on each of its tables."""
    items = {"games": {"Keys": [ME]}, TABLE.replace("games", "other"): {"Keys": [YOU]}}

    assert desk.asked(desk.caller("admin"), "dynamodb", "BatchGetItem", RequestItems=items) == [
        ("dynamodb:BatchGetItem", TABLE),
        ("dynamodb:BatchGetItem", TABLE.replace("games", "other")),
    ]
    foreign = {TABLE: [{"DeleteRequest": {"Key": ME}}]}
    assert not desk.allows(desk.caller("admin", OTHER), "dynamodb", "BatchWriteItem", RequestItems=foreign)


def test_a_transaction_is_allowed_item_by_item(desk: Desk) -> None:
    """Each item of a transaction needs its own action, with dynamodb:EnclosingOperation as condition key."""
    items = [{"Put": {"TableName": "games", "Item": ME}}, {"ConditionCheck": {"TableName": "games", "Key": YOU}}]
    questions = desk.questions(desk.caller("admin"), "dynamodb", "TransactWriteItems", TransactItems=items)

    assert [each.action for each in questions] == ["dynamodb:PutItem", "dynamodb:ConditionCheckItem"]
    assert questions[0].context["dynamodb:EnclosingOperation"] == ("TransactWriteItems",)
    assert not desk.allows(desk.caller("player"), "dynamodb", "TransactWriteItems", TransactItems=items)


def test_tags_and_policies_of_a_new_table_need_separate_permissions(desk: Desk) -> None:
    """CreateTable with tags and a resource policy needs three permissions."""
    questions = desk.asked(
        desk.caller("admin"),
        "dynamodb",
        "CreateTable",
        TableName="new",
        Tags=[{"Key": "team", "Value": "red"}],
        ResourcePolicy=POLICY,
    )

    assert [action for action, _ in questions] == [
        "dynamodb:CreateTable",
        "dynamodb:TagResource",
        "dynamodb:PutResourcePolicy",
    ]


def test_streams_are_named_by_arn_and_iterator(desk: Desk) -> None:
    """Operations of DynamoDB Streams are authorized as dynamodb actions on the stream's ARN or iterator."""
    stream = f"{TABLE}/stream/2026-01-01T00:00:00.000"
    admin = desk.caller("admin")

    assert desk.asked(admin, "dynamodbstreams", "DescribeStream", StreamArn=stream) == [
        ("dynamodb:DescribeStream", stream)
    ]
    assert desk.asked(admin, "dynamodbstreams", "GetRecords", ShardIterator=f"{stream}|1|AAAA") == [
        ("dynamodb:GetRecords", stream)
    ]
    assert not desk.allows(desk.caller("admin", OTHER), "dynamodbstreams", "DescribeStream", StreamArn=stream)


# --- conditions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "parameters", "is_allowed"),
    [
        ("GetItem", {"Key": ME}, True),
        ("GetItem", {"Key": YOU}, False),
        ("PutItem", {"Item": {**ME, "score": {"N": "1"}}}, True),
        ("PutItem", {"Item": YOU}, False),
        ("Scan", {}, False),
        ("Query", {"KeyConditionExpression": "id = :me", "ExpressionAttributeValues": {":me": {"S": "me"}}}, True),
        ("Query", {"KeyConditionExpression": "id = :me", "ExpressionAttributeValues": {":me": {"S": "you"}}}, False),
        (
            "Query",
            {
                "KeyConditionExpression": "#i=:me AND score > :s",
                "ExpressionAttributeNames": {"#i": "id"},
                "ExpressionAttributeValues": {":me": {"S": "me"}, ":s": {"N": "1"}},
            },
            True,
        ),
        (
            "Query",
            {
                "KeyConditionExpression": "#i=:me",
                "ExpressionAttributeNames": {"#i": "score"},
                "ExpressionAttributeValues": {":me": {"S": "me"}},
            },
            False,
        ),
        ("Query", {"KeyConditionExpression": "(id) = (:me)", "ExpressionAttributeValues": {":me": {"S": "me"}}}, True),
        ("Query", {"KeyConditionExpression": "id = you"}, False),
        (
            "Query",
            {
                "KeyConditionExpression": "id = :me AND (id) = (:you)",
                "ExpressionAttributeValues": {":me": {"S": "me"}, ":you": {"S": "you"}},
            },
            False,
        ),
        (
            "Query",
            {
                "KeyConditionExpression": "id = :me AND #i=you",
                "ExpressionAttributeNames": {"#i": "id"},
                "ExpressionAttributeValues": {":me": {"S": "me"}},
            },
            False,
        ),
        ("Query", {"KeyConditions": {"id": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "me"}]}}}, True),
        ("Query", {"KeyConditions": {"id": {"ComparisonOperator": "EQ", "AttributeValueList": [{"S": "you"}]}}}, False),
    ],
)
def test_partition_key_values_are_a_condition_key(
    desk: Desk, operation: str, parameters: dict[str, object], *, is_allowed: bool
) -> None:
    """dynamodb:LeadingKeys has the partition keys of the request's items, keys and key conditions.

    Scans do not set it.
    """
    assert desk.allows(desk.caller("player"), "dynamodb", operation, TableName="games", **parameters) is is_allowed


def test_all_keys_of_a_batch_are_checked(desk: Desk) -> None:
    """dynamodb:LeadingKeys has all keys of a batch, so one key outside the policy denies the whole batch."""
    player = desk.caller("player")

    assert desk.allows(player, "dynamodb", "BatchGetItem", RequestItems={"games": {"Keys": [ME]}})
    assert not desk.allows(player, "dynamodb", "BatchGetItem", RequestItems={"games": {"Keys": [ME, YOU]}})
    writes = [{"PutRequest": {"Item": ME}}, {"DeleteRequest": {"Key": YOU}}]
    assert not desk.allows(player, "dynamodb", "BatchWriteItem", RequestItems={"games": writes})


@pytest.mark.parametrize(
    ("parameters", "is_allowed"),
    [
        ({"ProjectionExpression": "id, score"}, True),
        ({"ProjectionExpression": "id, secret"}, False),
        ({"ProjectionExpression": "#s", "ExpressionAttributeNames": {"#s": "secret"}}, False),
        ({"ProjectionExpression": "score.secret[0]"}, True),
        ({"AttributesToGet": ["secret"]}, False),
    ],
)
def test_requested_attributes_are_a_condition_key(
    desk: Desk, parameters: dict[str, object], *, is_allowed: bool
) -> None:
    """dynamodb:Attributes has the requested top-level attributes, after placeholders are resolved."""
    narrow = desk.caller("narrow")

    assert desk.allows(narrow, "dynamodb", "GetItem", TableName="games", Key=ME, **parameters) is is_allowed


def test_attributes_of_an_update_are_a_condition_key(desk: Desk) -> None:
    """For an update, dynamodb:Attributes omits keywords and functions of the update expression."""
    question = desk.questions(
        desk.caller("narrow"),
        "dynamodb",
        "UpdateItem",
        TableName="games",
        Key=ME,
        UpdateExpression="SET score = if_not_exists(score, :zero) + :one REMOVE #old",
        ConditionExpression="attribute_exists(id) AND size(name) > :one",
        ExpressionAttributeNames={"#old": "level"},
    )[0]

    assert question.context["dynamodb:Attributes"] == ("id", "name", "score", "level")


# --- PartiQL -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('SELECT * FROM "games"', ("PartiQLSelect", "games", "")),
        ("select id, score from games where id = 'FROM x'", ("PartiQLSelect", "games", "")),
        ('SELECT * FROM "games"."by-score" WHERE score = 1', ("PartiQLSelect", "games", "by-score")),
        ("INSERT INTO \"games\" VALUE {'id': 'x'}", ("PartiQLInsert", "games", "")),
        ("UPDATE games SET score = 1 WHERE id = 'x'", ("PartiQLUpdate", "games", "")),
        ("DELETE FROM games WHERE id = 'x'", ("PartiQLDelete", "games", "")),
    ],
)
def test_a_partiql_statement_has_action_and_table(text: str, expected: tuple[str, str, str]) -> None:
    """A PartiQL statement is parsed to its action, table and index."""
    statement = read_statement(text)

    assert statement is not None
    assert statement[:3] == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "DROP TABLE games",
        "SELECT * FROM games; DELETE FROM games",
        "SELECT * FROM games -- FROM other",
        "SELECT * FROM games, other FROM other",
        "SELECT * FROM /* x */ games",
        'SELECT * FROM "a.b"',
        "DELETE games",
        "EXISTS(SELECT * FROM games)",
        "UPDATE games SET x = (SELECT * FROM other)",
        "INSERT games VALUE {}",
        "SELECT * FROM",
    ],
)
def test_an_unusual_statement_needs_permission_on_everything(desk: Desk, text: str) -> None:
    """A PartiQL statement that can't be parsed reliably needs all PartiQL actions on `*`."""
    assert read_statement(text) is None
    assert desk.asked(desk.caller("admin"), "dynamodb", "ExecuteStatement", Statement=text) == [
        (f"dynamodb:PartiQL{verb}", "*") for verb in ("Select", "Insert", "Update", "Delete")
    ]


def test_full_table_scan_is_a_condition_key(desk: Desk) -> None:
    """dynamodb:FullTableScan is true unless the statement fixes the partition key."""
    thrifty = desk.caller("thrifty")

    assert desk.allows(thrifty, "dynamodb", "ExecuteStatement", Statement="SELECT * FROM games WHERE id = 'me'")
    assert not desk.allows(thrifty, "dynamodb", "ExecuteStatement", Statement="SELECT * FROM games WHERE score = 1")
    assert not desk.allows(thrifty, "dynamodb", "ExecuteStatement", Statement="SELECT * FROM games WHERE id='a' OR x=1")
    assert not desk.allows(thrifty, "dynamodb", "ExecuteStatement", Statement="SELECT * FROM games WHERE NOT id = 'a'")
    assert not desk.allows(thrifty, "dynamodb", "ExecuteStatement", Statement='SELECT * FROM games WHERE "a"."id" = 1')


@pytest.mark.parametrize(
    ("text", "parameters", "values", "names"),
    [
        ("SELECT score FROM games WHERE id = 'me'", [], ("me",), ("score", "id")),
        ('SELECT a FROM games WHERE "id" = ? AND x = ?', [{"S": "me"}, {"N": "1"}], ("me",), ("a", "id", "x")),
        ("SELECT * FROM games WHERE NOT id = 'me'", [], ("me", ""), ("id",)),
        ("SELECT * FROM games WHERE id = 'me' || x", [], ("",), ("id", "x")),
        ('SELECT * FROM games WHERE "a"."id" = 1', [], None, ("a",)),
        ("SELECT * FROM games WHERE id IN ['me', ?]", [{"S": "you"}], ("me", "you"), ("id",)),
        ("SELECT * FROM games WHERE id = lower(x)", [], ("",), ("id", "x")),
        ("SELECT * FROM games WHERE id IN x", [], ("",), ("id", "x")),
        ("INSERT INTO games VALUE {'id': 'it''s', 'score': 7}", [], ("it's",), ("id", "score")),
        ("UPDATE games SET score = 1 REMOVE old.inner WHERE id = 7", [], ("7",), ("score", "old", "id")),
        ("DELETE FROM games WHERE id = 'me' AND begins_with(name, 'x')", [], ("me",), ("id", "name")),
        ("SELECT * FROM games", [], None, None),
    ],
)
def test_key_and_attributes_of_a_statement_are_condition_keys(
    desk: Desk, text: str, parameters: list[object], values: object, names: object
) -> None:
    """A PartiQL statement sets dynamodb:LeadingKeys and dynamodb:Attributes like other operations."""
    context = desk.questions(
        desk.caller("admin"), "dynamodb", "ExecuteStatement", Statement=text, Parameters=parameters
    )[0].context

    assert values == context.get("dynamodb:LeadingKeys")
    assert names == context.get("dynamodb:Attributes")


def test_statements_of_a_batch_are_allowed_one_by_one(desk: Desk) -> None:
    """Each statement of a batch is authorized on its table."""
    texts = ("SELECT * FROM games WHERE id = 'me'", "DELETE FROM games WHERE id = 'me'")
    statements = [{"Statement": text} for text in texts]

    assert desk.refused(desk.caller("thrifty"), "dynamodb", "BatchExecuteStatement", Statements=statements) == (
        "dynamodb:PartiQLDelete"
    )
