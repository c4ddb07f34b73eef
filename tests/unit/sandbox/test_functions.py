"""Lambda's Invoke runs a function under its role; deliveries need the permissions that AWS asks for."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from socket import socket
from typing import Any, NamedTuple

import pytest

from dsops.sandbox.functions.run import FunctionResult, FunctionRun
from tests.functions import package
from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab, Person, RefusedError
from tests.unit.sandbox.conftest import LabFactory

FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:orders"
QUEUE = f"arn:aws:sqs:us-east-1:{ACCOUNT}:q"
URL = f"http://127.0.0.1/{ACCOUNT}/q"
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:t"
SEED = f"""
accounts:
  "{ACCOUNT}":
    users:
      alice: {{policies: [{{Version: "2012-10-17", Statement: {{Effect: Allow, Action: "lambda:*", Resource: "*"}}}}]}}
      nobody: {{}}
    roles:
      Orders:
        trust: {{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {{Service: lambda.amazonaws.com}},
                Action: "sts:AssumeRole"}}}}
      Other:
        trust: {{Version: "2012-10-17", Statement: {{Effect: Allow, Principal: {{Service: ec2.amazonaws.com}},
                Action: "sts:AssumeRole"}}}}
  "{OTHER}": {{}}
"""
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Orders"


class Host:
    """A host that runs nothing: it keeps the runs, and ends each at once with the result that a test sets."""

    def __init__(self) -> None:
        self.runs: list[FunctionRun] = []
        self.result = FunctionResult(b'"done"', "", "START\nhello\nEND\n")
        self.is_full = False

    def why_not(self, runtime: str) -> str:
        """Only Python runs."""
        return "" if runtime.startswith("python") else f"the runtime is {runtime}"

    def start(self, run: FunctionRun, ended: Callable[[FunctionResult], None]) -> bool:
        """End the run with the result."""
        if self.is_full:
            return False
        self.runs.append(run)
        ended(self.result)
        return True

    def connect(self, accept: Callable[[socket], Callable[[], None]]) -> None:
        """Not needed."""

    def close(self) -> None:
        """Nothing runs."""

    @property
    def events(self) -> list[Any]:
        """The events of all runs."""
        return [json.loads(run.event) for run in self.runs]


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox with the function `orders`, which runs on a `Host`."""
    made = make_lab(SEED)
    made.sandbox.functions.run_on(Host())
    create(made.user("admin"))
    return made


@pytest.fixture
def host(lab: Lab) -> Host:
    """The host of the sandbox."""
    found = lab.sandbox.functions.host
    assert isinstance(found, Host)
    return found


def create(person: Person, **changes: object) -> dict[str, Any]:
    """Create the function."""
    wish = {"FunctionName": "orders", "Role": ROLE, "Runtime": "python3.12", "Handler": "app.handler"}
    return person.call("lambda", "CreateFunction", **{**wish, "Code": {"ZipFile": package("")}, **changes})


class Answer(NamedTuple):
    """The answer to Invoke."""

    status: int
    headers: Mapping[str, str]
    payload: bytes


def invoke(person: Person, **parameters: object) -> Answer:
    """Invoke the function, and return the answer."""
    answer = person.answer("lambda", "Invoke", FunctionName="orders", **parameters)
    later = answer if answer.wait is None else answer.wait.ask()
    assert later is not None
    return Answer(later.status, dict(later.headers), later.body)


