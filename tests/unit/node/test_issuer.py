"""Issues sessions and reads secrets for the node, with one cache and one pace for all stores."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsops.aws.http.retries import KnownServices
from dsops.errors import AssumeRoleDenied, ConfigError, SecretNotFound, UsageError
from dsops.node.issuer import NodeIssuer, SecretRequest
from dsops.node.sessions import SessionKey
from dsops.pipeline.configuration import read_config
from dsops.runtime import Runtime
from tests.fakes import make_runtime
from tests.stubs.aws import assume_role_answer, parameters_of, sts_error
from tests.stubs.server import Answer, Seen, StubServer
from tests.unit.cli.stub_aws import StubAws

STORES = """\
version: 1
secretStores:
  one: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111122223333:role/One"}
  two: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111122223333:role/Two"}
  app: {type: aws.secretsmanager, region: us-east-1, credentials_from: one}
  words: {type: literal, values: {a: b}}
"""


def runtime_in(folder: Path, url: str) -> Runtime:
    """A runtime with keys whose AWS is at this address, and a folder with the stores."""
    (folder / "dsops.yaml").write_text(STORES)
    environ = {
        "HOME": str(folder),
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00",
        "AWS_SECRET_ACCESS_KEY": "hush",
    }
    return make_runtime(environ, folder=str(folder))


def issuer_in(folder: Path, url: str, known: KnownServices | None = None) -> NodeIssuer:
    """An issuer for the stores."""
    runtime = runtime_in(folder, url)
    return NodeIssuer(read_config(runtime, str(folder / "dsops.yaml")), runtime, known)


def events(folder: Path) -> list[tuple[str, object]]:
    """Name and store of each event in the audit trail."""
    lines = (folder / ".local/state/dsops/audit.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    return [
        (event["eventName"], event["additionalEventData"].get("store"))
        for event in found
        if event["eventSource"] != "dsops"
    ]


def never() -> bool:
    """The node is not ending."""
    return False


def test_sessions_and_secrets_are_in_the_audit_trail(tmp_path: Path) -> None:
    """A session is issued, replaced when it is renewed, and used to read a secret with the facts of AWS's answer."""
    with StubAws() as aws:
        issuer = issuer_in(tmp_path, aws.server.url)
        first = issuer.issue(SessionKey("one"), None, never)
        assert issuer.issue(SessionKey("one"), None, never) is first
        issuer.issue(SessionKey("one"), first, never)
        value = issuer.read(SecretRequest("app", "prod/token", "", ""))
        with pytest.raises(SecretNotFound):
            issuer.read(SecretRequest("app", "none", "", "AWSCURRENT"))
        assert aws.calls == ["AssumeRole", "AssumeRole", "GetSecretValue", "GetSecretValue"]
    assert (value.value.reveal(), value.version_id, value.name) == ("hush-token", "v1", "prod/token")
    assert [event for event in events(tmp_path) if event[0] == "GetSecretValue"] == [("GetSecretValue", "app")] * 2
    assert ("AssumeRole", "one") in events(tmp_path)
    assert "hush" not in (tmp_path / ".local/state/dsops/audit.jsonl").read_text()


def test_a_denial_is_raised_and_recorded(tmp_path: Path) -> None:
    """The caller of the node learns AWS's reason, and so does the trail."""
    with StubAws(denies=True) as aws, pytest.raises(AssumeRoleDenied):
        issuer_in(tmp_path, aws.server.url).issue(SessionKey("two"), None, never)
    assert ("AssumeRole", "two") in events(tmp_path)


def test_stores_that_the_node_cannot_use_are_refused(tmp_path: Path) -> None:
    """Sessions need a store with AWS credentials, and secrets one that reads from Secrets Manager."""
    issuer = issuer_in(tmp_path, "http://127.0.0.1:9")
    issuer.check(("one", "two", "app"), ("app",))
    with pytest.raises(UsageError, match="has no credentials"):
        issuer.check(("words",), ())
    with pytest.raises(ConfigError, match="`secrets` names store `one`"):
        issuer.check((), ("one",))
    with pytest.raises(ConfigError):
        issuer.check(("none",), ())


def test_the_calls_of_all_stores_share_one_pace(tmp_path: Path) -> None:
    """After STS has throttled a call for one role, calls for other roles take their turns in the same queue."""
    refusals = [2]

    def answer(seen: Seen) -> Answer:
        if parameters_of(seen).get("Action") == "AssumeRole" and refusals[0]:
            refusals[0] -= 1
            return sts_error("Throttling", "Rate exceeded")
        return assume_role_answer(expiration="2099-01-01T00:00:00Z", action="AssumeRole")

    known: KnownServices = {}
    with StubServer(answer) as server:
        issuer = issuer_in(tmp_path, server.url, known)
        issuer.issue(SessionKey("one"), None, never)
        limits = list(known.values())
        assert [each.limiter is not None for each in limits] == [True]
        issuer.issue(SessionKey("two"), None, never)
        assert list(known.values()) == limits
        assert len(server.seen) == 4
