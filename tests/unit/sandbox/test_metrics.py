"""`/_sandbox/metrics`: a sandbox's metrics for Prometheus on this machine."""

from __future__ import annotations

from dsops.openmetrics import CONTENT_TYPE
from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox.control.endpoints import Control
from tests.metrics import Told, read_metrics
from tests.sandboxes import ACCOUNT, OTHER, Lab
from tests.unit.sandbox.conftest import LabFactory

JUMP = f"arn:aws:iam::{ACCOUNT}:role/team/Jump"
TARGET = f"arn:aws:iam::{OTHER}:role/Target"
EXTERNAL_ID = "unique-customer-id-12345"


def answer(lab: Lab, host: str = "127.0.0.1:4566", method: str = "GET") -> HttpAnswer:
    """Call the metrics endpoint from this machine; return its response."""
    request = HttpRequest(method, "/_sandbox/metrics", "", {"host": host}, b"", "127.0.0.1")
    return Control(lab.sandbox).handle(request)


def told(lab: Lab) -> Told:
    """Return the labels and values for each sample name, as Prometheus' own parser reads them."""
    return read_metrics(answer(lab).body.decode())


def test_requests_are_counted_by_result(lab: Lab) -> None:
    """Requests are counted by result, including those with a wrong signature; control requests are not counted."""
    alice = lab.user("alice")
    alice.call("sts", "GetCallerIdentity")
    alice.refused_role(TARGET)
    alice.keys = type(alice.keys)(access_key_id=alice.keys.access_key_id, secret_access_key="wrong")
    alice.refused("sts", "GetCallerIdentity")

    found = told(lab)

    parameters = {"service": "sts", "operation": "GetCallerIdentity"}
    assert found["dsops_sandbox_requests_total"] == [
        ({**parameters, "result": "ok"}, 1),
        ({"service": "sts", "operation": "AssumeRole", "result": "refused"}, 1),
        ({**parameters, "result": "refused"}, 1),
    ]
    assert ({"service": "sts"}, 3) in found["dsops_sandbox_request_seconds_count"]
    assert found["dsops_sandbox_events_total"] == [({}, 2)]


def test_the_four_role_metrics_are_exported(lab: Lab) -> None:
    """The metrics count issued sessions, failures by code and role, durations, and account pairs."""
    jump = lab.user("alice").assume(JUMP, DurationSeconds=900)
    jump.refused_role(TARGET, ExternalId="wrong")
    jump.assume(TARGET, "s2", ExternalId=EXTERNAL_ID)
    jump.assume(TARGET, "s3", ExternalId=EXTERNAL_ID)

    found = told(lab)

    assert found["dsops_sandbox_sessions_issued_total"] == [
        ({"operation": "AssumeRole", "role": JUMP}, 1),
        ({"operation": "AssumeRole", "role": TARGET}, 2),
    ]
    assert found["dsops_sandbox_issue_failures_total"] == [({"code": "AccessDenied", "role": TARGET}, 1)]
    assert found["dsops_sandbox_principals"] == [({}, 2)]
    pair = {"from_account": ACCOUNT, "to_account": OTHER}
    assert found["dsops_sandbox_cross_account_sessions_total"] == [(pair, 2)]
    buckets = {labels["le"]: value for labels, value in found["dsops_sandbox_session_duration_seconds_bucket"]}
    assert (buckets["900.0"], buckets["3600.0"]) == (1, 3)
    assert found["dsops_sandbox_sessions_held"] == [({}, 3)]


def test_throttled_requests_are_counted(make_lab: LabFactory) -> None:
    """Throttled requests are counted by service."""
    lab = make_lab(f'throttle: {{sts: 1}}\naccounts: {{"{ACCOUNT}": {{}}}}')
    admin = lab.user("admin")
    admin.call("sts", "GetCallerIdentity")
    admin.refused("sts", "GetCallerIdentity")

    found = told(lab)

    assert found["dsops_sandbox_throttled_total"] == [({"service": "sts"}, 1)]
    assert [labels["result"] for labels, _ in found["dsops_sandbox_requests_total"]] == ["ok", "throttled"]


def test_metrics_contain_no_secrets(lab: Lab) -> None:
    """Metrics contain no secret, key id or session name."""
    alice = lab.user("alice")
    target = alice.assume(JUMP, "name-of-session").assume(TARGET, ExternalId=EXTERNAL_ID)
    target.call("secretsmanager", "GetSecretValue", SecretId="prod/db")

    text = answer(lab).body.decode()

    assert JUMP in text
    for hidden in (
        "prod/db",
        "invented",
        EXTERNAL_ID,
        "name-of-session",
        alice.keys.access_key_id,
        target.keys.access_key_id,
        target.keys.secret_access_key,
    ):
        assert hidden not in text


def test_metrics_are_served_to_this_machine_in_prometheus_format(lab: Lab) -> None:
    """The metrics have Prometheus' content type; requests with a rebound host name or POST are refused."""
    given = answer(lab)

    assert (given.status, dict(given.headers)["Content-Type"]) == (200, CONTENT_TYPE)
    assert given.body.endswith(b"# EOF\n")
    assert answer(lab, "evil.example").status == 403
    assert answer(lab, method="POST").status == 405