def allow_role(lab: Lab, *actions: str) -> None:
    """Give the function's role these permissions."""
    statement = {"Effect": "Allow", "Action": [*actions], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    lab.user("admin").call("iam", "PutRolePolicy", RoleName="Orders", PolicyName="p", PolicyDocument=policy)


def permit(lab: Lab, service: str, source: str) -> None:
    """Let a service invoke the function for a source."""
    lab.user("admin").call(
        "lambda", "AddPermission", FunctionName="orders", StatementId=service.partition(".")[0],
        Action="lambda:InvokeFunction", Principal=service, SourceArn=source,
    )  # fmt: skip


def make_queue(lab: Lab, *services: str, source: str = "*", **attributes: str) -> None:
    """Create the queue `q`, into which these services may send messages for a source."""
    statement = {"Effect": "Allow", "Principal": {"Service": [*services]}, "Action": "sqs:SendMessage", "Resource": "*"}
    condition = {"ArnLike": {"aws:SourceArn": source}, "StringEquals": {"aws:SourceAccount": ACCOUNT}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": {**statement, "Condition": condition}})
    more = {"Policy": policy} if services else {}
    lab.user("admin").call("sqs", "CreateQueue", QueueName="q", Attributes={**more, **attributes})


def received(lab: Lab) -> list[str]:
    """The bodies of the messages in the queue."""
    answer = lab.user("admin").call("sqs", "ReceiveMessage", QueueUrl=URL, MaxNumberOfMessages=10)
    return [message["Body"] for message in answer.get("Messages", [])]


def refused_deliveries(lab: Lab) -> list[tuple[str, str]]:
    """The service and action of each delivery that a policy refused."""
    requests = [entry.decision for entry in lab.sandbox.judge.decisions if not entry.decision.is_allowed]
    found = [decision.request for decision in requests if decision.request.principal.kind == "service"]
    return [(request.principal.federated, request.action) for request in found]


# --- Invoke ----------------------------------------------------------------------------------------------------------


def test_a_function_runs_with_a_session_of_its_role(lab: Lab, host: Host) -> None:
    """It has the role's credentials, Lambda's variables, its own variables, and the event."""
    admin = lab.user("admin")
    admin.call("lambda", "UpdateFunctionConfiguration", FunctionName="orders", Environment={"Variables": {"AB": "1"}})
    answer = invoke(admin, Payload=b'{"id": 7}', LogType="Tail")
    (run,) = host.runs
    keys = Keys(
        access_key_id=run.environment["AWS_ACCESS_KEY_ID"],
        secret_access_key=run.environment["AWS_SECRET_ACCESS_KEY"],
        session_token=run.environment["AWS_SESSION_TOKEN"],
    )
    assert lab.with_keys(keys).arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Orders/orders"
    assert (run.environment["AB"], run.environment["AWS_LAMBDA_FUNCTION_NAME"]) == ("1", "orders")
    assert (json.loads(run.event), run.arn, run.timeout_seconds, run.memory_mb) == ({"id": 7}, FUNCTION, 3, 128)
    assert (answer.status, answer.payload) == (200, b'"done"')
    assert answer.headers["X-Amz-Executed-Version"] == "$LATEST"
    assert "X-Amz-Function-Error" not in answer.headers
    assert base64.b64decode(answer.headers["X-Amz-Log-Result"]) == b"START\nhello\nEND\n"


def test_the_error_of_a_function_is_in_the_header(lab: Lab, host: Host) -> None:
    """The status is 200, as on AWS."""
    host.result = FunctionResult(b'{"errorType": "KeyError"}', "Unhandled", "")
    answer = invoke(lab.user("admin"))
    assert (answer.headers["X-Amz-Function-Error"], answer.status) == ("Unhandled", 200)


def test_an_event_is_not_waited_for_and_a_dry_run_runs_nothing(lab: Lab, host: Host) -> None:
    """The statuses are 202 and 204."""
    assert invoke(lab.user("admin"), InvocationType="DryRun").status == 204
    assert host.runs == []
    assert invoke(lab.user("admin"), InvocationType="Event", Payload=b"[]").status == 202
    assert host.events == [[]]


def test_a_version_and_an_alias_run_as_that_version(lab: Lab, host: Host) -> None:
    """Invoke answers which version ran."""
    admin = lab.user("admin")
    admin.call("lambda", "PublishVersion", FunctionName="orders")
    admin.call("lambda", "CreateAlias", FunctionName="orders", Name="live", FunctionVersion="1")
    answers = [invoke(admin, Qualifier=name) for name in ("1", "live", "$LATEST")]
    assert [answer.headers["X-Amz-Executed-Version"] for answer in answers] == ["1", "1", "$LATEST"]
    assert host.runs[1].arn == f"{FUNCTION}:live"
    assert admin.refused("lambda", "Invoke", FunctionName="orders", Qualifier="no").code == "ResourceNotFoundException"


def test_invoke_needs_permission(lab: Lab, host: Host) -> None:
    """Identity policies and the function's policy allow it; another account needs both."""
    assert lab.user("nobody").refused("lambda", "Invoke", FunctionName="orders").code == "AccessDeniedException"
    assert invoke(lab.user("alice")).status == 200
    stranger = lab.user("admin", OTHER)
    assert stranger.refused("lambda", "Invoke", FunctionName=FUNCTION).code == "AccessDeniedException"
    lab.user("admin").call(
        "lambda",
        "AddPermission",
        FunctionName="orders",
        StatementId="s",
        Action="lambda:InvokeFunction",
        Principal=OTHER,
    )
    answer = stranger.answer("lambda", "Invoke", FunctionName=FUNCTION)
    assert answer.wait is not None
    assert len(host.runs) == 2


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Payload": b"{"}, "InvalidRequestContentException"),
        ({"Payload": b'"' + b"x" * 6 * 1024 * 1024 + b'"'}, "RequestEntityTooLargeException"),
        ({"Payload": b'"' + b"x" * 1024 * 1024 + b'"', "InvocationType": "Event"}, "RequestEntityTooLargeException"),
    ],
    ids=["not-json", "too-large", "too-large-event"],
)
def test_a_bad_payload_is_refused(lab: Lab, host: Host, parameters: Mapping[str, object], code: str) -> None:
    """The limits are Lambda's."""
    assert lab.user("admin").refused("lambda", "Invoke", FunctionName="orders", **parameters).code == code
    assert host.runs == []


def test_a_role_must_trust_lambda(lab: Lab, host: Host) -> None:
    """The trust policy is checked when the function is created, and at each invocation."""
    admin, trust = lab.user("admin"), {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:*"}}
    with pytest.raises(RefusedError, match="cannot be assumed by Lambda"):
        create(admin, FunctionName="other", Role=f"arn:aws:iam::{ACCOUNT}:role/Other")
    trust["Statement"] = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
    admin.call("iam", "UpdateAssumeRolePolicy", RoleName="Orders", PolicyDocument=json.dumps(trust))
    assert "cannot be assumed by Lambda" in admin.refused("lambda", "Invoke", FunctionName="orders").message
    assert host.runs == []


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"MemorySize": 10**9}, "at 'memorySize' failed to satisfy constraint: Member must have value less than"),
        ({"Timeout": -1}, "at 'timeout' failed to satisfy constraint: Member must have value greater than"),
        ({"EphemeralStorage": {"Size": 10**9}}, "at 'size' failed to satisfy constraint: Member must have value less"),
        ({"Environment": {"Variables": {"A=B": "x"}}}, "at 'environment' failed to satisfy constraint"),
    ],
)
def test_the_bounds_of_a_function_have_limits(lab: Lab, changes: dict[str, object], rule: str) -> None:
    """A function that may change itself gives itself no more memory or time than Lambda's limits."""
    error = lab.user("admin").refused("lambda", "UpdateFunctionConfiguration", FunctionName="orders", **changes)
    assert (error.code, rule in error.message) == ("ValidationException", True)


