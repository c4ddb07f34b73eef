"""Read uploads from HTML forms (S3's PostObject) and perform them as PutObject.

Amazon S3 API Reference, "POST Object". A form is `multipart/form-data`; its fields replace the headers of PutObject.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit

from dsops.errors import SandboxRefusal
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.errors import refusal
from dsops.request.wire.responses import escaped
from dsops.request.wire.route import MAX_OBJECT, Route
from dsops.request.wire.s3_requests import bucket_in_host, is_anonymous

POST_OBJECT: Final = "PostObject"
"""The operation of a form. It is not in AWS's service model."""
SIGNING_FIELDS: Final = frozenset({"awsaccesskeyid", "signature", "x-amz-algorithm", "x-amz-credential"}) | {
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
}
_KIND: Final = "multipart/form-data"
_BOUNDARY: Final = re.compile(
    r'multipart/form-data\s*;\s*boundary=(?:"([^"]{1,70})"|([^\s;",]{1,70}))\s*', re.IGNORECASE
)
_DISPOSITION: Final = re.compile(r"content-disposition:\s*form-data\s*(;.*)", re.IGNORECASE)
_PARAMETER: Final = re.compile(r';\s*([\w*]+)=(?:"([^"]*)"|([^;"\s]*))')
_MOST_PARTS: Final = 1000
_MOST_FIELD_BYTES: Final = 20_480
_HEADERS: Final = frozenset(
    """
    cache-control content-disposition content-encoding content-language content-md5 content-type expires
    x-amz-object-lock-legal-hold x-amz-object-lock-mode x-amz-object-lock-retain-until-date
    x-amz-sdk-checksum-algorithm x-amz-storage-class x-amz-website-redirect-location
    """.split()
)
_HEADER_PREFIXES: Final = ("x-amz-checksum-", "x-amz-meta-", "x-amz-server-side-encryption")


class FormUpload(NamedTuple):
    """The fields of a form, and the file."""

    bucket: str
    fields: Mapping[str, str]
    """Field name in lower case -> value, with the file's name, if it has one, in place of `${filename}`."""
    file: bytes

    @property
    def is_signed(self) -> bool:
        """Whether the form has a policy or a part of a signature."""
        return bool((SIGNING_FIELDS | {"policy"}) & self.fields.keys())


