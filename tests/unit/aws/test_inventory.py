"""The lists of accounts, identities and resources are read to the last page, with the requests that AWS expects."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from dsops.aws.apis.inventory import buckets, functions, iam, keys, organization, pages, queues, regions, tags, topics
from dsops.aws.apis.inventory.pages import ServiceApi
from dsops.endpoint import resolve_endpoint
from dsops.errors import AccessDenied, AnswerInvalid, EntityNotFound
from tests.stubs.aws import json_answer, signature_is_right
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.aws.scene import SESSION, Scene, endpoint_at

Read = Callable[[ServiceApi], Coroutine[Any, Any, Any]]


def answers(*bodies: str) -> Callable[[Seen], Answer]:
    """A handler that gives one answer after the other."""
    left = iter(bodies)
    return lambda _seen: Answer(200, next(left).encode())


def ask(server: StubServer, service: str, read: Read) -> Any:
    """Call a function of the API; return its result."""
    scene = Scene()
    return scene.run(read(ServiceApi(scene.client, SESSION, endpoint_at(server, service))))


def xml(action: str, content: str) -> str:
    """A response of a query API."""
    return f"<{action}Response><{action}Result>{content}</{action}Result></{action}Response>"


JSON_LISTS = [
    ("organizations", organization.list_roots, "Roots", "NextToken", "NextToken"),
    ("kms", keys.list_keys, "Keys", "Marker", "NextMarker"),
    (
        "tagging",
        lambda api: tags.get_resources(api, ["sns"]),
        "ResourceTagMappingList",
        "PaginationToken",
        "PaginationToken",
    ),
]


@pytest.mark.parametrize(("service", "read", "items", "mark", "next_mark"), JSON_LISTS)
def test_lists_in_json_are_read_to_the_last_page(
    service: str, read: Read, items: str, mark: str, next_mark: str
) -> None:
    """The mark of each page is sent for the next page, and an item that is no object is left out."""
    first, second = ({items: [{"Id": "1"}], next_mark: "more"}, {items: [{"Id": "2"}, "x"], next_mark: ""})
    with StubServer(answers(json.dumps(first), json.dumps(second))) as server:
        result = ask(server, service, read)

    assert result == [{"Id": "1"}, {"Id": "2"}]
    sent = [json.loads(seen.body) for seen in server.seen]
    assert (sent[0].get(mark), sent[1][mark]) == (None, "more")
    assert signature_is_right(server.seen[1], server.url, "session/secret", service=service)


XML_LISTS = [
    ("sqs", queues.list_queues, xml("ListQueues", "<QueueUrl>u{}</QueueUrl>{}"), ["u1", "u2"]),
    (
        "sns",
        topics.list_topics,
        xml("ListTopics", "<Topics><member><TopicArn>u{}</TopicArn></member></Topics>{}"),
        ["u1", "u2"],
    ),
]


@pytest.mark.parametrize(("service", "read", "body", "expected"), XML_LISTS)
def test_lists_in_xml_are_read_to_the_last_page(service: str, read: Read, body: str, expected: list[str]) -> None:
    """Queues and topics are read from all pages."""
    pages_of = (body.format(1, "<NextToken>a b</NextToken>"), body.format(2, ""))
    with StubServer(answers(*pages_of)) as server:
        result = ask(server, service, read)

    assert result == expected
    assert dict(parse_qsl(server.seen[1].body.decode()))["NextToken"] == "a b"


def test_identities_of_all_pages_are_one_answer() -> None:
    """The answer has the form of the AWS CLI's: lists, objects, numbers and policies in JSON."""
    document = "%7B%22Statement%22%3A%5B%5D%7D"
    role = (
        "<member><RoleName>a</RoleName><Arn>arn:r</Arn><RoleLastUsed/><Tags/><RolePolicyList/>"
        f"<AssumeRolePolicyDocument>{document}</AssumeRolePolicyDocument></member>"
    )
    managed = (
        "<member><Arn>arn:p</Arn><AttachmentCount>2</AttachmentCount><IsAttachable>true</IsAttachable>"
        "<PolicyVersionList><member><IsDefaultVersion>false</IsDefaultVersion>"
        "<Document>not json</Document></member></PolicyVersionList></member>"
    )
    action = "GetAccountAuthorizationDetails"
    first = xml(action, f"<RoleDetailList>{role}</RoleDetailList><IsTruncated>true</IsTruncated><Marker>m</Marker>")
    user = "<UserDetailList><member><Arn>arn:u</Arn><GroupList><member>g</member></GroupList></member></UserDetailList>"
    second = xml(action, f"{user}<Policies>{managed}</Policies><IsTruncated>false</IsTruncated>")
    with StubServer(answers(first, second)) as server:
        details = ask(server, "iam", iam.get_account_authorization_details)

    assert details["RoleDetailList"] == [
        {
            "RoleName": "a",
            "Arn": "arn:r",
            "RoleLastUsed": {},
            "Tags": [],
            "RolePolicyList": [],
            "AssumeRolePolicyDocument": {"Statement": []},
        }
    ]
    assert details["UserDetailList"] == [{"Arn": "arn:u", "GroupList": ["g"]}]
    assert details["Policies"] == [
        {
            "Arn": "arn:p",
            "AttachmentCount": 2,
            "IsAttachable": True,
            "PolicyVersionList": [{"IsDefaultVersion": False, "Document": "not json"}],
        }
    ]
    assert details["GroupDetailList"] == []
    assert [dict(parse_qsl(seen.body.decode())).get("Marker") for seen in server.seen] == [None, "m"]