def test_creating_a_function_needs_pass_role(lab: Lab) -> None:
    """Alice may do everything with functions, but may not pass the role."""
    with pytest.raises(RefusedError, match="iam:PassRole"):
        create(lab.user("alice"), FunctionName="hers")


def test_logs_are_written_if_the_role_may(lab: Lab, host: Host) -> None:
    """Without permission there is no log group, and the decision shows why."""
    admin = lab.user("admin")
    invoke(admin)
    assert admin.call("logs", "DescribeLogGroups")["logGroups"] == []
    denied = [entry.decision.request.action for entry in lab.sandbox.judge.decisions if not entry.decision.is_allowed]
    assert denied == ["logs:CreateLogGroup"]
    allow_role(lab, "logs:*")
    invoke(admin)
    stream = host.runs[-1].environment["AWS_LAMBDA_LOG_STREAM_NAME"]
    events = admin.call("logs", "GetLogEvents", logGroupName="/aws/lambda/orders", logStreamName=stream)["events"]
    assert [event["message"] for event in events] == ["START", "hello", "END"]


def test_what_does_not_run_is_told(lab: Lab, host: Host) -> None:
    """Another runtime, a full queue, and a sandbox without --run-functions each have their own error."""
    admin = lab.user("admin")
    host.is_full = True
    assert admin.refused("lambda", "Invoke", FunctionName="orders").code == "TooManyRequestsException"
    create(admin, FunctionName="java", Runtime="java21")
    error = admin.refused("lambda", "Invoke", FunctionName="java")
    assert (error.code, "java21" in error.message) == ("InvalidRuntimeException", True)


