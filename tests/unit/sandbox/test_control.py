"""The control endpoints accept clients and tests on this machine, but no web pages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.request.messages import HttpRequest
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.sts.totp import code_at
from tests.sandboxes import ACCOUNT, OTHER, Keys, Lab
from tests.unit.sandbox.conftest import LabFactory

LOCAL = {"host": "127.0.0.1:4566"}


@pytest.fixture
def control(lab: Lab) -> Control:
    """The control endpoints of the sandbox with two accounts."""
    return Control(lab.sandbox)


def ask(
    control: Control,
    path: str,
    method: str = "GET",
    body: object = None,
    *,
    headers: dict[str, str] | None = None,
    peer: str = "127.0.0.1",
) -> tuple[int, dict[str, Any]]:
    """Call a control endpoint; return the status and the parsed JSON."""
    path, _, query = path.partition("?")
    content = b"" if body is None else json.dumps(body).encode()
    request = HttpRequest(method, f"/_sandbox/{path}", query, {**LOCAL, **(headers or {})}, content, peer)
    answer = control.handle(request)
    return answer.status, json.loads(answer.body)


# --- authentication ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1:4566", "localhost:4566", "localhost", "[::1]:4566", "127.0.0.1"])
def test_this_machine_is_allowed(control: Control, host: str) -> None:
    """A client on this machine may use any loopback name in the Host header."""
    assert ask(control, "health", headers={"host": host})[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:4566",
        "127.0.0.1.evil.example",
        "203.0.113.7",
        "",
        "localhost.evil.example",
        "127.0.0.1:4566, evil.example",
        "evil.example, 127.0.0.1",
        "evil.example@127.0.0.1",
        "127.0.0.1:4566:80",
    ],
)
def test_dns_rebinding_is_refused(control: Control, host: str) -> None:
    """A host name that resolves to 127.0.0.1 is refused (DNS rebinding)."""
    assert ask(control, "health", headers={"host": host})[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:4566"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-origin"},
    ],
)
def test_a_web_page_is_refused(control: Control, headers: dict[str, str]) -> None:
    """A web page in a browser can't call the control endpoints."""
    before = control.handle(HttpRequest("GET", "/_sandbox/clock", "", LOCAL, b"", "127.0.0.1")).body

    assert ask(control, "health", headers=headers)[0] == 403
    assert ask(control, "clock", "POST", {"advance_seconds": 60}, headers=headers)[0] == 403
    assert control.handle(HttpRequest("GET", "/_sandbox/clock", "", LOCAL, b"", "127.0.0.1")).body == before


def test_browser_navigation_is_allowed(control: Control) -> None:
    """`Sec-Fetch-Site: none` (a URL typed into a browser) is allowed."""
    assert ask(control, "health", headers={"sec-fetch-site": "none"})[0] == 200


@pytest.mark.parametrize("peer", ["203.0.113.7", "10.0.0.1", "::ffff:203.0.113.7", ""])
def test_another_machine_is_refused(control: Control, peer: str) -> None:
    """Clients on other machines are refused, even if the sandbox listens on other addresses."""
    assert ask(control, "identity?as=admin", peer=peer)[0] == 403


@pytest.mark.parametrize(
    ("path", "method", "status"), [("nothing", "GET", 404), ("health", "POST", 405), ("clock", "PUT", 405)]
)
def test_an_unknown_endpoint_is_reported(control: Control, path: str, method: str, status: int) -> None:
    """An unknown endpoint gets a 404, and a wrong method gets a 405."""
    assert ask(control, path, method)[0] == status


# --- clock -----------------------------------------------------------------------------------------------------


def test_the_clock_moves(lab: Lab, control: Control) -> None:
    """The clock can be advanced, set, frozen and unfrozen."""
    start = lab.sandbox.clock.now()

    assert ask(control, "clock", "POST", {"advance_seconds": 90})[0] == 200
    assert lab.sandbox.clock.now() == start + 90
    assert ask(control, "clock", "POST", {"now": "2026-07-13T10:00:00Z"})[1]["now"] == "2026-07-13T10:00:00Z"
    assert ask(control, "clock", "POST", {"now": 0, "advance_seconds": 61})[1]["now"] == "1970-01-01T00:01:01Z"
    assert ask(control, "clock", "POST", {"frozen": False})[1]["is_frozen"] is False
    assert ask(control, "clock", "POST", {"frozen": True})[1]["is_frozen"] is True


