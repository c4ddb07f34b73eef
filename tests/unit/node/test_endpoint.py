"""What the node answers: sessions for SDKs, secrets as the Secrets Manager Agent, and refusals."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path

import pytest
from botocore.credentials import ContainerProvider

from dsops.errors import Unreachable
from tests.children import SECONDS
from tests.nodes import SECRET, StubIssuer, running_node

ME = os.geteuid()
WEB = f"""\
  web:
    uid: {ME}
    stores: [web-role, other-role]
    secrets: {{store: app, names: ["app/*", "{SECRET}app/*"]}}
  strange:
    uid: {ME + 1}
    token_owner: {ME}
    stores: web-role
"""


def test_botocore_gets_a_session_with_the_token_file(tmp_path: Path) -> None:
    """botocore's container provider gets a session, with the two variables that the SDKs document."""
    with running_node(tmp_path, WEB) as node:
        provider = ContainerProvider(
            {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{node.port}/credentials",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "tokens" / "web"),
            }
        )
        frozen = provider.load().get_frozen_credentials()
    assert (frozen.access_key, frozen.secret_key, frozen.token) == (f"ASIA{1:016}", "hush-key", "hush-token")
    assert node.issuer.stores == ["web-role"]


@pytest.mark.parametrize(
    ("path", "store"),
    [
        ("/credentials", "web-role"),
        ("/v1/credentials", "web-role"),
        ("/credentials/other-role", "other-role"),
        ("/credentials/other%2Drole", "other-role"),
    ],
)
def test_a_path_names_a_store_of_the_workload(tmp_path: Path, path: str, store: str) -> None:
    """Without a name, the workload's first store is meant, also at the path of EKS Pod Identity."""
    with running_node(tmp_path, WEB) as node:
        answer = node.session("web", path)
    assert (answer.status, node.issuer.stores) == (200, [store])
    assert json.loads(answer.body)["AccountId"] == "111122223333"


@pytest.mark.parametrize("path", ["/", "/credentials/", "/credentials/admin", "/v1/credentials/web-role", "/x"])
def test_another_store_is_not_found(tmp_path: Path, path: str) -> None:
    """A store that the workload may not have is not issued."""
    with running_node(tmp_path, WEB) as node:
        answer = node.session("web", path)
    assert (answer.status, node.issuer.stores) == (404, [])


def test_the_peer_and_the_token_must_match(tmp_path: Path) -> None:
    """A wrong token, no token, and the right token of a workload with another uid are refused."""
    with running_node(tmp_path, WEB) as node:
        answers = [node.get("/credentials"), node.get("/credentials", {"Authorization": "x"}), node.session("strange")]
    assert [answer.status for answer in answers] == [403, 403, 403]
    assert node.issuer.stores == []
    assert [facts["uid"] for facts in node.reports.facts("node.refused")] == [str(ME)] * 3


def test_only_get_is_answered(tmp_path: Path) -> None:
    """Another method is refused for sessions and for secrets."""
    with running_node(tmp_path, WEB) as node:
        token = node.token("web")
        session = node.get("/credentials", {"Authorization": token}, "PUT")
        secret = node.get("/v1/app/db", {"X-Vault-Token": token}, "POST")
    assert (session.status, secret.status, secret.body) == (405, 405, "Not allowed")


def test_many_cold_callers_cause_one_call_for_each_role(tmp_path: Path) -> None:
    """While a session is being issued, all its callers wait for the same call."""
    issuer = StubIssuer()
    issuer.go_on.clear()
    statuses: list[int] = []
    with running_node(tmp_path, WEB, issuer=issuer) as node:

        def ask(path: str) -> None:
            statuses.append(node.session("web", path).status)

        paths = ["/credentials", "/credentials/other-role"] * 10
        threads = [threading.Thread(target=ask, args=(path,), daemon=True) for path in paths]
        for thread in threads:
            thread.start()
        issuer.go_on.set()
        for thread in threads:
            thread.join(SECONDS)
    assert statuses == [200] * 20
    assert sorted(issuer.stores) == ["other-role", "web-role"]


def test_a_failure_is_told_to_the_caller(tmp_path: Path) -> None:
    """If AWS is unreachable and there is no session yet, the caller learns why, and may try again."""
    issuer = StubIssuer()
    issuer.error = Unreachable("AWS is not reachable")
    with running_node(tmp_path, WEB, issuer=issuer) as node:
        answer = node.session("web")
    assert answer.status == 503
    assert json.loads(answer.body)["message"] == "the session could not be issued: AWS is not reachable"


@pytest.mark.parametrize(
    "path",
    [
        "/secretsmanager/get?secretId=app/db",
        "/secretsmanager/get?secretId=app%2Fdb&versionStage=AWSCURRENT",
        "/v1/app/db",
        "/v1/app%2Fdb?versionId=v1",
    ],
)
def test_a_secret_is_read_in_both_forms(tmp_path: Path, path: str) -> None:
    """The secret's id is in the query or in the path; the answer has the fields of the Secrets Manager Agent."""
    with running_node(tmp_path, WEB) as node:
        answer = node.secret("web", path)
    assert answer.status == 200
    assert json.loads(answer.body) == {
        "ARN": f"{SECRET}app/db-AbCdEf",
        "Name": "app/db",
        "VersionId": "v1",
        "SecretString": "s3cret",
        "VersionStages": ["AWSCURRENT"],
        "CreatedDate": "1569534789.046",
    }