def test_functions_run_after_a_reset(lab: Lab, host: Host) -> None:
    """The sandbox is taken back to its seed, and keeps running functions."""
    lab.sandbox.empty()
    assert lab.sandbox.functions.host is host


def test_without_the_flag_nothing_runs(make_lab: LabFactory) -> None:
    """The error names the flag."""
    admin = make_lab(SEED).user("admin")
    create(admin)
    assert "--run-functions" in admin.refused("lambda", "Invoke", FunctionName="orders").message


# --- deliveries ------------------------------------------------------------------------------------------------------


def test_a_topic_delivers_only_where_the_queue_allows_it(lab: Lab) -> None:
    """The queue's policy must allow SNS, and its condition on the topic must match. Refusals are decisions."""
    admin = lab.user("admin")
    make_queue(lab, "sns.amazonaws.com", source=f"{TOPIC}-other")
    admin.call("sns", "CreateTopic", Name="t")
    admin.call("sns", "Subscribe", TopicArn=TOPIC, Protocol="sqs", Endpoint=QUEUE)
    admin.call("sns", "Publish", TopicArn=TOPIC, Message="lost")
    assert received(lab) == []
    assert refused_deliveries(lab) == [("sns.amazonaws.com", "sqs:SendMessage")]
    admin.call("sqs", "DeleteQueue", QueueUrl=URL)
    make_queue(lab, "sns.amazonaws.com", source=TOPIC)
    admin.call("sns", "Publish", TopicArn=TOPIC, Message="arrives")
    assert [json.loads(body)["Message"] for body in received(lab)] == ["arrives"]


def test_an_encrypted_queue_needs_the_key_as_well(lab: Lab) -> None:
    """The key's policy must allow SNS; the managed key of SQS allows no other service."""
    admin = lab.user("admin")
    key = admin.call("kms", "CreateKey")["KeyMetadata"]["KeyId"]
    make_queue(lab, "sns.amazonaws.com", source=TOPIC, KmsMasterKeyId=key)
    admin.call("sns", "CreateTopic", Name="t")
    admin.call("sns", "Subscribe", TopicArn=TOPIC, Protocol="sqs", Endpoint=QUEUE)
    admin.call("sns", "Publish", TopicArn=TOPIC, Message="lost")
    assert refused_deliveries(lab) == [("sns.amazonaws.com", "kms:GenerateDataKey")]
    policy = json.loads(admin.call("kms", "GetKeyPolicy", KeyId=key, PolicyName="default")["Policy"])
    actions = ["kms:GenerateDataKey*", "kms:Decrypt"]
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": actions, "Resource": "*"}
    policy["Statement"].append(statement)
    admin.call("kms", "PutKeyPolicy", KeyId=key, PolicyName="default", Policy=json.dumps(policy))
    admin.call("sns", "Publish", TopicArn=TOPIC, Message="arrives")
    assert [json.loads(body)["Message"] for body in received(lab)] == ["arrives"]
    admin.call("sqs", "SetQueueAttributes", QueueUrl=URL, Attributes={"KmsMasterKeyId": "alias/aws/sqs"})
    admin.call("sns", "Publish", TopicArn=TOPIC, Message="lost")
    assert refused_deliveries(lab)[1:] == [("sns.amazonaws.com", "kms:GenerateDataKey")]


def test_a_topic_invokes_a_function_that_allows_it(lab: Lab, host: Host) -> None:
    """The event has the message and the topic."""
    admin = lab.user("admin")
    admin.call("sns", "CreateTopic", Name="t")
    admin.call("sns", "Subscribe", TopicArn=TOPIC, Protocol="lambda", Endpoint=FUNCTION)
    admin.call("sns", "Publish", TopicArn=TOPIC, Message="lost")
    assert (host.runs, refused_deliveries(lab)) == ([], [("sns.amazonaws.com", "lambda:InvokeFunction")])
    permit(lab, "sns.amazonaws.com", TOPIC)
    admin.call("sns", "Publish", TopicArn=TOPIC, Message="arrives", Subject="s")
    notification = host.events[0]["Records"][0]["Sns"]
    assert [notification[name] for name in ("Message", "Subject", "TopicArn")] == ["arrives", "s", TOPIC]


def configuration(kind: str, name: str, arn: str) -> dict[str, object]:
    """The notification configuration of a bucket with one target."""
    return {f"{kind}Configurations": [{f"{name}Arn": arn, "Events": ["s3:ObjectCreated:*"]}]}