WISHES: list[object] = [
    None,
    [],
    {},
    7,
    {"now": "yesterday"},
    {"advance_seconds": "x"},
    {"advance": 5},
    {"frozen": "yes"},
    {"advance_seconds": float("inf")},
    {"advance_seconds": float("nan")},
    {"advance_seconds": -1e12},
]


@pytest.mark.parametrize("wish", WISHES)
def test_invalid_bodies_are_refused(lab: Lab, control: Control, wish: object) -> None:
    """An invalid clock request gets a 400, and the clock does not move."""
    before = lab.sandbox.clock.now()

    assert ask(control, "clock", "POST", wish)[0] == 400
    assert lab.sandbox.clock.now() == before


def test_codes_can_be_reused_when_the_clock_is_set_back(lab: Lab, control: Control) -> None:
    """After the clock is set back, an already used MFA code is valid again."""
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/alice"
    start = lab.sandbox.clock.now()
    ask(control, "clock", "POST", {"advance_seconds": 300})
    alice = lab.user("alice")
    code = code_at("JBSWY3DPEHPK3PXP", start + 300)
    alice.call("sts", "GetSessionToken", SerialNumber=serial, TokenCode=code)

    ask(control, "clock", "POST", {"now": start})

    assert alice.call("sts", "GetSessionToken", SerialNumber=serial, TokenCode=code_at("JBSWY3DPEHPK3PXP", start))


# --- codes, keys, credentials ------------------------------------------------------------------------------------


def test_the_code_of_a_device(lab: Lab, control: Control) -> None:
    """The totp endpoint returns a device's current code and its remaining validity."""
    status, answer = ask(control, f"totp?serial=arn:aws:iam::{ACCOUNT}:mfa/alice")

    assert status == 200
    assert answer["code"] == code_at("JBSWY3DPEHPK3PXP", lab.sandbox.clock.now())
    assert 1 <= answer["seconds_left"] <= 30
    assert ask(control, "totp?serial=none")[0] == 404


def test_the_keys_of_a_user(lab: Lab, control: Control) -> None:
    """The identity endpoint returns the keys of a named user or of the default user, and 404 for unknown users."""
    assert ask(control, "identity?as=alice")[1]["AccessKeyId"] == lab.user("alice").keys.access_key_id
    assert ask(control, f"identity?as=admin@{OTHER}")[1]["Arn"] == f"arn:aws:iam::{OTHER}:user/admin"
    assert ask(control, "identity")[1]["Arn"] == f"arn:aws:iam::{ACCOUNT}:user/admin"
    for name in ("mallory", f"alice@{OTHER}", "alice@333333333333"):
        assert ask(control, f"identity?as={name}")[0] == 404


CONTAINER = """
accounts:
  "111111111111":
    roles:
      Task: {trust: {Version: "2012-10-17", Statement: {Effect: Allow,
        Principal: {Service: ecs-tasks.amazonaws.com}, Action: "sts:AssumeRole"}}}
      Other: {trust: {Version: "2012-10-17", Statement: {Effect: Allow,
        Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}}}
"""


def test_container_credentials_of_a_task(make_lab: LabFactory) -> None:
    """Container credentials work if the request has the sandbox's token and the role trusts ECS tasks."""
    lab = make_lab(CONTAINER)
    control = Control(lab.sandbox)
    token = {"authorization": control.container_token}

    status, answer = ask(control, "container-credentials/Task", headers=token)
    assert status == 200
    assert set(answer) == {"RoleArn", "AccessKeyId", "SecretAccessKey", "Token", "Expiration"}
    keys = Keys(
        access_key_id=answer["AccessKeyId"], secret_access_key=answer["SecretAccessKey"], session_token=answer["Token"]
    )
    assert lab.with_keys(keys).arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/Task/")
    for name in (f"{ACCOUNT}/Task", f"arn%3Aaws%3Aiam%3A%3A{ACCOUNT}%3Arole%2FTask"):
        assert ask(control, f"container-credentials/{name}", headers=token)[0] == 200
    assert ask(control, "container-credentials/Task")[0] == 401
    assert ask(control, "container-credentials/Task", headers={"authorization": "x"})[0] == 401
    assert ask(control, "container-credentials/Other", headers=token)[0] == 403
    assert ask(control, "container-credentials/None", headers=token)[0] == 404


