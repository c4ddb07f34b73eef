"""One function for each parser of external bytes; it returns whether the bytes were accepted.

Any exception that a target raises is a bug: documented errors of the parsers are caught here.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dsops.access.facts.authorization_details import DetailsReader
from dsops.access.facts.documents import Documents
from dsops.access.facts.identity_center import read_assignments
from dsops.access.facts.organization import OrganizationFile
from dsops.access.facts.templates import read_plan, read_template
from dsops.agent import pack, unpack
from dsops.arn import parse_arn
from dsops.audit.chain import link_of, parse_head, record_in
from dsops.aws.http.answer import parse_json as read_json_answer
from dsops.aws.http.answer import parse_xml as read_xml_answer
from dsops.aws_config.profiles import SourceText, read_profiles
from dsops.config import load
from dsops.document import Scalar, parse_json, parse_yaml, to_json
from dsops.endpoint import parse_address
from dsops.errors import (
    ConfigError,
    NoCredentials,
    PolicyInvalid,
    SandboxRefusal,
    SeedInvalid,
    TransformFailed,
    UsageError,
    ValueUnusable,
    VariableUnset,
    Where,
)
from dsops.explain.evidence.message import encoded_in, read_decoded, read_sentence
from dsops.explain.findings.credential_error import ProgramView, credential_finding, read_credential_error
from dsops.interpolate import expand, mask, names_in
from dsops.plan import Fingerprint, Step
from dsops.policy import evaluate
from dsops.policy.evaluation.consulted import Policies
from dsops.policy.evaluation.question import Request
from dsops.policy.language.grammar import parse_policy
from dsops.policy.language.policy import Policy
from dsops.policy.language.principals import Principal
from dsops.policy.language.values import read_address, read_bytes, read_moment, read_network, read_number
from dsops.request.messages import HttpRequest
from dsops.request.resources.partiql import read_statement
from dsops.request.wire.cbor import decode, encode
from dsops.request.wire.parameters import read_parameters
from dsops.request.wire.route import Route, find_route, guess_protocol
from dsops.request.wire.s3_payload import opened, stated_payload
from dsops.request.wire.signature import check_scope, check_signature, read_claim
from dsops.sandbox.saml.metadata import read_metadata
from dsops.sandbox.saml.xml import parse as parse_saml
from dsops.sandbox.seed.file import read_seed
from dsops.schema import STS_TYPE
from dsops.secret import Secret
from dsops.stores import StoreTypes
from dsops.stores.saml_response import read_response
from dsops.transform import apply, parse_transforms

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dsops.policy import PolicyKind

_FILE: Final = "input.yaml"
_NOW: Final = datetime(2026, 11, 28, 3, 0, tzinfo=UTC).timestamp()
_ACCOUNT: Final = "111111111111"
_QUESTION: Final = Request(
    Principal("user", _ACCOUNT, f"arn:aws:iam::{_ACCOUNT}:user/alice", "AIDAEXAMPLEEXAMPLE001"),
    "secretsmanager:GetSecretValue",
    f"arn:aws:secretsmanager:us-east-1:{_ACCOUNT}:secret:prod/db-AbCdEf",
    _ACCOUNT,
    {"aws:SourceIp": ("203.0.113.7",), "aws:username": ("alice",), "aws:TagKeys": ("team", "cost")},
)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


@lru_cache
def _folder() -> str:
    """A folder with an empty `input.yaml`, which stands for the bytes."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix="dsops-fuzz-"))
    Path(folder, _FILE).touch()
    return folder


def config(data: bytes) -> bool:
    """A `dsops.yaml`: valid, or refused with every problem."""
    folder = _folder()
    drafts = {os.path.join(folder, _FILE): data}
    try:
        load(folder=folder, environ={}, named=_FILE, types=StoreTypes(), drafts=drafts)
    except ConfigError:
        return False
    return True


