"""The sandbox's page: its files, its token, the list of calls, what would allow a call, and edited policies."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dsops.request.messages import HttpAnswer, HttpRequest
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.page.files import page_link
from tests.sandboxes import ACCOUNT, OTHER, Lab
from tests.unit.sandbox.conftest import LabFactory

HOST = "127.0.0.1:4566"
PAGE = {"sec-fetch-site": "same-origin", "origin": f"http://{HOST}"}

SEED = """
organization:
  management_account: "111111111111"
  service_control_policies:
    - {name: guardrail, document: {Version: "2012-10-17", Statement: [{Sid: NoSimpleDb, Effect: Deny, Action: "sdb:*",
       Resource: "*"}, {Effect: Allow, Action: "*", Resource: "*"}]}}
  accounts: ["222222222222"]
accounts:
  "111111111111":
    users:
      alice:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}
      bob:
        policies:
        - {Version: "2012-10-17", Statement: [{Effect: Allow, Action: "*", Resource: "*"}, {Sid: Shut, Effect: Deny,
           Action: "secretsmanager:*", Resource: "*"}]}
      carol: {}
    roles:
      Reader:
        trust: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole",
                Principal: {AWS: "arn:aws:iam::111111111111:user/bob"}}}
      Guarded:
        trust: {Version: "2012-10-17", Statement: {Effect: Allow,
                Principal: {AWS: "arn:aws:iam::111111111111:user/alice"}, Action: "sts:AssumeRole",
                Condition: {StringEquals: {"sts:ExternalId": "hush-external"},
                            Bool: {"aws:MultiFactorAuthPresent": "true"}}}}
    secrets: {prod/token: invented}
  "222222222222":
    users: {dan: {policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}]}}
"""


@pytest.fixture
def world(make_lab: LabFactory) -> Lab:
    """A sandbox with an organization, users with few permissions, and roles that they may not assume."""
    return make_lab(SEED)


@pytest.fixture
def control(world: Lab) -> Control:
    """The control endpoints."""
    return Control(world.sandbox)


def send(control: Control, path: str, body: object = None, **headers: str) -> HttpAnswer:
    """Send a request as a browser on this machine does."""
    path, _, query = path.partition("?")
    content = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return control.handle(
        HttpRequest(method, f"/_sandbox/{path}", query, {"host": HOST, **named}, content, "127.0.0.1")
    )


def ask(control: Control, path: str, body: object = None) -> dict[str, Any]:
    """Ask as the page's script does; the answer must be 200."""
    answer = send(control, path, body, **PAGE, x_sandbox_page_token=control.page_token)
    assert answer.status == 200, answer.body
    content: dict[str, Any] = json.loads(answer.body)
    return content


def last_decision(control: Control) -> dict[str, Any]:
    """The details of the last decision."""
    return ask(control, f"decisions/{ask(control, 'decisions?rows=yes')['next']}")


def edit_of(number: int, kind: str, change: dict[str, str], *, save: bool) -> dict[str, object]:
    """The request to try or save a proposed change."""
    written = {"name": change["policy"], "before": change["before"], "text": change["after"]}
    return {"decision": number, "kind": kind, **written, "save": save}


# --- files and token ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "/page.css", "/main.js", "/editor.js"])
def test_the_files_need_no_token_and_allow_nothing_from_elsewhere(control: Control, name: str) -> None:
    """The page's files have a Content-Security-Policy, cannot be framed, and are not kept by a cache."""
    answer = send(control, f"ui{name}", sec_fetch_site="cross-site")
    headers = dict(answer.headers)

    assert answer.status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Cache-Control"] == "no-store"
    assert control.page_token.encode() not in answer.body


@pytest.mark.parametrize("name", ["/../control/endpoints.py", "/nothing", "/%2e%2e/files.py", "/static/page.html"])
def test_there_are_no_other_files(control: Control, name: str) -> None:
    """Only the named files are served."""
    assert send(control, f"ui{name}").status == 404