SERVICES = """
accounts:
  "111111111111":
    roles:
      App: {trust: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: {Service: pods.eks.amazonaws.com},
        Action: ["sts:AssumeRole", "sts:TagSession"], Condition: {StringEquals: {
          "aws:SourceAccount": "111111111111", "aws:RequestTag/kubernetes-namespace": shop,
          "aws:RequestTag/kubernetes-service-account": app}}}}, policies: [{Version: "2012-10-17", Statement: {
            Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}, {Version: "2012-10-17", Statement: {
            Effect: Allow, Action: "sts:TagSession", Resource: "*"}}]}
      Untagged: {trust: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: {Service: pods.eks.amazonaws.com},
        Action: "sts:AssumeRole"}}}
      Function: {trust: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: {Service: lambda.amazonaws.com},
        Action: "sts:AssumeRole", Condition: {StringEquals: {"aws:SourceAccount": "111111111111"}}}}}
      Task: {trust: {Version: "2012-10-17", Statement: {Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com},
        Action: "sts:AssumeRole", Condition: {
          ArnLike: {"aws:SourceArn": "arn:aws:ecs:*:111111111111:*"}}}}}
      Elsewhere: {trust: {Version: "2012-10-17", Statement: {Effect: Allow,
        Principal: {Service: ecs-tasks.amazonaws.com}, Action: "sts:AssumeRole", Condition: {
          ArnLike: {"aws:SourceArn": "arn:aws:ecs:*:222222222222:*"}}}}}
      Next: {trust: {Version: "2012-10-17", Statement: {Effect: Allow,
        Principal: {AWS: "arn:aws:iam::111111111111:role/App"}, Action: ["sts:AssumeRole", "sts:TagSession"],
        Condition: {StringEquals: {"aws:PrincipalTag/kubernetes-namespace": shop}}}}}
"""


def test_a_pod_role_is_trusted_by_namespace_and_service_account(make_lab: LabFactory) -> None:
    """A pod's session has EKS's six transitive tags, which the role must allow with sts:TagSession."""
    lab = make_lab(SERVICES)
    control = Control(lab.sandbox)
    token = {"authorization": control.container_token}
    pod = "pod-credentials/App?namespace=shop&service_account="

    status, answer = ask(control, f"{pod}app", headers=token)
    assert status == 200
    assert ask(control, f"{pod}app")[0] == 401
    assert ask(control, f"{pod}other", headers=token)[0] == 403
    assert ask(control, f"{pod}app".replace("shop", "test"), headers=token)[0] == 403
    assert ask(control, "pod-credentials/App", headers=token)[0] == 403
    assert ask(control, f"{pod}a%20b", headers=token)[0] == 400
    assert ask(control, "pod-credentials/Untagged?namespace=shop", headers=token)[0] == 403
    keys = Keys(
        access_key_id=answer["AccessKeyId"], secret_access_key=answer["SecretAccessKey"], session_token=answer["Token"]
    )
    assert lab.with_keys(keys).arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/App/eks-sandbox-app-")
    onwards = lab.with_keys(keys).assume(f"arn:aws:iam::{ACCOUNT}:role/Next")
    assert onwards.arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/Next/")


def test_a_function_gets_a_session_of_its_role(make_lab: LabFactory) -> None:
    """A Lambda function's session has the function's name; its role must trust Lambda."""
    lab = make_lab(SERVICES)
    control = Control(lab.sandbox)

    status, answer = ask(control, "function", "POST", {"role": "Function", "function": "orders"})
    assert status == 200
    keys = Keys(
        access_key_id=answer["AccessKeyId"], secret_access_key=answer["SecretAccessKey"], session_token=answer["Token"]
    )
    assert lab.with_keys(keys).arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/Function/orders"
    status, answer = ask(control, "function", "POST", {"role": "App"})
    assert (status, list(answer)) == (403, ["error"])
    assert ask(control, "function", "POST", {"role": "None"})[0] == 404
    assert ask(control, "function", "POST", {"role": "Function", "function": "a b"})[0] == 400
    assert ask(control, "function", "POST", {"function": "orders"})[0] == 400