def yaml(data: bytes) -> bool:
    """A YAML text: an accepted document can be written as JSON that Python's reader accepts."""
    document = parse_yaml(_text(data), _FILE, has_functions=data.startswith(b"#cfn"))
    if document.root is None or document.problems:
        return False
    json.loads(to_json(document.root))
    return True


def json_text(data: bytes) -> bool:
    """A JSON text: Python's reader accepts every text that has no problem."""
    text = _text(data)
    document = parse_json(text, _FILE)
    parse_json(text, _FILE, comments=True)
    if document.root is None or document.problems:
        return False
    json.loads(to_json(document.root))
    return True


def policy(data: bytes) -> bool:
    """An IAM policy of each kind: an accepted one can be evaluated, and an added Deny of everything denies."""
    accepted = [one for kind in _KINDS if (one := _parsed(_text(data), kind)) is not None]
    for one in accepted:
        if one.kind in {"identity", "session"}:
            everything = parse_policy(_DENY_ALL, "identity")
            evaluate(_QUESTION, Policies(identity=(one,)))
            assert not evaluate(_QUESTION, Policies(identity=(one, everything))).is_allowed
        elif one.kind == "resource":
            evaluate(_QUESTION, Policies(resource=one))
    return bool(accepted)


_KINDS: Final[tuple[PolicyKind, ...]] = ("identity", "trust", "session", "resource", "boundary", "scp", "rcp")
_DENY_ALL: Final = '{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'


def _parsed(text: str, kind: PolicyKind) -> Policy | None:
    try:
        return parse_policy(text, kind)
    except PolicyInvalid:
        return None


def words(data: bytes) -> bool:
    """Values of single fields: ARNs, addresses, and the values of conditions."""
    text = _text(data)
    arn = parse_arn(text)
    assert arn is None or str(arn) == text
    readers = (parse_address, read_number, read_moment, read_network, read_address, read_bytes, read_statement)
    read = [reader(text) for reader in readers]
    return arn is not None or any(value is not None for value in read)


def interpolation(data: bytes) -> bool:
    """`${NAME}` in a text: a mask is as long as the text, and with every name set, none is missing."""
    text = _text(data)
    assert len(mask(text)) == len(text)
    environ = dict.fromkeys(names_in(text), "value")
    expand(text, environ, Where(_FILE), "field")
    try:
        expand(text, {}, Where(_FILE), "field")
    except VariableUnset:
        return False
    return True


def transforms(data: bytes) -> bool:
    """A chain of transforms in the first line, applied to the rest."""
    line, _, value = data.partition(b"\n")
    steps, problems = parse_transforms(Scalar(_text(line), "text", 1), _FILE, "transform")
    if problems:
        return False
    try:
        apply(Secret(_text(value)), steps)
    except (TransformFailed, ValueUnusable):
        return False
    return True


def profiles(data: bytes) -> bool:
    """`~/.aws/config`, then a line `--` and the credentials file."""
    parts = _text(data).partition("\n--\n")
    try:
        read_profiles(SourceText(text=parts[0], shown="config"), SourceText(text=parts[2], shown="credentials"))
    except ConfigError:
        return False
    return True


def saml(data: bytes) -> bool:
    """A SAML response as a store reads it, and the XML as the sandbox reads it."""
    _raises(ValueError, lambda: read_metadata(_text(data)))
    _raises(ValueError, lambda: parse_saml(data))
    try:
        read_response(data, "the file")
    except NoCredentials:
        return False
    return True


def cbor(data: bytes) -> bool:
    """CBOR: an accepted value can be written and read again."""
    try:
        value = decode(data)
    except ValueError:
        return False
    again = decode(encode(value))
    assert repr(again) == repr(value)
    return True


def request(data: bytes) -> bool:
    """A request to the sandbox: a line `METHOD PATH?QUERY`, headers, an empty line, and the body."""
    http = _request(data)
    guess_protocol(http)
    try:
        route = find_route(http)
        if isinstance(route, Route):
            read_parameters(route)
    except SandboxRefusal:
        return False
    return isinstance(route, Route)


