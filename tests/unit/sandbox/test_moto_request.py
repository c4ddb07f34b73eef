"""moto's requests are the same as those that moto makes itself."""

from __future__ import annotations

from typing import Any

import pytest
from moto.core import responses
from moto.core.request import Request
from moto.core.responses import BaseResponse

from dsops.sandbox.state.quick_moto.requests import moto_request
from dsops.sandbox.state.world import World

PLAIN = {"Host": "s3.amazonaws.com", "X-Moto-Account-Id": "111111111111"}
META = {**PLAIN, "x-amz-meta-my_key": "one", "X-Amz-Meta-Other": "two", "content-type": "text/plain"}
JSON = {**PLAIN, "X-Amz-Target": "AmazonSQS.SendMessage", "Content-Type": "application/x-amz-json-1.0"}
FORM = {**PLAIN, "Content-Type": "application/x-www-form-urlencoded"}
CASES: tuple[tuple[str, str, str, dict[str, str], bytes], ...] = (
    ("GET", "/", "", PLAIN, b""),
    ("PUT", "/bucket/a%20b/%C3%A9%3F%23%3B.txt", "x-id=PutObject", META, b"\x00\xff"),
    ("PUT", "/bucket//b", "tagging", PLAIN, b""),
    ("POST", "/", "", JSON, b'{"a": "\\u0026"}'),
    ("POST", "/", "", {**JSON, "Content-Length": "1"}, b"{}"),
    ("POST", "/", "", FORM, b"Action=GetUser&Version=2010-05-08"),
)


def environment(request: Request) -> dict[str, Any]:
    """Return the WSGI environment, without the streams and without a reference to the request."""
    streams = {"wsgi.input", "wsgi.errors", "werkzeug.request"}
    return {name: value for name, value in request.environ.items() if name not in streams}


@pytest.mark.parametrize(("method", "path", "query", "headers", "body"), CASES)
def test_the_environment_is_that_of_moto(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> None:
    """The WSGI environment, the headers and the body are equal to those of a request that moto builds."""
    url = f"https://s3.amazonaws.com{path}" + (f"?{query}" if query else "")
    is_form = headers is FORM
    expected = Request.from_primitives(method, url, headers, body)
    expected.environ["RAW_URI"] = url.removeprefix("https://s3.amazonaws.com")

    actual = moto_request(method, "s3.amazonaws.com", path, query, headers, body, is_form=is_form)

    assert environment(expected) == environment(actual)
    assert sorted(expected.headers) == sorted(actual.headers)
    for name in ("raw_path", "raw_url", "method", "path", "query_string", "url", "content_type", "mimetype"):
        assert getattr(expected, name) == getattr(actual, name), name
    assert dict(expected.form) == dict(actual.form)
    assert expected.data == actual.data


def test_only_form_services_read_a_form() -> None:
    """A body with the content type of a form is a form only for a service that speaks the query protocol."""
    arguments = ("POST", "s3.amazonaws.com", "/", "", FORM, b"Action=DeleteUser")

    assert dict(moto_request(*arguments, is_form=True).form) == {"Action": "DeleteUser"}
    request = moto_request(*arguments, is_form=False)
    assert dict(request.form) == {}
    assert dict(request.values) == {}
    assert request.get_data(parse_form_data=True) == b"Action=DeleteUser"


def test_the_methods_of_a_class_are_listed_once() -> None:
    """moto lists the methods of a class only at its first request."""
    World()
    names = vars(responses)["method_names_from_class"]

    assert names(BaseResponse) is names(BaseResponse)
