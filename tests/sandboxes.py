"""A sandbox without a socket, with callers that sign requests with botocore."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.parsers import create_parser

from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.request.wire.models import operation_model, protocols, signing_name
from dsops.sandbox.clock import MovableClock
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.control.setup import plant
from dsops.sandbox.seed.file import read_seed
from tests.shapes import BOTOCORES_NAME, written_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsops.sandbox.seed.model import Seed

ACCOUNT = "111111111111"
OTHER = "222222222222"
PEER = "203.0.113.7"
HOST = "127.0.0.1:4566"


class RefusedError(Exception):
    """An error response of AWS."""

    def __init__(self, code: str, message: str, status: int) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """The access key, secret key and session token of a client."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    @classmethod
    def of(cls, credentials: Mapping[str, str]) -> Keys:
        """The credentials in an STS answer."""
        return cls(
            access_key_id=credentials["AccessKeyId"],
            secret_access_key=credentials["SecretAccessKey"],
            session_token=credentials["SessionToken"],
        )

    def botocore(self) -> Credentials:
        """The same credentials in the form that botocore's signers take."""
        return Credentials(self.access_key_id, self.secret_access_key, self.session_token)


@dataclass(slots=True)
class Lab:
    """A sandbox with a seed."""

    sandbox: Sandbox
    region: str = "us-east-1"

    @classmethod
    def of(cls, seed: str | Seed, clock: MovableClock | None = None) -> Lab:
        """Make a new sandbox with this seed; a process has only one at a time."""
        sandbox = Sandbox(clock)
        plant(sandbox, read_seed(seed, "seed.yaml") if isinstance(seed, str) else seed)
        return cls(sandbox)

    def user(self, name: str, account: str = ACCOUNT) -> Person:
        """A user of the seed with a long-term key."""
        world = self.sandbox.world
        user = world.user_named(account, name)
        assert user is not None, f"no user {name} in {account}"
        key_id, secret = world.keys_of(user)[0]
        return Person(self, Keys(access_key_id=key_id, secret_access_key=secret))

    def with_keys(self, keys: Keys) -> Person:
        """The caller with these credentials."""
        return Person(self, keys)


@dataclass(slots=True)
class Person:
    """A caller with credentials."""

    lab: Lab
    keys: Keys
    region: str = "us-east-1"
    peer: str = PEER
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, service: str, operation: str, /, **parameters: object) -> HttpRequest:
        """The signed request for an operation."""
        made = written_request(service, operation, parameters, protocols(service)[0], self.region)
        headers = {name: value for name, value in made.headers.items() if name not in {"authorization", "host"}}
        headers |= self.headers
        return sign(
            self.keys,
            signing_name(service),
            self.region,
            made.method,
            made.path,
            headers,
            made.body,
            made.query,
            peer=self.peer,
        )

    def answer(self, service: str, operation: str, /, **parameters: object) -> HttpAnswer:
        """The raw HTTP answer."""
        return self.lab.sandbox.handle(self.request(service, operation, **parameters)).answer

    def call(self, service: str, operation: str, /, **parameters: object) -> dict[str, Any]:
        """Call the operation and return the parsed answer; raises RefusedError for an error."""
        answer = self.answer(service, operation, **parameters)
        return parse(service, operation, answer)

    def refused(self, service: str, operation: str, /, **parameters: object) -> RefusedError:
        """Call an operation that must be refused, and return its error; fails the test if the call succeeds."""
        try:
            answer = self.call(service, operation, **parameters)
        except RefusedError as error:
            return error
        raise AssertionError(f"{operation} was not refused: {sorted(answer)}")

    def assume(self, role_arn: str, session: str = "session", **more: object) -> Person:
        """Assume the role, and return a caller with its session."""
        answer = self.call("sts", "AssumeRole", RoleArn=role_arn, RoleSessionName=session, **more)
        return Person(self.lab, Keys.of(answer["Credentials"]), self.region, self.peer)

    def refused_role(self, role_arn: str, session: str = "session", **more: object) -> RefusedError:
        """The error of an AssumeRole call that must be refused."""
        return self.refused("sts", "AssumeRole", RoleArn=role_arn, RoleSessionName=session, **more)

    @property
    def arn(self) -> str:
        """The caller's ARN, as GetCallerIdentity returns it."""
        arn: str = self.call("sts", "GetCallerIdentity")["Arn"]
        return arn


def sign(
    keys: Keys,
    service: str,
    region: str,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes = b"",
    query: str = "",
    *,
    peer: str = PEER,
    presigned_seconds: int = 0,
) -> HttpRequest:
    """Sign a request with botocore, in the header or, with `presigned_seconds`, in the query."""
    url = f"http://{HOST}{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, data=body, headers={"Host": HOST, **headers})
    query_auth, auth = (S3SigV4QueryAuth, S3SigV4Auth) if service == "s3" else (SigV4QueryAuth, SigV4Auth)
    if presigned_seconds:
        query_auth(keys.botocore(), service, region, expires=presigned_seconds).add_auth(request)
    else:
        auth(keys.botocore(), service, region).add_auth(request)
    prepared = request.prepare()
    signed = {name.lower(): _text(value) for name, value in prepared.headers.items()}
    path, _, query = prepared.url.removeprefix(f"http://{HOST}").partition("?")
    return HttpRequest(method, path, query, signed, body, peer)


def parse(service: str, operation: str, answer: HttpAnswer) -> dict[str, Any]:
    """Parse an answer as botocore does; raises RefusedError for an error."""
    parser = create_parser(BOTOCORES_NAME.get(protocols(service)[0], protocols(service)[0]))
    shape = operation_model(service, operation).output_shape
    headers = {name.lower(): value for name, value in answer.headers}
    parsed: dict[str, Any] = parser.parse(
        {"status_code": answer.status, "headers": headers, "body": answer.body}, shape
    )
    if "Error" in parsed:
        error = parsed["Error"]
        raise RefusedError(error["Code"], error.get("Message", ""), answer.status)
    return parsed


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
