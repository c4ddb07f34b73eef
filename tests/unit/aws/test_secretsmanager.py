"""Secrets Manager: reading secrets one by one and in batches of twenty."""

from __future__ import annotations

import json

import pytest

from dsops.aws.apis.secretsmanager import BatchAnswer, SecretValue, batch_get_secret_value, get_secret_value
from dsops.errors import (
    AccessDenied,
    AnswerInvalid,
    CredentialsExpired,
    CredentialsInvalid,
    DsopsError,
    SecretAccessDenied,
    SecretDeleted,
    SecretNotFound,
    SecretRefused,
)
from dsops.secret import Secret
from tests.stubs.aws import REQUEST_ID, json_answer, json_error, signature_is_right
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.aws.scene import SESSION, Scene, endpoint_at

ARN = "arn:aws:secretsmanager:us-east-1:111122223333:secret:prod/db-AbCdEf"
CONTENT = {"ARN": ARN, "Name": "prod/db", "VersionId": "v-1", "SecretString": "p\u00e4ss"}


def get(answer: Answer, secret_id: str = "prod/db", version_id: str = "", version_stage: str = "") -> SecretValue:
    """The secret in this answer."""
    scene = Scene()
    with StubServer(lambda _: answer) as server:
        work = get_secret_value(
            scene.client, SESSION, endpoint_at(server, "secretsmanager"), secret_id, version_id, version_stage
        )
        return scene.run(work)


def batch(*answers: Answer, ids: list[str]) -> tuple[BatchAnswer, list[dict[str, object]]]:
    """The result for these ids, and the requests that were made."""
    scene = Scene()
    waiting = list(answers)
    with StubServer(lambda _: waiting.pop(0)) as server:
        result = scene.run(batch_get_secret_value(scene.client, SESSION, endpoint_at(server, "secretsmanager"), ids))
        return result, [json.loads(seen.body) for seen in server.seen]


def entry(name: str, value: str, suffix: str = "AbCdEf") -> dict[str, object]:
    """A secret as it appears in a batch answer."""
    arn = f"arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}-{suffix}"
    return {"ARN": arn, "Name": name, "VersionId": "v-1", "SecretString": value}


def test_a_secret() -> None:
    """A secret has name, ARN, version and value; the request is signed for Secrets Manager."""
    seen: list[Seen] = []

    def answer(request: Seen) -> Answer:
        seen.append(request)
        return json_answer(CONTENT)

    scene = Scene()
    with StubServer(answer) as server:
        secret = scene.run(get_secret_value(scene.client, SESSION, endpoint_at(server, "secretsmanager"), "prod/db"))
        assert signature_is_right(seen[0], server.url, "session/secret", service="secretsmanager")
    assert secret == SecretValue("prod/db", ARN, "v-1", Secret("p\u00e4ss"), request_id=REQUEST_ID)
    assert json.loads(seen[0].body) == {"SecretId": "prod/db"}
    assert seen[0].header("x-amz-target") == "secretsmanager.GetSecretValue"
    assert "p\u00e4ss" not in repr(secret)


def test_a_version_by_id_or_stage() -> None:
    """The requested version id and version stage are sent unchanged."""
    bodies: list[dict[str, object]] = []

    def answer(request: Seen) -> Answer:
        bodies.append(json.loads(request.body))
        return json_answer(CONTENT)

    scene = Scene()
    with StubServer(answer) as server:
        endpoint = endpoint_at(server, "secretsmanager")
        scene.run(get_secret_value(scene.client, SESSION, endpoint, ARN, version_id="0123"))
        scene.run(get_secret_value(scene.client, SESSION, endpoint, ARN, version_stage="AWSPREVIOUS"))
    assert bodies == [{"SecretId": ARN, "VersionId": "0123"}, {"SecretId": ARN, "VersionStage": "AWSPREVIOUS"}]


@pytest.mark.parametrize("text", ["", "a\0b", "line\nbreak", "\U0001f511", "\u2028"])
def test_every_text_is_a_secret(text: str) -> None:
    """Every string is a valid secret, even the empty one, because the caller decides what fits into a variable."""
    assert get(json_answer({**CONTENT, "SecretString": text})).value == Secret(text)


@pytest.mark.parametrize("raw", [b"\x00\xff\xfe", b"", b"text", bytes(range(256))])
def test_a_binary_secret_is_its_bytes(raw: bytes) -> None:
    """A binary secret is returned as its decoded bytes, whether they are UTF-8 or not."""
    from base64 import b64encode

    content = {name: value for name, value in CONTENT.items() if name != "SecretString"}
    secret = get(json_answer({**content, "SecretBinary": b64encode(raw).decode()}))
    assert secret.value.reveal_bytes() == raw


@pytest.mark.parametrize(
    "change",
    [
        {"SecretString": None},
        {"SecretString": 5},
        {"SecretString": None, "SecretBinary": "***"},
        {"SecretString": None, "SecretBinary": "YQ"},
        {"SecretString": chr(0xD800) + "hidden"},
        {"SecretString": chr(0xDC80) + "hidden"},
        {"Name": ""},
        {"ARN": 7},
    ],
)
def test_an_incomplete_answer_is_invalid(change: dict[str, object]) -> None:
    """A missing, mistyped or undecodable value raises AnswerInvalid, which shows nothing of the response."""
    with pytest.raises(AnswerInvalid, match="an invalid response") as caught:
        get(json_answer({**CONTENT, **change}))
    assert "hidden" not in f"{caught.value.message}{caught.value.why}{caught.value.hint}"
    assert caught.value.__cause__ is None


DENIED = "User: x is not authorized to perform: secretsmanager:GetSecretValue on resource: prod/db because no"