def signature(data: bytes) -> bool:
    """The signature in a request, and a body in chunks."""
    http = _request(data)
    with suppress(SandboxRefusal):
        opened(http, stated_payload(http, http.headers.get("x-amz-content-sha256")), None)
    try:
        claim = read_claim(http, _NOW, 15)
        check_scope(claim, claim.service)
        check_signature(http, claim, "a secret key that the input does not know")
    except SandboxRefusal as refused:
        return "does not match the signature you provided" in str(refused)
    raise AssertionError("a signature was accepted without its key")


def _request(data: bytes) -> HttpRequest:
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    method, _, target = first.partition(" ")
    path, _, query = target.partition("?")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return HttpRequest(method or "POST", path or "/", query, headers, body, "127.0.0.1")


def seed(data: bytes) -> bool:
    """The seed of a sandbox."""
    try:
        read_seed(_text(data), _FILE, _folder())
    except SeedInvalid:
        return False
    return True


def access_facts(data: bytes) -> bool:
    """The files of a folder of facts: identities, the organization and assignments."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return False
    if not isinstance(content, dict):
        return False
    documents = Documents()
    try:
        world = DetailsReader(content, "details.json", "", documents).world()
        accounts = OrganizationFile(content, "organization.json", documents).read().world.accounts
    except PolicyInvalid:
        return False
    assignments = read_assignments(content)
    for identity in world.identities.values():
        assert all(policy.policy is not None or policy.problem for policy in identity.policies)
    return bool(world.identities or accounts or assignments.assignments)


def access_template(data: bytes) -> bool:
    """CloudFormation's templates, and Terraform's plans and states."""
    text = _text(data)
    try:
        world = read_template(text, "template.json")
    except PolicyInvalid:
        return False
    _raises(PolicyInvalid, lambda: read_plan(text, "plan.json"))
    if world is None:
        return False
    for identity in world.identities.values():
        assert all(policy.policy is not None or policy.problem for policy in identity.policies)
    return bool(world.identities or world.resources)


def answer(data: bytes) -> bool:
    """AWS's answers, in XML and JSON."""
    return read_xml_answer(data) is not None or read_json_answer(data) is not None


_PROGRAM_CALL = Step("", STS_TYPE, {}, "us-east-1", "", "", Fingerprint(""), None, Where(""))


def denial(data: bytes) -> bool:
    """The message of a refusal, printed or decoded, or of an error about credentials."""
    text = _text(data)
    _raises(UsageError, lambda: encoded_in(text))
    printed = read_credential_error(text)
    if printed is not None:
        view = ProgramView({}, "us-east-1", None)
        return bool(credential_finding(printed, text, _PROGRAM_CALL, view).cause)
    return not (_raises(UsageError, lambda: read_sentence(text)) and _raises(UsageError, lambda: read_decoded(text)))


def frames(data: bytes) -> bool:
    """Frames between an agent and its client; an accepted frame packs to the same bytes."""
    try:
        fields = unpack(data)
    except ValueError:
        return False
    assert pack(fields) == data
    return True


def trail(data: bytes) -> bool:
    """A line of the audit trail, and the trail's head."""
    head = parse_head(data)
    return link_of(record_in(data)) is not None or head is not None


def _raises(error: type[Exception], act: Callable[[], object]) -> bool:
    try:
        act()
    except error:
        return True
    return False


TARGETS: Final[Mapping[str, Callable[[bytes], bool]]] = {
    target.__name__: target
    for target in (
        access_facts,
        access_template,
        answer,
        cbor,
        config,
        denial,
        frames,
        interpolation,
        json_text,
        policy,
        profiles,
        request,
        saml,
        seed,
        signature,
        trail,
        transforms,
        words,
        yaml,
    )
}
"""Targets by the name of their folder in `corpus/`."""