def test_a_bucket_notifies_only_targets_that_allow_it(lab: Lab, host: Host) -> None:
    """S3 refuses the configuration of a target that it may not reach, and checks at each delivery again."""
    admin = lab.user("admin")
    admin.call("s3", "CreateBucket", Bucket="uploads")
    wish = configuration("LambdaFunction", "LambdaFunction", FUNCTION)
    error = admin.refused("s3", "PutBucketNotificationConfiguration", Bucket="uploads", NotificationConfiguration=wish)
    assert (error.code, error.message) == (
        "InvalidArgument", "Unable to validate the following destination configurations"
    )  # fmt: skip
    permit(lab, "s3.amazonaws.com", "arn:aws:s3:::uploads")
    admin.call("s3", "PutBucketNotificationConfiguration", Bucket="uploads", NotificationConfiguration=wish)
    admin.call("s3", "PutObject", Bucket="uploads", Key="a.txt", Body=b"x")
    assert [event["Records"][0]["s3"]["object"]["key"] for event in host.events] == ["a.txt"]
    admin.call("lambda", "RemovePermission", FunctionName="orders", StatementId="s3")
    admin.call("s3", "PutObject", Bucket="uploads", Key="b.txt", Body=b"x")
    assert len(host.runs) == 1
    assert refused_deliveries(lab)[1:] == [("s3.amazonaws.com", "lambda:InvokeFunction")]


def test_a_bucket_notifies_queues_and_topics(lab: Lab) -> None:
    """Their policies must allow S3; a topic's default policy does not."""
    admin = lab.user("admin")
    admin.call("s3", "CreateBucket", Bucket="uploads")
    make_queue(lab, "s3.amazonaws.com", source="arn:aws:s3:::uploads")
    wish = configuration("Queue", "Queue", QUEUE)
    admin.call("s3", "PutBucketNotificationConfiguration", Bucket="uploads", NotificationConfiguration=wish)
    admin.call("s3", "PutObject", Bucket="uploads", Key="a.txt", Body=b"x")
    bodies = [json.loads(body) for body in received(lab)]
    assert [body.get("Event", "") or body["Records"][0]["eventName"] for body in bodies] == [
        "s3:TestEvent", "ObjectCreated:Put"
    ]  # fmt: skip
    admin.call("sns", "CreateTopic", Name="t")
    wish = configuration("Topic", "Topic", TOPIC)
    error = admin.refused("s3", "PutBucketNotificationConfiguration", Bucket="uploads", NotificationConfiguration=wish)
    assert error.code == "InvalidArgument"


def test_a_rule_delivers_to_targets_that_allow_it(lab: Lab, host: Host) -> None:
    """EventBridge needs the policy of the function or queue."""
    admin = lab.user("admin")
    rule = admin.call("events", "PutRule", Name="r", EventPattern='{"source": ["shop"]}')["RuleArn"]
    make_queue(lab, "events.amazonaws.com", source=rule)
    targets = [{"Id": "1", "Arn": FUNCTION}, {"Id": "2", "Arn": QUEUE}]
    admin.call("events", "PutTargets", Rule="r", Targets=targets)
    entry = {"Source": "shop", "DetailType": "sold", "Detail": '{"id": 1}'}
    admin.call("events", "PutEvents", Entries=[entry])
    assert (host.runs, len(received(lab))) == ([], 1)
    assert refused_deliveries(lab) == [("events.amazonaws.com", "lambda:InvokeFunction")]
    permit(lab, "events.amazonaws.com", rule)
    admin.call("events", "PutEvents", Entries=[entry, {**entry, "Source": "other"}])
    assert [(event["source"], event["detail"]) for event in host.events] == [("shop", {"id": 1})]


def test_a_rule_can_deliver_with_a_role(lab: Lab) -> None:
    """The role must trust EventBridge and allow the call; the queue's policy is not needed in the same account."""
    admin = lab.user("admin")
    make_queue(lab)
    admin.call("events", "PutRule", Name="r", EventPattern='{"source": ["shop"]}')
    admin.call("events", "PutTargets", Rule="r", Targets=[{"Id": "1", "Arn": QUEUE, "RoleArn": ROLE}])
    put = {"Entries": [{"Source": "shop", "DetailType": "sold", "Detail": "{}"}]}
    allow_role(lab, "sqs:SendMessage")
    admin.call("events", "PutEvents", **put)
    assert refused_deliveries(lab) == [("events.amazonaws.com", "sts:AssumeRole")]
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "events.amazonaws.com"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    admin.call("iam", "UpdateAssumeRolePolicy", RoleName="Orders", PolicyDocument=document)
    admin.call("events", "PutEvents", **put)
    assert len(received(lab)) == 1