def find_form_route(request: HttpRequest) -> Route | None:
    """Return the route of an unsigned request that sends a form to a bucket; None for other requests."""
    is_form = request.method == "POST" and request.headers.get("content-type", "").lower().startswith(_KIND)
    if not is_form or request.query or not is_anonymous(request) or not _bucket_of(request):
        return None
    if len(request.body) > MAX_OBJECT:
        raise refusal("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    return Route("s3", POST_OBJECT, "rest-xml", wants_json=False, fields={}, document={}, request=request)


def read_form(request: HttpRequest) -> FormUpload:
    """Parse the form. Raises MalformedPOSTRequest, InvalidArgument or MaxPostPreDataLengthExceededError."""
    fields: dict[str, str] = {}
    size = 0
    file: tuple[str, bytes] | None = None
    for name, filename, data in _parts(request):
        if name == "file":
            # S3 ignores the fields after the file.
            file = re.split(r"[/\\]", filename)[-1], data
            break
        size += len(name) + len(data)
        if size > _MOST_FIELD_BYTES:
            text = "Your POST request fields preceding the upload file were too large."
            raise refusal("MaxPostPreDataLengthExceededError", text)
        if name in fields:
            raise _invalid(f"The form has more than one field named '{name}'.")
        fields[name] = _decoded(data)
    if not fields.get("key"):
        raise _invalid(
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields."
        )
    if file is None:
        raise _invalid("POST requires exactly one file upload per request.")
    unchanged = SIGNING_FIELDS | {"policy"}
    expanded = {
        name: value if name in unchanged or not file[0] else value.replace("${filename}", file[0])
        for name, value in fields.items()
    }
    return FormUpload(_bucket_of(request), expanded, file[1])


def put_request(form: FormUpload, request: HttpRequest) -> HttpRequest:
    """Return the PutObject that stores the form's file. Its headers are those of the form's fields.

    Raises NotImplemented for a field that the sandbox does not know, and InvalidArgument for a line break.
    """
    headers = {name: request.headers[name] for name in ("host", "referer", "user-agent") if name in request.headers}
    for name, value in form.fields.items():
        if name == "acl":
            headers["x-amz-acl"] = value
        elif name in _HEADERS or name.startswith(_HEADER_PREFIXES):
            if set("\r\n\0") & set(name + value):
                raise _invalid(f"The field '{name}' has a line break.")
            # Headers are bytes, of which each is one Latin-1 character.
            headers[name] = value.encode().decode("latin-1")
        elif (name.startswith("x-amz-") and name not in SIGNING_FIELDS) or name == "tagging":
            message = f"The dsops sandbox does not serve the field {name} in forms. Nothing was done."
            raise refusal("NotImplemented", message, 501)
    headers["content-length"] = str(len(form.file))
    path = f"/{quote(form.fields['key'])}"
    if not bucket_in_host(request):
        path = f"/{form.bucket}{path}"
    return HttpRequest("PUT", path, "", headers, form.file, request.peer)


def form_answer(form: FormUpload, request: HttpRequest, answer: HttpAnswer) -> HttpAnswer:
    """Convert the answer of PutObject to that of the form: a redirect, or the status that the form asks for."""
    if answer.status >= 300:
        return answer
    key = form.fields["key"]
    etag = next((value for name, value in answer.headers if name.lower() == "etag"), "")
    headers = tuple(header for header in answer.headers if header[0].lower() not in {"content-type", "location"})
    target = form.fields.get("success_action_redirect", form.fields.get("redirect", ""))
    redirect = _redirect(target, {"bucket": form.bucket, "key": key, "etag": etag})
    if redirect:
        return HttpAnswer(303, (*headers, ("Location", redirect)), b"")
    bucket = "" if bucket_in_host(request) else f"/{form.bucket}"
    location = f"http://{request.headers.get('host', '')}{bucket}/{quote(key)}"
    headers += (("Location", location),)
    status = form.fields.get("success_action_status", "")
    if status != "201":
        return HttpAnswer(200 if status == "200" else 204, headers, b"")
    named = {"Location": location, "Bucket": form.bucket, "Key": key, "ETag": etag}
    elements = "".join(f"<{name}>{escaped(value)}</{name}>" for name, value in named.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<PostResponse>{elements}</PostResponse>'
    return HttpAnswer(201, (*headers, ("Content-Type", "application/xml")), body.encode())


def _bucket_of(request: HttpRequest) -> str:
    """Return the bucket to which a request is sent; "" if it is not sent to a bucket itself."""
    bucket = bucket_in_host(request)
    if bucket:
        return bucket if request.path in {"", "/"} else ""
    name = unquote(request.path.removeprefix("/").removesuffix("/"))
    return name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}", name) else ""


def _parts(request: HttpRequest) -> Iterator[tuple[str, str, bytes]]:
    """Yield the name in lower case, the file's name and the content of each part (RFC 7578)."""
    match = _BOUNDARY.fullmatch(request.headers["content-type"])
    if match is None:
        raise _malformed()
    boundary = (match[1] or match[2]).encode("latin-1")
    pieces = (b"\r\n" + request.body).split(b"\r\n--" + boundary, _MOST_PARTS)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise _malformed()
    for piece in pieces[1:-1]:
        head, blank, data = piece.partition(b"\r\n\r\n")
        lines = [found for line in _decoded(head).split("\r\n") if (found := _DISPOSITION.fullmatch(line))]
        if not head.startswith(b"\r\n") or not blank or len(lines) != 1:
            raise _malformed()
        values = {found[1].lower(): found[2] or found[3] or "" for found in _PARAMETER.finditer(lines[0][1])}
        if not values.get("name"):
            raise _malformed()
        yield values["name"].lower(), values.get("filename", ""), data


def _redirect(target: str, named: Mapping[str, str]) -> str:
    """Return the address with the object's names added; "" if it is not an address of the web, which S3 ignores."""
    try:
        parts = urlsplit(target)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.netloc or not target.isascii() or not target.isprintable():
        return ""
    query = f"{parts.query}&{urlencode(named)}" if parts.query else urlencode(named)
    return parts._replace(query=query).geturl()


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _malformed() from error


def _malformed() -> SandboxRefusal:
    return refusal("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.")


def _invalid(message: str) -> SandboxRefusal:
    return refusal("InvalidArgument", message)