def test_a_secret_is_read_once_until_a_caller_asks_for_a_fresh_one(tmp_path: Path) -> None:
    """A kept value is served to all callers; `refreshNow` reads it again."""
    with running_node(tmp_path, WEB) as node:
        for _ in range(3):
            assert node.secret("web", "/v1/app/db").status == 200
        node.issuer.secrets["app/db"] = "changed"
        fresh = node.secret("web", "/v1/app/db?refreshNow=true")
        kept = node.secret("web", "/secretsmanager/get?secretId=app/db&refreshNow=0")
    assert [json.loads(answer.body)["SecretString"] for answer in (fresh, kept)] == ["changed", "changed"]
    assert len(node.issuer.reads) == 2


def test_a_kept_secret_is_served_while_aws_is_unreachable(tmp_path: Path) -> None:
    """A failed read does not take away a value that was read before."""
    with running_node(tmp_path, WEB) as node:
        assert node.secret("web", "/v1/app/db").status == 200
        node.issuer.error = Unreachable("AWS is not reachable")
        stale = node.secret("web", "/v1/app/db?refreshNow=1")
        missing = node.secret("web", "/v1/app/other")
    assert (stale.status, missing.status) == (200, 502)
    assert json.loads(missing.body)["__type"] == "ConnectionError"


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/secretsmanager/get", 400, "missing parameter secretId"),
        ("/v1/", 400, "missing secret ID"),
        ("/v1/app/db?other=1", 400, "unknown parameter: other"),
        ("/v1/app/db?refreshNow=2", 400, "invalid refreshNow value"),
        ("/elsewhere", 404, "Not found"),
        ("/v1/app/none", 400, "ResourceNotFoundException"),
        ("/v1/prod/db", 400, "AccessDeniedException"),
        ("/v1/APP/db", 400, "AccessDeniedException"),
    ],
)
def test_the_status_codes_are_those_of_the_secrets_manager_agent(
    tmp_path: Path, path: str, status: int, text: str
) -> None:
    """Errors have the codes and texts of AWS's agent; a secret that the rule does not name is denied."""
    with running_node(tmp_path, WEB) as node:
        answer = node.secret("web", path)
    assert answer.status == status
    assert text in answer.body


def test_a_request_for_a_secret_needs_the_header_with_the_token(tmp_path: Path) -> None:
    """Neither a request without the header nor one that a proxy passed on is answered: both are signs of SSRF."""
    with running_node(tmp_path, WEB) as node:
        token = node.token("web")
        without = node.get("/secretsmanager/get?secretId=app/db")
        wrong = node.get("/secretsmanager/get?secretId=app/db", {"X-Aws-Parameters-Secrets-Token": "x"})
        as_session = node.get("/secretsmanager/get?secretId=app/db", {"Authorization": token})
        forwarded = node.get("/v1/app/db", {"X-Vault-Token": token, "X-Forwarded-For": "203.0.113.7"})
        healthy = node.get("/ping")
    assert [(answer.status, answer.body) for answer in (without, wrong, as_session)] == [(403, "Bad Token")] * 3
    assert (forwarded.status, forwarded.body) == (400, "Forwarded")
    assert (healthy.status, healthy.body) == (200, "healthy")
    assert node.issuer.reads == []


def test_a_unix_socket_serves_the_same(tmp_path: Path) -> None:
    """A Unix socket needs the token, too; the kernel names the connecting user."""
    with (
        running_node(tmp_path, WEB, listen="127.0.0.1:0, unix:run/node.sock") as node,
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.settimeout(SECONDS)
        client.connect(str(tmp_path / "run" / "node.sock"))
        client.sendall(f"GET /credentials HTTP/1.1\r\nAuthorization: {node.token('web')}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: client.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b'"Token": "hush-token"' in answer


def test_each_session_is_recorded_once_for_each_kind_of_caller(tmp_path: Path) -> None:
    """The audit trail has one line for a session that a workload's user gets, with the workload and the uid."""
    with running_node(tmp_path, WEB) as node:
        for _ in range(3):
            node.session("web")
        node.session("web", "/credentials/other-role")
        node.secret("web", "/v1/app/db")
    trail = tmp_path / ".local/state/dsops/audit.jsonl"
    events = [json.loads(line) for line in trail.read_text().splitlines()]
    given = [
        (event["eventName"], event["additionalEventData"]) for event in events if "Trail" not in event["eventName"]
    ]
    assert [(name, data["store"]) for name, data in given] == [
        ("GetCredentials", "web-role"),
        ("GetCredentials", "other-role"),
        ("GetSecret", "app"),
    ]
    assert {(data["workload"], data["peer_uid"], data["command"]) for _, data in given} == {("web", ME, "node serve")}


def test_answers_are_counted_by_protocol_and_status(tmp_path: Path) -> None:
    """The metrics tell how many sessions and secrets were given and how many callers are unknown."""
    with running_node(tmp_path, WEB) as node:
        node.session("web")
        node.session("web")
        node.secret("web", "/v1/app/db")
        node.get("/credentials")
        text = node.service.metrics.agent.registry.text()
    assert {line for line in text.splitlines() if line.startswith(("dsops_node", "dsops_sessions_held"))} == {
        'dsops_node_answers_total{protocol="session",status="200"} 2',
        'dsops_node_answers_total{protocol="session",status="403"} 1',
        'dsops_node_answers_total{protocol="secret",status="200"} 1',
        "dsops_node_unknown_callers_total 1",
        "dsops_sessions_held 1",
    }
    assert "app/db" not in text
    assert "hush" not in text