def test_a_page_without_the_token_learns_nothing(control: Control, world: Lab) -> None:
    """A request of a browser's page needs this run's token, and comes from this origin only."""
    world.user("carol").refused("secretsmanager", "GetSecretValue", SecretId="prod/token")
    token = control.page_token

    for headers in (
        PAGE,
        {**PAGE, "x_sandbox_page_token": "of-an-earlier-run"},
        {**PAGE, "origin": "http://evil.example", "x_sandbox_page_token": token},
        {**PAGE, "origin": "null", "x_sandbox_page_token": token},
        {**PAGE, "origin": "http://127.0.0.1:9999", "x_sandbox_page_token": token},
        {"sec-fetch-site": "cross-site", "x_sandbox_page_token": token},
        {"sec-fetch-site": "same-site", "x_sandbox_page_token": token},
    ):
        for path, body in (("decisions", None), ("decisions/1", None), ("policy", {"decision": 1})):
            answer = send(control, path, body, **headers)
            assert answer.status == 403
            assert b"carol" not in answer.body


def test_the_link_has_the_token_where_no_server_sees_it(control: Control) -> None:
    """The token is the link's fragment, which a browser does not send."""
    assert page_link("http://127.0.0.1:4566", control.page_token) == (
        f"http://127.0.0.1:4566/_sandbox/ui#{control.page_token}"
    )
    assert len(control.page_token) >= 43


# --- calls ---------------------------------------------------------------------------------------------------------


def test_new_calls_are_rows(control: Control, world: Lab) -> None:
    """A poll returns the calls after the last poll, as rows."""
    before = ask(control, "decisions?rows=yes")["next"]
    carol = world.user("carol")
    carol.refused("secretsmanager", "GetSecretValue", SecretId="prod/token")
    first = ask(control, f"decisions?rows=yes&after={before}")
    carol.refused("sqs", "ListQueues")
    second = ask(control, f"decisions?rows=yes&after={first['next']}")

    assert [row["action"] for row in first["decisions"]] == ["secretsmanager:GetSecretValue"]
    assert first["decisions"][0]["caller"] == f"arn:aws:iam::{ACCOUNT}:user/carol"
    assert not first["decisions"][0]["is_allowed"]
    assert [row["action"] for row in second["decisions"]] == ["sqs:ListQueues"]
    assert ask(control, f"decisions?rows=yes&after={second['next']}")["decisions"] == []


def test_only_kept_decisions_have_details(control: Control, world: Lab) -> None:
    """A number that was never given, or whose decision is not kept any more, is not found."""
    world.user("carol").refused("sqs", "ListQueues")
    numbers = [row["number"] for row in ask(control, "decisions?rows=yes")["decisions"]]
    token = control.page_token

    assert ask(control, f"decisions/{numbers[0]}")["number"] == numbers[0]
    for path in ("decisions/0", f"decisions/{numbers[-1] + 1}", "decisions/x", "decisions/-1"):
        assert send(control, path, **PAGE, x_sandbox_page_token=token).status == 404
    world.sandbox.judge.decisions.clear()
    assert send(control, f"decisions/{numbers[0]}", **PAGE, x_sandbox_page_token=token).status == 404


def test_an_external_id_is_hidden_but_in_its_document(control: Control, world: Lab) -> None:
    """The reasons mask the external ID; the role's own trust policy is shown as it is stored."""
    world.user("alice").refused_role(f"arn:aws:iam::{ACCOUNT}:role/Guarded")
    details = last_decision(control)

    assert "hush-external" not in json.dumps([details["reasons"], [each["instead"] for each in details["changes"]]])
    assert any("hush-external" in each["text"] for each in details["documents"])


# --- what would allow it -------------------------------------------------------------------------------------------


def refused_calls(world: Lab) -> None:
    """Make calls that are refused by policies of each kind."""
    alice, bob, carol = (world.user(name) for name in ("alice", "bob", "carol"))
    alice.refused_role(f"arn:aws:iam::{ACCOUNT}:role/Reader")
    alice.refused_role(f"arn:aws:iam::{ACCOUNT}:role/Guarded")
    alice.refused("secretsmanager", "GetSecretValue", SecretId="prod/token")
    bob.refused("secretsmanager", "GetSecretValue", SecretId="prod/token")
    carol.refused("secretsmanager", "GetSecretValue", SecretId="prod/token")
    carol.refused("s3", "ListBuckets")


