"""Rotate a key although AWS is slow, loses answers or fails."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from dsops.cli.framework.output import note
from dsops.errors import DsopsError, KeyRotationStopped, ServiceError
from dsops.keyring import index
from dsops.keyring.index import KeysEntry
from dsops.keyring.items import Keyring
from dsops.keyring.keys import get_secrets, put_secrets
from dsops.keys.rotation import Rotation
from dsops.pipeline.execution import carry_out
from dsops.secret import Secret
from tests.fakes import Reports, make_runtime
from tests.pipeline import words
from tests.stubs.aws import STS_NAMESPACE, parameters_of, sts_error
from tests.stubs.keyrings import StubKeyring
from tests.stubs.server import Answer, Seen, StubServer

OLD, NEW = "AKIAOLDOLDOLDOLDOLD1", "AKIANEWNEWNEWNEWNEW1"
USER = "arn:aws:iam::111122223333:user/team/ada"
SECRETS = ("the-old-secret", "the-new-secret")
UNKNOWN = "The security token included in the request is invalid."


class SlowAws:
    """A stub of IAM and STS for one user. A new key is unknown for the first `delay` calls of each service."""

    def __init__(self, *, delay: int = 0, caller: str = USER) -> None:
        self.delay = {"sts": delay, "iam": delay}
        self.caller = caller
        self.called: list[str] = []
        self.instead: dict[str, Answer] = {}
        """Maps an action to the answer that the stub sends for it."""

    def __call__(self, seen: Seen) -> Answer:
        """Return the answer to a request."""
        parameters = parameters_of(seen)
        action = parameters["Action"]
        key_id, *_, service, _ = seen.header("Authorization").partition("Credential=")[2].split(",")[0].split("/")
        self.called.append(f"{action} {key_id[4:7]}")
        if key_id == NEW and self.delay[service] > 0:
            self.delay[service] -= 1
            return sts_error("InvalidClientTokenId", UNKNOWN)
        if action in self.instead:
            return self.instead[action]
        results = {
            "ListAccessKeys": f"<AccessKeyMetadata><member><AccessKeyId>{OLD}</AccessKeyId><Status>Active</Status>"
            "<CreateDate>2026-01-01T00:00:00Z</CreateDate></member></AccessKeyMetadata>",
            "CreateAccessKey": f"<AccessKey><AccessKeyId>{NEW}</AccessKeyId><SecretAccessKey>{SECRETS[1]}"
            "</SecretAccessKey><CreateDate>2026-11-24T12:00:00Z</CreateDate></AccessKey>",
            "GetCallerIdentity": f"<Arn>{self.caller}</Arn><UserId>AIDA</UserId><Account>111122223333</Account>",
        }
        result = f"<{action}Result>{results[action]}</{action}Result>" if action in results else ""
        body = f'<{action}Response xmlns="{STS_NAMESPACE}">{result}</{action}Response>'
        return Answer(body=body.encode(), headers=(("Content-Type", "text/xml"),))


@pytest.fixture
def stub(home: Path) -> StubKeyring:
    """Return a keyring with the old key."""
    stub = StubKeyring(home)
    put_secrets(Keyring(stub.environ, "/"), "ada", {OLD: Secret(SECRETS[0])})
    with index.changing(stub.environ) as before:
        index.write(stub.environ, before._replace(keys={"ada": KeysEntry("ada", OLD, USER, "2026-01-01T00:00:00Z")}))
    return stub


def rotated(stub: StubKeyring, aws: SlowAws, reports: Reports) -> KeysEntry:
    """Return the index entry after a rotation; raises the rotation's error."""
    with StubServer(aws) as server:
        environ = {"PATH": os.environ["PATH"], **stub.environ, "AWS_ENDPOINT_URL": server.url}
        runtime = make_runtime(environ, report=reports, folder="/")
        with index.changing(environ) as before:
            entry = before.keys["ada"]
            Rotation(entry, before, runtime, carry_out, note=note, deletes_old=False, serial_number="").run()
    return entry_of(stub)


def entry_of(stub: StubKeyring) -> KeysEntry:
    """Return the key's index entry."""
    return index.contents(stub.environ).keys["ada"]


def failure(work: Callable[[], object]) -> DsopsError:
    """Return the error of a failing rotation; assert that it contains no secret."""
    with pytest.raises(DsopsError) as caught:
        work()
    assert not any(secret in words(caught.value) for secret in SECRETS)
    return caught.value