def test_functions_are_read_to_the_last_page() -> None:
    """The mark of a page is percent-encoded in the path of the next request."""
    pages_of = [{"Functions": [{"FunctionArn": "1"}], "NextMarker": "a/b"}, {"Functions": [{"FunctionArn": "2"}]}]
    with StubServer(answers(*map(json.dumps, pages_of))) as server:
        result = ask(server, "lambda", functions.list_functions)

    assert [function["FunctionArn"] for function in result] == ["1", "2"]
    assert server.seen[1].target == "/2015-03-31/functions/?MaxItems=50&Marker=a%2Fb"
    assert signature_is_right(server.seen[1], server.url, "session/secret", service="lambda")


def test_buckets_are_read_with_their_regions() -> None:
    """Buckets of all pages have names and regions, and S3 gets the hash of the empty body in a header."""
    bucket = "<Bucket><Name>b{0}</Name><BucketRegion>eu-west-{0}</BucketRegion></Bucket>"
    body = "<ListAllMyBucketsResult><Buckets>{}</Buckets>{}</ListAllMyBucketsResult>"
    first = body.format(bucket.format(1), "<ContinuationToken>t=1</ContinuationToken>")
    with StubServer(answers(first, body.format(bucket.format(2), ""))) as server:
        result = ask(server, "s3", buckets.list_buckets)

    assert result == [("b1", "eu-west-1"), ("b2", "eu-west-2")]
    assert urlsplit(server.seen[1].target).query == "max-buckets=1000&continuation-token=t%3D1"
    assert server.seen[0].header("X-Amz-Content-Sha256").startswith("e3b0c442")


S3_ERROR = "<Error><Code>{}</Code><Message>told</Message><RequestId>r1</RequestId></Error>"


@pytest.mark.parametrize(("code", "error"), [("NoSuchBucketPolicy", EntityNotFound), ("AccessDenied", AccessDenied)])
def test_errors_of_s3_are_read(code: str, error: type[Exception]) -> None:
    """A missing policy is told apart from a denied call."""
    with (
        StubServer(lambda _seen: Answer(403, S3_ERROR.format(code).encode())) as server,
        pytest.raises(error) as caught,
    ):
        ask(server, "s3", lambda api: buckets.get_bucket_policy(api, "papers"))

    assert "told" in str(getattr(caught.value, "why", ""))


