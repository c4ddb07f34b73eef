"""SSM parameters, read up to ten at a time."""

from __future__ import annotations

import json

import pytest

from dsops.aws.apis.ssm import Parameter, Parameters, get_parameters
from dsops.errors import (
    AnswerInvalid,
    CredentialsExpired,
    DsopsError,
    SecretAccessDenied,
    SecretNotFound,
    SecretRefused,
)
from dsops.secret import Secret
from tests.stubs.aws import REQUEST_ID, json_answer, json_error, signature_is_right
from tests.stubs.server import Answer, StubServer
from tests.unit.aws.scene import SESSION, Scene, endpoint_at

PREFIX = "arn:aws:ssm:us-east-1:111122223333:parameter"


def get(answer: Answer, *names: str) -> Parameters:
    """The parameters that this answer has for those names."""
    scene = Scene()
    with StubServer(lambda _: answer) as server:
        return scene.run(get_parameters(scene.client, SESSION, endpoint_at(server, "ssm"), names))


def entry(name: str, value: str, version: int = 1, selector: str | None = None) -> dict[str, object]:
    """A parameter as it appears in an answer."""
    arn = PREFIX + (name if name.startswith("/") else f"/{name}")
    content: dict[str, object] = {"Name": name, "ARN": arn, "Type": "String", "Value": value, "Version": version}
    return content if selector is None else {**content, "Selector": selector}


def values(parameters: Parameters) -> dict[str, str]:
    """The values found."""
    return {name: parameter.value.reveal() for name, parameter in parameters.found.items()}


@pytest.mark.parametrize("decrypt", [True, False])
def test_parameters(*, decrypt: bool) -> None:
    """Parameters are returned by requested name with value, version and type, decrypted by default."""
    answer = json_answer(
        {
            "Parameters": [{"Name": "/a", "ARN": f"{PREFIX}/a", "Type": "SecureString", "Value": "1", "Version": 3}],
            "InvalidParameters": ["gone"],
        }
    )
    scene = Scene()
    with StubServer(lambda _: answer) as server:
        result = scene.run(
            get_parameters(scene.client, SESSION, endpoint_at(server, "ssm"), ["/a", "gone"], with_decryption=decrypt)
        )
        (seen,) = server.seen
        assert signature_is_right(seen, server.url, "session/secret", service="ssm")
    assert json.loads(seen.body) == {"Names": ["/a", "gone"], "WithDecryption": decrypt}
    assert seen.header("x-amz-target") == "AmazonSSM.GetParameters"
    parameter = Parameter(Secret("1"), 3, "SecureString", f"{PREFIX}/a")
    assert result == Parameters({"/a": parameter}, ("gone",), REQUEST_ID)


@pytest.mark.parametrize("style", ["{}", ":{}"])
def test_versions_and_labels_are_told_apart(style: str) -> None:
    """A version or label is matched by the response's selector, with or without a colon, in any order."""
    answer = json_answer(
        {
            "Parameters": [
                entry("a", "labelled", 2, style.format("live")),
                entry("a", "third", 3, style.format("3")),
                entry("a", "latest", 4),
            ]
        }
    )
    result = get(answer, "a", "a:3", "a:live")
    assert values(result) == {"a": "latest", "a:3": "third", "a:live": "labelled"}


def test_names_may_be_arns() -> None:
    """Parameters can be requested by ARN, with or without a selector, although the response has the short name."""
    answer = json_answer({"Parameters": [entry("/a/b", "1"), entry("/a/b", "2", 2, "2")]})
    assert values(get(answer, f"{PREFIX}/a/b", f"{PREFIX}/a/b:2")) == {f"{PREFIX}/a/b": "1", f"{PREFIX}/a/b:2": "2"}


def test_a_shared_parameter_answers_with_its_arn() -> None:
    """A shared parameter is matched, although its name in the response is its ARN."""
    answer = json_answer({"Parameters": [{**entry("/a", "1"), "Name": f"{PREFIX}/a"}]})
    assert values(get(answer, f"{PREFIX}/a")) == {f"{PREFIX}/a": "1"}


def test_a_server_that_leaves_the_selector_out() -> None:
    """If the response omits selectors, a version is matched by number, and a plain name gets the newest value.

    A label cannot be checked then and is accepted.
    """
    answer = json_answer({"Parameters": [entry("a", "three", 3), entry("a", "two", 2), entry("b", "labelled", 7)]})
    values_read = values(get(answer, "a:3", "a:2", "a", "b:live"))
    assert values_read == {"a:3": "three", "a:2": "two", "a": "three", "b:live": "labelled"}


def test_a_label_that_is_not_there_is_not_taken_from_the_plain_name() -> None:
    """A missing label is reported as invalid, even if the name without label has a value."""
    answer = json_answer({"Parameters": [entry("a", "latest")], "InvalidParameters": ["a:nolabel"]})
    result = get(answer, "a", "a:nolabel")
    assert (values(result), result.invalid) == ({"a": "latest"}, ("a:nolabel",))


def test_another_versions_value_is_not_taken() -> None:
    """A value whose selector differs from the requested one is not used."""
    result = get(json_answer({"Parameters": [entry("a", "two", 2, ":2")]}), "a:3", "a")
    assert (values(result), result.invalid) == ({}, ("a:3", "a"))


def test_a_name_without_an_answer_is_invalid() -> None:
    """A name without a value is reported as invalid, whether or not AWS lists it."""
    assert get(json_answer({}), "a", "b").invalid == ("a", "b")


@pytest.mark.parametrize(
    "content",
    [
        {"Parameters": "x"},
        {"InvalidParameters": "x"},
        {"Parameters": [{"Name": "a", "Value": 5}]},
        {"Parameters": [{"Name": "a", "Value": "\ud800hidden"}]},
    ],
)
def test_an_incomplete_answer_is_invalid(content: dict[str, object]) -> None:
    """A response with wrong types raises AnswerInvalid, which shows nothing of the response."""
    with pytest.raises(AnswerInvalid, match="an invalid response") as caught:
        get(json_answer(content), "a")
    assert "hidden" not in f"{caught.value.message}{caught.value.why}{caught.value.hint}"


@pytest.mark.parametrize(
    ("code", "message", "kind", "hint"),
    [
        (
            "AccessDeniedException",
            "not authorized to perform: ssm:GetParameters",
            SecretAccessDenied,
            "ssm:GetParameters",
        ),
        ("AccessDeniedException", "not authorized to perform: kms:Decrypt", SecretAccessDenied, "kms:Decrypt"),
        ("ParameterVersionNotFound", "no", SecretNotFound, ""),
        ("InvalidKeyId", "no such key", SecretRefused, "key"),
        ("ValidationException", "bad name", SecretRefused, ""),
        ("ExpiredTokenException", "expired", CredentialsExpired, "new"),
    ],
)
def test_refusals_name_the_parameters(code: str, message: str, kind: type[DsopsError], hint: str) -> None:
    """An error of a request for parameters names all parameters of the request."""
    with pytest.raises(DsopsError) as caught:
        get(json_error(code, message), "/a", "/b")
    assert type(caught.value) is kind
    assert "the parameters `/a`, `/b`" in caught.value.message
    assert hint in caught.value.hint