def test_a_new_key_is_given_time(stub: StubKeyring, reports: Reports) -> None:
    """A rotation retries while STS and IAM do not know the new key yet."""
    aws = SlowAws(delay=1)
    entry = rotated(stub, aws, reports)
    assert (entry.key_id, entry.old_key_id, entry.old_is_off) == (NEW, OLD, True)
    assert aws.called == [
        "ListAccessKeys OLD",
        "CreateAccessKey OLD",
        "GetCallerIdentity NEW",
        "GetCallerIdentity NEW",
        "UpdateAccessKey NEW",
        "UpdateAccessKey NEW",
    ]
    assert reports.names.count("keys.waiting") == 2
    assert [event["step"] for event in reports.facts("keys.rotating")] == [
        "IAM has made the key AKIA...NEW1",
        "the key AKIA...NEW1 works, and is used from now on",
        "the key AKIA...OLD1 is switched off",
    ]


def test_a_new_key_that_never_works_is_not_used(
    stub: StubKeyring, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the new key never works, the old key stays in use, and the next run continues with the new key."""
    monkeypatch.setattr("dsops.keys.rotation._TRIES", 2)
    error = failure(lambda: rotated(stub, SlowAws(delay=99), reports))
    assert isinstance(error, KeyRotationStopped)
    assert "dsops keys rotate ada" in error.hint
    assert (entry_of(stub).key_id, entry_of(stub).next_key_id) == (OLD, NEW)
    aws = SlowAws()
    assert rotated(stub, aws, reports).key_id == NEW
    assert aws.called == ["GetCallerIdentity NEW", "UpdateAccessKey NEW"]


def test_an_answer_that_is_lost_may_have_made_a_key(stub: StubKeyring, reports: Reports) -> None:
    """CreateAccessKey is not retried, because AWS may have created a key although its response was lost.

    The error says that a key with a lost secret may exist.
    """
    aws = SlowAws()
    aws.instead["CreateAccessKey"] = Answer(raw=b"")
    error = failure(lambda: rotated(stub, aws, reports))
    assert isinstance(error, ServiceError)
    assert aws.called == ["ListAccessKeys OLD", "CreateAccessKey OLD"]
    assert "may still have created a key" in error.why
    assert entry_of(stub).key_id == OLD


def test_an_old_key_that_is_gone_is_no_reason_to_fail(stub: StubKeyring, reports: Reports) -> None:
    """If another process has already deleted the old key, the rotation still succeeds."""
    aws = SlowAws()
    aws.instead["UpdateAccessKey"] = sts_error("NoSuchEntity", "The Access Key with id ... cannot be found.", 404)
    entry = rotated(stub, aws, reports)
    assert (entry.key_id, entry.old_key_id) == (NEW, "")
    assert list(get_secrets(Keyring(stub.environ, "/"), "ada", "desktop")) == [NEW]


def test_another_users_key_is_never_used(stub: StubKeyring, reports: Reports) -> None:
    """If the new key turns out to be another user's, the rotation fails and the old key stays in use."""
    error = failure(lambda: rotated(stub, SlowAws(caller="arn:aws:iam::111122223333:user/bob"), reports))
    assert "user/bob" in error.message
    assert entry_of(stub).key_id == OLD


def test_a_key_that_aws_does_not_take_any_more_is_told_as_that(stub: StubKeyring, reports: Reports) -> None:
    """If AWS no longer accepts the stored key, the rotation fails at once, without waiting."""
    aws = SlowAws()
    aws.instead["ListAccessKeys"] = sts_error("InvalidClientTokenId", UNKNOWN)
    error = failure(lambda: rotated(stub, aws, reports))
    assert "`ada` was not rotated" in error.message
    assert "--replace" in error.hint
    assert aws.called == ["ListAccessKeys OLD"]


def test_the_list_says_where_it_stands_before_each_step(stub: StubKeyring, reports: Reports) -> None:
    """The index records each step before the step is taken, so that an interrupted rotation can continue."""
    seen: list[tuple[str, str, str]] = []
    aws = SlowAws()

    def watch(request: Seen) -> Answer:
        entry = json.loads(stub.list.read_text())["keys"][0]
        seen.append((parameters_of(request)["Action"], entry["key_id"], entry["next_key_id"]))
        return aws(request)

    rotated(stub, watch, reports)  # type: ignore[arg-type]  # called like one
    assert seen == [
        ("ListAccessKeys", OLD, ""),
        ("CreateAccessKey", OLD, ""),
        ("GetCallerIdentity", OLD, NEW),
        ("UpdateAccessKey", NEW, ""),
    ]