def test_saving_what_would_allow_a_call_allows_it(control: Control, world: Lab) -> None:
    """Each proposed change is saved, and then the same call succeeds: the proposals are proven by real calls."""
    refused_calls(world)
    rows = [row for row in ask(control, "decisions?rows=yes")["decisions"] if not row["is_allowed"]]
    assert len(rows) == 6
    for row in rows:
        details = ask(control, f"decisions/{row['number']}")
        assert details["changes"], row
        for change in details["changes"]:
            kind = {"role trust policy": "trust"}.get(change["policy_type"], "identity")
            answer = ask(control, "policy", edit_of(row["number"], kind, change, save=True))
            assert answer["is_saved"], answer
            assert row["number"] in [call["number"] for call in answer["calls"] if call["would_be_allowed"]]

    alice, bob, carol = (world.user(name) for name in ("alice", "bob", "carol"))
    alice.assume(f"arn:aws:iam::{ACCOUNT}:role/Reader")
    alice.assume(f"arn:aws:iam::{ACCOUNT}:role/Guarded")
    for user in (alice, bob, carol):
        assert user.call("secretsmanager", "GetSecretValue", SecretId="prod/token")["SecretString"] == "invented"
    carol.call("s3", "ListBuckets")


def test_a_change_opens_as_little_as_it_can(control: Control, world: Lab) -> None:
    """A missing permission is added as a statement of its own; a missing condition is told with its alternative."""
    refused_calls(world)
    rows = [row for row in ask(control, "decisions?rows=yes")["decisions"] if not row["is_allowed"]]
    changes = {
        (row["caller"].rpartition("/")[2], row["action"], row["resource"]): details["changes"]
        for row in rows
        for details in [ask(control, f"decisions/{row['number']}")]
    }
    by_what = {key[:2]: [(change["what"], change["opens"]) for change in value] for key, value in changes.items()}
    guarded = changes["alice", "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/Guarded"][0]
    reader = changes["alice", "sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/Reader"][0]

    assert by_what["alice", "secretsmanager:GetSecretValue"] == [("add a statement for this request", "nothing else")]
    assert by_what["carol", "secretsmanager:GetSecretValue"] == [
        ("add a policy for this request to the caller", "nothing else")
    ]
    assert by_what["bob", "secretsmanager:GetSecretValue"] == [
        ("remove statement Shut, which denies it", "all else that statement Shut denies")
    ]
    assert guarded["what"] == "remove the condition on sts:ExternalId and aws:MultiFactorAuthPresent from statement 1"
    assert guarded["instead"] == (
        "call with sts:ExternalId (StringEquals ***) and aws:MultiFactorAuthPresent (Bool true)"
    )
    assert reader["what"] == f"add arn:aws:iam::{ACCOUNT}:user/alice to the principals of statement 1"


def test_a_name_with_wildcards_opens_no_other_name(control: Control, world: Lab) -> None:
    """The characters `*`, `?` and `$` of an object's key are written literally in a proposed statement."""
    carol, bob = world.user("carol"), world.user("bob")
    bob.call("s3", "CreateBucket", Bucket="invented")
    for key in ("a*?$", "abcd"):
        bob.call("s3", "PutObject", Bucket="invented", Key=key, Body=b"x")
    carol.refused("s3", "GetObject", Bucket="invented", Key="a*?$")
    details = last_decision(control)
    for change in details["changes"]:
        assert ask(control, "policy", edit_of(details["number"], "identity", change, save=True))["is_saved"]

    carol.call("s3", "GetObject", Bucket="invented", Key="a*?$")
    carol.refused("s3", "GetObject", Bucket="invented", Key="abcd")
    assert details["changes"][0]["opens"] == "nothing else"


def test_policies_of_an_organization_are_changed_as_well(control: Control, world: Lab) -> None:
    """A denial of an SCP is resolved in the SCP, and a policy of AWS is never proposed for a change."""
    dan = world.user("dan", OTHER)
    dan.refused("sdb", "ListDomains")
    details = last_decision(control)
    (change,) = details["changes"]

    assert (change["policy_type"], change["what"]) == (
        "service control policy",
        "remove statement NoSimpleDb, which denies it",
    )
    edit = edit_of(details["number"], "scp", change, save=True)
    assert ask(control, "policy", edit)["is_saved"]
    dan.call("sdb", "ListDomains")
    awss = [each for each in details["documents"] if "::aws:policy/" in each["name"]]
    assert awss
    assert all(each["now"] is None for each in awss)


# --- edited policies -----------------------------------------------------------------------------------------------