@pytest.mark.parametrize(
    ("code", "message", "kind", "hint"),
    [
        ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.", SecretNotFound, "region"),
        (
            "ResourceNotFoundException",
            "Secrets Manager can't find the specified secret value for staging label: AWSPREVIOUS",
            SecretNotFound,
            "version",
        ),
        ("AccessDeniedException", DENIED, SecretAccessDenied, "secretsmanager:GetSecretValue"),
        ("AccessDeniedException", "Access to KMS is not allowed", SecretAccessDenied, "kms:Decrypt"),
        (
            "InvalidRequestException",
            "You can't perform this operation on the secret because it was marked for deletion.",
            SecretDeleted,
            "restore-secret",
        ),
        (
            "InvalidRequestException",
            "You tried to perform the operation on a secret that's currently marked deleted.",
            SecretDeleted,
            "restore-secret",
        ),
        ("InvalidRequestException", "You provided a VersionStage that is not ...", SecretRefused, ""),
        ("DecryptionFailure", "Can't decrypt", SecretRefused, "key"),
        ("InvalidRequestException", "... with the default KMS service key.", SecretRefused, "kms:Decrypt"),
        ("ValidationException", "Invalid name.", SecretRefused, ""),
        ("UnrecognizedClientException", "The security token is invalid.", CredentialsInvalid, "token"),
        ("ExpiredTokenException", "expired", CredentialsExpired, "new"),
    ],
)
def test_refusals_name_the_secret(code: str, message: str, kind: type[DsopsError], hint: str) -> None:
    """AWS's error code selects the error class, which names the secret, both for single reads and for batches."""
    with pytest.raises(DsopsError) as caught:
        get(json_error(code, message))
    result, _ = batch(
        json_answer({"Errors": [{"SecretId": "prod/db", "ErrorCode": code, "Message": message}]}), ids=["prod/db"]
    )
    for error in (caught.value, result.errors["prod/db"]):
        assert type(error) is kind
        assert "read the secret `prod/db`" in error.message
        assert (error.why, hint in error.hint) == (message, True)
        assert error.aws is not None
        assert error.aws.code == code


def test_a_batch_answers_every_id() -> None:
    """Batch results are matched by name, ARN or ARN without suffix, and errors are returned beside values."""
    ids = [
        "a",
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:b-AbCdEf",
        "arn:aws:secretsmanager:us-east-1:111122223333:secret:c",
        "b",
        "gone",
    ]
    answer = json_answer(
        {
            "SecretValues": [entry("c", "3"), entry("a", "1"), entry("b", "2")],
            "Errors": [{"SecretId": "gone", "ErrorCode": "ResourceNotFoundException", "Message": "not there"}],
        }
    )
    result, requests = batch(answer, ids=ids)
    assert {name: value.value.reveal() for name, value in result.values.items()} == {
        ids[0]: "1",
        ids[1]: "2",
        ids[2]: "3",
        ids[3]: "2",
    }
    assert {name: type(error) for name, error in result.errors.items()} == {"gone": SecretNotFound}
    assert requests == [{"SecretIdList": ids}]


def test_a_batch_goes_on_where_an_answer_breaks_off() -> None:
    """A batch is continued by NextToken, even after a response without values."""
    result, requests = batch(
        json_answer({"SecretValues": [entry("a", "1")], "NextToken": "t1"}),
        json_answer({"NextToken": "t2"}),
        json_answer({"SecretValues": [entry("b", "2")]}),
        ids=["a", "b"],
    )
    assert {name: value.value.reveal() for name, value in result.values.items()} == {"a": "1", "b": "2"}
    assert [request.get("NextToken") for request in requests] == [None, "t1", "t2"]


def test_a_batch_does_not_go_on_for_ever() -> None:
    """A batch stops after 20 responses with NextToken, and the missing ids get AnswerInvalid."""
    endless = [json_answer({"NextToken": "again"})] * 100
    result, requests = batch(*endless, ids=["a"])
    assert len(requests) == 20
    assert isinstance(result.errors["a"], AnswerInvalid)


def test_an_id_without_an_answer_is_an_error() -> None:
    """An id with neither value nor error gets AnswerInvalid; errors for ids that were not requested are ignored."""
    answer = json_answer({"SecretValues": [entry("other", "x")], "Errors": [{"SecretId": "third", "ErrorCode": "X"}]})
    result, _ = batch(answer, ids=["a"])
    assert result.values == {}
    assert {name: type(error) for name, error in result.errors.items()} == {"a": AnswerInvalid}


def test_a_longer_name_is_another_secret() -> None:
    """A result for a secret named `a-b` does not match the requested id `a`."""
    base = "arn:aws:secretsmanager:us-east-1:111122223333:secret:"
    result, _ = batch(json_answer({"SecretValues": [entry("a-b", "1")]}), ids=["a", f"{base}a", f"{base}a-b"])
    assert set(result.values) == {f"{base}a-b"}


def test_a_batch_that_is_not_allowed() -> None:
    """A denied batch call raises AccessDenied, so that the caller can fall back to single reads."""
    message = "User: x is not authorized to perform: secretsmanager:BatchGetSecretValue because no policy"
    with pytest.raises(AccessDenied) as caught:
        batch(json_error("AccessDeniedException", message), ids=["a"])
    assert type(caught.value) is AccessDenied


@pytest.mark.parametrize("content", [{"SecretValues": "x"}, {"SecretValues": [1]}, {"Errors": {"a": 1}}])
def test_a_batch_of_something_else(content: dict[str, object]) -> None:
    """A batch response that is no list of objects raises AnswerInvalid."""
    with pytest.raises(AnswerInvalid):
        batch(json_answer(content), ids=["a"])