# --- queues that functions read --------------------------------------------------------------------------------------


def test_a_function_reads_a_queue_with_its_role(lab: Lab, host: Host) -> None:
    """The mapping needs three permissions of the role; processed messages are deleted, others stay."""
    admin = lab.user("admin")
    make_queue(lab)
    wish = {"EventSourceArn": QUEUE, "FunctionName": "orders"}
    error = admin.refused("lambda", "CreateEventSourceMapping", **wish)
    assert "does not have permissions to call ReceiveMessage on SQS" in error.message
    allow_role(lab, "sqs:ReceiveMessage", "sqs:GetQueueAttributes", "sqs:DeleteMessage")
    admin.call("lambda", "CreateEventSourceMapping", **wish)
    admin.call("sqs", "SendMessage", QueueUrl=URL, MessageBody="one")
    assert [event["Records"][0]["body"] for event in host.events] == ["one"]
    assert counts(admin) == ("0", "0")
    host.result = FunctionResult(b"{}", "Unhandled", "")
    admin.call("sqs", "SendMessage", QueueUrl=URL, MessageBody="two")
    assert counts(admin) == ("0", "1")


def test_a_role_that_loses_its_permission_reads_no_more(lab: Lab, host: Host) -> None:
    """The messages stay in the queue, and the decision shows the refusal."""
    admin = lab.user("admin")
    make_queue(lab)
    allow_role(lab, "sqs:*")
    admin.call("lambda", "CreateEventSourceMapping", EventSourceArn=QUEUE, FunctionName="orders")
    allow_role(lab, "sqs:GetQueueAttributes")
    admin.call("sqs", "SendMessage", QueueUrl=URL, MessageBody="one")
    assert (host.runs, counts(admin)) == ([], ("1", "0"))
    denied = [entry.decision.request.action for entry in lab.sandbox.judge.decisions if not entry.decision.is_allowed]
    assert denied == ["sqs:ReceiveMessage"]


def test_messages_that_stay_visible_are_read_once_at_a_time(lab: Lab, host: Host) -> None:
    """A queue without a visibility timeout returns a message again at once. That does not go on without end."""
    admin = lab.user("admin")
    make_queue(lab, VisibilityTimeout="0")
    allow_role(lab, "sqs:*")
    admin.call("lambda", "CreateEventSourceMapping", EventSourceArn=QUEUE, FunctionName="orders")
    host.result = FunctionResult(b"[" * 60_000, "Unhandled", "")
    admin.call("sqs", "SendMessage", QueueUrl=URL, MessageBody="one")
    assert len(host.runs) == 1


def test_a_function_can_report_the_messages_that_failed(lab: Lab, host: Host) -> None:
    """Only these messages stay in the queue."""
    admin = lab.user("admin")
    make_queue(lab)
    allow_role(lab, "sqs:*")
    admin.call("sqs", "SendMessage", QueueUrl=URL, MessageBody="one")
    more = {"FunctionResponseTypes": ["ReportBatchItemFailures"]}
    admin.call("lambda", "CreateEventSourceMapping", EventSourceArn=QUEUE, FunctionName="orders", **more)
    host.result = FunctionResult(b'{"batchItemFailures": [{"itemIdentifier": "unknown"}]}', "", "")
    lab.sandbox.functions.queues.read_all()
    assert counts(admin) == ("0", "1")
    host.result = FunctionResult(b'{"batchItemFailures": []}', "", "")
    admin.call("sqs", "SendMessage", QueueUrl=URL, MessageBody="two")
    assert counts(admin) == ("0", "1")
    assert [len(event["Records"]) for event in host.events] == [1, 1]


def counts(person: Person) -> tuple[str, str]:
    """The numbers of visible and of invisible messages in the queue."""
    names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
    found = person.call("sqs", "GetQueueAttributes", QueueUrl=URL, AttributeNames=["All"])["Attributes"]
    return found[names[0]], found[names[1]]