def test_an_edit_tells_what_it_would_change_and_changes_nothing(control: Control, world: Lab) -> None:
    """Without `save`, a document is linted and tried on the latest calls; only calls of that policy are counted."""
    bob, carol = world.user("bob"), world.user("carol")
    bob.call("s3", "ListBuckets")
    carol.refused("s3", "ListBuckets")
    bob.refused("secretsmanager", "GetSecretValue", SecretId="prod/token")
    details = last_decision(control)
    document = next(each for each in details["documents"] if each["kind"] == "identity")
    text = json.dumps(
        {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "secretsmanagr:*", "Resource": "*"}}
    )
    change = {"policy": document["name"], "before": document["now"], "after": text}
    answer = ask(control, "policy", edit_of(details["number"], "identity", change, save=False))

    assert not answer["is_saved"]
    assert any("secretsmanagr" in finding["message"] for finding in answer["findings"])
    assert [(call["action"], call["would_be_allowed"]) for call in answer["calls"]] == [("s3:ListAllMyBuckets", False)]
    bob.call("s3", "ListBuckets")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "[" * 5000, '{"Version": "2012-10-17"}', "\x00", "a" * 70_000, '"\\ud800"']
)
def test_a_document_that_aws_refuses_is_not_saved(control: Control, world: Lab, text: str) -> None:
    """Bad text gets findings, changes no call, and AWS's own error when it is saved."""
    world.user("alice").refused_role(f"arn:aws:iam::{ACCOUNT}:role/Reader")
    details = last_decision(control)
    (trust,) = [each for each in details["documents"] if each["kind"] == "trust"]
    change = {"policy": trust["name"], "before": trust["now"], "after": text}
    answer = ask(control, "policy", edit_of(details["number"], "trust", change, save=True))

    assert [finding["severity"] for finding in answer["findings"]][:1] == ["error"]
    assert (answer["calls"], answer["is_saved"]) == ([], False)
    assert answer["refused"]
    world.user("bob").assume(f"arn:aws:iam::{ACCOUNT}:role/Reader")


def test_a_later_edit_is_not_undone(control: Control, world: Lab) -> None:
    """A proposal builds on the present document, and an edit of an older document is refused."""
    alice = world.user("alice")
    alice.refused_role(f"arn:aws:iam::{ACCOUNT}:role/Guarded")
    alice.refused_role(f"arn:aws:iam::{ACCOUNT}:role/Guarded", ExternalId="hush-external")
    number = ask(control, "decisions?rows=yes")["next"]
    (early,), (late,) = (ask(control, f"decisions/{each}")["changes"] for each in (number - 1, number))
    assert ask(control, "policy", edit_of(number, "trust", late, save=True))["is_saved"]

    stale = ask(control, "policy", edit_of(number - 1, "trust", early, save=True))
    assert (stale["is_saved"], "has changed since" in stale["refused"]) == (False, True)
    assert ask(control, f"decisions/{number}")["is_allowed_now"]
    (change,) = ask(control, f"decisions/{number - 1}")["changes"]
    assert change["what"] == "remove the condition on sts:ExternalId from statement 1"
    alice.assume(f"arn:aws:iam::{ACCOUNT}:role/Guarded", ExternalId="hush-external")


def test_saving_is_recorded_as_a_call_of_root(control: Control, world: Lab) -> None:
    """CloudTrail and the list of calls show the change as the root user's."""
    world.user("alice").refused_role(f"arn:aws:iam::{ACCOUNT}:role/Reader")
    details = last_decision(control)
    (change,) = details["changes"]
    edit = edit_of(details["number"], "trust", change, save=True)
    ask(control, "policy", edit)
    record = ask(control, "events?last=1")["Records"][0]

    assert (record["eventName"], record["userIdentity"]["type"]) == ("UpdateAssumeRolePolicy", "Root")
    assert last_decision(control)["caller"] == f"arn:aws:iam::{ACCOUNT}:root"


@pytest.mark.parametrize(
    "body",
    [
        [],
        "text",
        {"decision": 1},
        {"decision": "1", "kind": "trust", "name": "x", "before": "", "text": "", "save": False},
        {"decision": 1, "kind": "other", "name": "x", "before": "", "text": "", "save": False},
        {"decision": 1, "kind": ["trust"], "name": "x", "before": "", "text": "", "save": False},
        {"decision": 1, "kind": "trust", "name": 1, "before": "", "text": "", "save": False},
        {"decision": 1, "kind": "trust", "name": "x", "before": "", "text": "", "save": "yes"},
    ],
)
def test_an_invalid_edit_is_refused(control: Control, world: Lab, body: object) -> None:
    """A body of another form gets a 400 that shows the form."""
    world.user("carol").refused("sqs", "ListQueues")
    answer = send(control, "policy", body, **PAGE, x_sandbox_page_token=control.page_token)

    assert answer.status == 400
    assert b"send {" in answer.body