def test_the_public_access_block_of_an_account_is_read() -> None:
    """S3 Control gets the account in a signed header, and in AWS's own host names. It has its own form of errors."""
    block = "<X><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets></X>"
    with StubServer(answers(block)) as server:
        found = ask(server, "s3", lambda api: buckets.get_account_public_access_block(api, "111122223333"))
    missing = f"<ErrorResponse>{S3_ERROR.format('NoSuchPublicAccessBlockConfiguration')}</ErrorResponse>"
    with StubServer(lambda _seen: Answer(404, missing.encode())) as other, pytest.raises(EntityNotFound):
        ask(other, "s3", lambda api: buckets.get_account_public_access_block(api, "111122223333"))

    assert (found["BlockPublicPolicy"], found["RestrictPublicBuckets"]) == (True, False)
    assert server.seen[0].target == "/v20180820/configuration/publicAccessBlock"
    assert server.seen[0].header("X-Amz-Account-Id") == "111122223333"
    assert "x-amz-account-id" in server.seen[0].header("Authorization")
    endpoint = resolve_endpoint("s3-control", "eu-west-1", {})
    own = buckets.endpoint_of_account(endpoint, "111122223333")
    assert (own.url, own.service) == ("https://111122223333.s3-control.eu-west-1.amazonaws.com", "s3")


@pytest.mark.parametrize("name", ["../x", "a/b", "a?b", "", "a..b", "x" * 300])
def test_names_of_buckets_can_not_change_the_request(name: str) -> None:
    """A name that is no bucket's name is refused before it becomes a part of a path."""
    with StubServer(answers()) as server, pytest.raises(AnswerInvalid):
        ask(server, "s3", lambda api: buckets.get_bucket_policy(api, name))

    assert server.seen == []


def test_regions_are_read_in_order() -> None:
    """The enabled regions of the endpoint's partition are sorted."""
    items = "".join(
        f"<item><regionName>{name}</regionName></item>" for name in ("us-east-1", "cn-north-1", "eu-west-1")
    )
    body = f"<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"
    with StubServer(answers(body)) as server:
        assert ask(server, "ec2", regions.describe_regions) == ["eu-west-1", "us-east-1"]


def test_errors_of_ec2_are_read() -> None:
    """EC2 has its error in a list."""
    told = (
        "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>told</Message></Error></Errors></Response>"
    )
    with StubServer(lambda _seen: Answer(403, told.encode())) as server, pytest.raises(AccessDenied) as caught:
        ask(server, "ec2", regions.describe_regions)

    assert caught.value.why == "told"


def test_a_list_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends pages without end is stopped."""
    monkeypatch.setattr(pages, "MOST_PAGES", 3)
    with StubServer(lambda _seen: json_answer({"Roots": [], "NextToken": "x"})) as server, pytest.raises(AnswerInvalid):
        ask(server, "organizations", organization.list_roots)

    assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("service", "read", "body"),
    [
        ("organizations", organization.list_roots, "{}"),
        ("organizations", organization.describe_organization, '{"Organization": {}}'),
        ("lambda", functions.list_functions, "{}"),
        ("s3", buckets.list_buckets, "<a/>"),
        ("s3", buckets.list_buckets, "no xml"),
        ("sns", topics.list_topics, xml("ListTopics", "")),
        ("iam", iam.list_saml_providers, xml("ListSAMLProviders", "")),
        ("ec2", regions.describe_regions, "<DescribeRegionsResponse/>"),
    ],
)
def test_an_answer_without_its_list_is_an_error(service: str, read: Read, body: str) -> None:
    """An answer that lacks its list is an error, and never an empty list."""
    with StubServer(answers(body)) as server, pytest.raises(AnswerInvalid):
        ask(server, service, read)