def test_a_task_role_can_require_a_source_arn(make_lab: LabFactory) -> None:
    """A trust policy can restrict aws:SourceArn to the account's own tasks."""
    control = Control(make_lab(SERVICES).sandbox)
    token = {"authorization": control.container_token}

    assert ask(control, "container-credentials/Task", headers=token)[0] == 200
    assert ask(control, "container-credentials/Elsewhere", headers=token)[0] == 403


# --- events and decisions ----------------------------------------------------------------------------------------


def test_the_reason_of_a_denial_can_be_read(lab: Lab, control: Control) -> None:
    """A decision names the condition that failed, without the external ID."""
    jump = lab.user("alice").assume(f"arn:aws:iam::{ACCOUNT}:role/team/Jump")
    target = f"arn:aws:iam::{OTHER}:role/Target"
    jump.refused_role(target, ExternalId="a-wrong-one")

    _, answer = ask(control, "decisions?last=1")

    (decision,) = answer["decisions"]
    assert (decision["action"], decision["resource"], decision["is_allowed"]) == ("sts:AssumeRole", target, False)
    assert decision["decided_by"] == "role trust policy"
    (failure,) = decision["reasons"][0]["near"][0]["failures"]
    assert (failure["element"], failure["operator"], failure["key"]) == ("Condition", "StringEquals", "sts:ExternalId")
    assert "a-wrong-one" not in json.dumps(answer)
    assert "unique-customer-id" not in json.dumps(answer)


def test_a_missing_role_is_shown_in_decisions(lab: Lab, control: Control) -> None:
    """The recorded decision says that the role does not exist; AWS's error does not say so."""
    lab.user("alice").refused_role(f"arn:aws:iam::{ACCOUNT}:role/Missing")

    (decision,) = ask(control, "decisions?last=1")[1]["decisions"]
    trust = decision["reasons"][0]
    assert (trust["policy_type"], trust["note"], trust["near"]) == ("role trust policy", "no role has this ARN", [])


def test_records_contain_no_secrets(lab: Lab, control: Control) -> None:
    """Records have CloudTrail's format and contain no secret key, session token or secret value."""
    alice = lab.user("alice")
    jump = alice.assume(f"arn:aws:iam::{ACCOUNT}:role/team/Jump", "s1")
    admin = lab.user("admin")
    admin.call("secretsmanager", "CreateSecret", Name="new", SecretString="hidden-value")
    admin.call("secretsmanager", "GetSecretValue", SecretId="new")
    lab.user("nobody").refused_role(f"arn:aws:iam::{ACCOUNT}:role/team/Jump")

    records = ask(control, "events")[1]["Records"]

    assume = records[0]
    assert assume["eventName"] == "AssumeRole"
    assert assume["userIdentity"]["type"] == "IAMUser"
    assert assume["userIdentity"]["userName"] == "alice"
    assert assume["requestParameters"]["roleSessionName"] == "s1"
    assert assume["responseElements"]["assumedRoleUser"]["arn"] == jump.arn
    assert assume["responseElements"]["credentials"]["accessKeyId"] == jump.keys.access_key_id
    assert records[-1]["errorCode"] == "AccessDenied" or records[-2]["errorCode"] == "AccessDenied"
    text = json.dumps(records)
    for secret in ("hidden-value", jump.keys.secret_access_key, str(jump.keys.session_token)):
        assert secret not in text


def test_old_records_are_dropped(lab: Lab) -> None:
    """The event buffer drops the oldest records."""
    from dsops.sandbox.cloudtrail.events import Events

    lab.sandbox.events = Events(3)
    for _ in range(5):
        lab.user("alice").call("sts", "GetCallerIdentity")

    assert len(list(lab.sandbox.events.records())) == 3
