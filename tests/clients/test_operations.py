"""Every STS operation that dsops uses, by real processes against a sandbox that verifies tokens and assertions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dsops.sandbox.control.running_sandboxes import tell
from dsops.testing.local_aws import LocalAws
from tests.desk import Desk
from tests.ports import unused_port
from tests.terminal import Terminal

DEVICE = "arn:aws:iam::111111111111:mfa/ada"
PROVIDER = "arn:aws:iam::111111111111:saml-provider/Company"
SEED = """
region: us-east-1
organization: {management_account: "111111111111", root_access: true, accounts: ["222222222222"]}
accounts:
  "111111111111":
    saml_providers: [{name: Company, issued_by_sandbox: true}]
    users:
      ada:
        mfa: {name: ada}
        policies:
          - Version: "2012-10-17"
            Statement:
              - {Effect: Allow, Action: ["sts:AssumeRole", "sts:AssumeRoot", "sts:GetFederationToken", "sts:TagSession",
                 "sts:SetContext"], Resource: "*"}
              - {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}
    roles:
      Guarded:
        trust:
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Principal: {AWS: "arn:aws:iam::111111111111:root"}
              Action: sts:AssumeRole
              Condition: {Bool: {"aws:MultiFactorAuthPresent": "true"}}
      Known:
        trust:
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Principal: {AWS: "arn:aws:iam::111111111111:root"}
              Action: [sts:AssumeRole, sts:SetContext]
              Condition: {StringEquals: {"sts:RequestContext/identitystore:UserId": "1111"}}
      Deploy: &company
        trust: &people
          Version: "2012-10-17"
          Statement:
            - Effect: Allow
              Principal: {Federated: "arn:aws:iam::111111111111:saml-provider/Company"}
              Action: [sts:AssumeRoleWithSAML, sts:TagSession]
              Condition: {StringEquals: {"SAML:aud": "https://signin.aws.amazon.com/saml"}}
        policies:
          - Version: "2012-10-17"
            Statement: {Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}
    secrets: {prod/a: for-a, prod/b: for-b}
  "222222222222": {}
"""
CONFIG = """
version: 1
defaults: {aws.sts: {region: us-east-1}, aws.secretsmanager: {region: us-east-1}}
secretStores:
  day: {type: aws.sts, serial_number: "arn:aws:iam::111111111111:mfa/ada", token_code: "${MFA_TOKEN}"}
  guarded: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Guarded", credentials_from: day}
  unguarded: {type: aws.sts, role_arn: "arn:aws:iam::111111111111:role/Guarded"}
  plain: {type: aws.sts, duration_seconds: 900}
  guest:
    type: aws.sts
    federated_user_name: guest
    tags: {team: blue}
    session_policy:
      Version: "2012-10-17"
      Statement:
        Effect: Allow
        Action: secretsmanager:GetSecretValue
        Resource: arn:aws:secretsmanager:*:*:secret:prod/a-??????
  root:
    type: aws.sts
    target_principal: "222222222222"
    task_policy_arn: arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials
  known:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/Known
    provided_contexts: {"arn:aws:iam::aws:contextProvider/IdentityCenter": "${ASSERTION:-none}"}
  file: {type: aws.sts, saml_assertion_file: response.b64}
  process: {type: aws.sts, saml_process: [cat, response.b64], principal_arn: "@PROVIDER@"}
  login:
    type: aws.sts
    role_arn: arn:aws:iam::111111111111:role/Deploy
    saml_login_url: http://127.0.0.1:@PORT@/login?app=aws
    saml_login_port: @PORT@
  guest-secrets: {type: aws.secretsmanager, credentials_from: guest}
  file-secrets: {type: aws.secretsmanager, credentials_from: file}
envs:
  one: {A: {from: {store: guest-secrets, key: prod/a}}}
  other: {B: {from: {store: guest-secrets, key: prod/b}}}
  company: {A: {from: {store: file-secrets, key: prod/a}}}
"""

_ONLY_ASKING = ("GetCallerIdentity", "GetSecretValue")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


class Adas(Desk):
    """Ada's machine: her key in the environment."""

    def __init__(self, sandbox: LocalAws, folder: Path) -> None:
        self.port = unused_port()
        config = CONFIG.replace("@PORT@", str(self.port)).replace("@PROVIDER@", PROVIDER)
        keys = sandbox.environment("ada@111111111111", {})
        keys.pop("DSOPS_KEYRING", None)
        # A configuration named by DSOPS_CONFIG may run commands and open pages.
        super().__init__(sandbox, folder, config, **keys, DSOPS_CONFIG=str(folder / "dsops.yaml"))
        self.config = folder / "dsops.yaml"

    def caller(self, store: str, **environ: str) -> str:
        """The ARN of a store's session; stderr if `whoami` fails."""
        done = self.dsops("whoami", store, **environ)
        return next(line.split()[1] for line in done.stdout.splitlines()) if not done.returncode else done.stderr

    def respond(self, *roles: str, name: str = "alice") -> str:
        """Write a SAML response of the sandbox's identity provider into the file that the store reads."""
        wish = {"role": [f"arn:aws:iam::111111111111:role/{role}" for role in roles], "session_name": name}
        if len(roles) == 1:
            wish["role"] = wish["role"][0]
        response = str(tell(self.sandbox.url, "saml", wish)["assertion"])
        (self.folder / "response.b64").write_text(response)
        return response

    def operations(self) -> list[str]:
        """The successful STS operations that issued sessions so far."""
        called = [event for event in self.sandbox.events() if "errorCode" not in event]
        return [each["eventName"] for each in called if each["eventName"] not in _ONLY_ASKING]


@pytest.fixture
def desk(sandbox: LocalAws, tmp_path: Path) -> Iterator[Adas]:
    """Ada's machine; its agent is stopped when the test ends."""
    with Adas(sandbox, tmp_path) as made:
        yield made


def test_get_session_token_with_mfa(desk: Adas) -> None:
    """A GetSessionToken session with MFA assumes a role whose trust policy requires MFA; without MFA it is denied."""
    code = desk.sandbox.totp(DEVICE)
    stdout = desk.dsops("whoami", "day", MFA_TOKEN=code).stdout
    assert "arn:aws:iam::111111111111:user/ada" in stdout
    assert "in 11 h 59 min" in stdout
    assert desk.caller("guarded").endswith("assumed-role/Guarded/" + desk.caller("guarded").rpartition("/")[2])
    assert "no MFA code was sent" in desk.caller("unguarded")
    assert desk.operations() == ["GetSessionToken", "AssumeRole"]


def test_get_session_token_without_mfa(desk: Adas) -> None:
    """GetSessionToken without MFA lasts `duration_seconds`; temporary base credentials are refused before a call."""
    assert "in 14 min" in desk.dsops("whoami", "plain", "--no-agent").stdout
    issued = desk.dsops("credentials", "plain", "--format", "env").stdout
    session = dict(line.removeprefix("export ").split("=", 1) for line in issued.splitlines() if "=" in line)
    keys = {name: value.strip("'") for name, value in session.items()}
    refused = desk.dsops("whoami", "plain", **keys)
    assert "takes a user's long-term key and no session" in refused.stderr
    assert desk.operations() == ["GetSessionToken", "GetSessionToken"]


def test_a_federated_user_may_do_what_the_policy_and_the_user_both_allow(desk: Adas) -> None:
    """A federated user can read only what both the session policy and the calling user's policy allow.

    The session tags are recorded in CloudTrail.
    """
    allowed = desk.dsops("get", "--env", "one", "A")
    assert allowed.stdout == "for-a", allowed.stderr
    denied = desk.dsops("get", "--env", "other", "B").stderr
    assert "secret.access-denied" in denied
    assert desk.caller("guest") == "arn:aws:sts::111111111111:federated-user/guest"
    called = next(event for event in desk.sandbox.events() if event["eventName"] == "GetFederationToken")
    assert called["requestParameters"]["name"] == "guest"
    assert called["requestParameters"]["tags"] == [{"key": "team", "value": "blue"}]


def test_a_member_accounts_root_user_for_one_task(desk: Adas) -> None:
    """AssumeRoot gives a 15-minute session of a member account's root user; accounts outside are denied."""
    done = desk.dsops("whoami", "root")
    output = done.stdout + done.stderr
    assert "arn:aws:iam::222222222222:root" in output
    assert "in 14 min" in output
    desk.config.write_text(
        desk.config.read_text().replace('target_principal: "222222222222"', 'target_principal: "333333333333"')
    )
    assert "not authorized" in desk.caller("root")


def test_a_context_assertion(desk: Adas) -> None:
    """A trust policy can test the user in a context assertion; a forged assertion is refused and not printed."""
    wish = {"context": {"identitystore:UserId": "1111"}}
    good = str(tell(desk.sandbox.url, "context", wish)["assertion"])
    assert "assumed-role/Known" in desk.caller("known", ASSERTION=good)
    bad = desk.caller("known", ASSERTION=good[:40] + good[41:])
    assert "context assertion" in bad
    assert good not in bad


def test_a_saml_response_in_a_file(desk: Adas) -> None:
    """A SAML response in a file is enough to assume its role, without keys; the session outlives the response."""
    desk.respond("Deploy")
    done = desk.dsops("get", "--env", "company", "A", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert done.stdout == "for-a", done.stderr
    assert desk.caller("file") == "arn:aws:sts::111111111111:assumed-role/Deploy/alice"
    desk.sandbox.clock.advance(600)
    assert desk.caller("file").endswith("Deploy/alice")
    desk.dsops("agent", "clear")
    late = desk.caller("file")
    assert "within 5 minutes" in late
    assert "log in again" in late


def test_another_users_saml_response_is_another_session(desk: Adas) -> None:
    """The agent never serves a session of one user's SAML response to another user; invalid responses are not sent."""
    desk.respond("Deploy")
    assert desk.caller("file").endswith("Deploy/alice")
    desk.respond("Deploy", name="bob")
    assert desk.caller("file").endswith("Deploy/bob")
    (desk.folder / "response.b64").write_text("root:x:0:0")
    assert "is not a SAML response, so it is not sent" in desk.caller("file")
    (desk.folder / "response.b64").unlink()
    assert "there is no SAML response in" in desk.caller("file")


def test_a_saml_response_from_a_command(desk: Adas) -> None:
    """A store's command prints the SAML response that AWS accepts; a forged response is refused and not printed."""
    response = desk.respond("Deploy")
    assert desk.caller("process") == "arn:aws:sts::111111111111:assumed-role/Deploy/alice"
    import base64

    forged = base64.b64encode(base64.b64decode(response).replace(b">alice<", b">admin<")).decode()
    (desk.folder / "response.b64").write_text(forged)
    refused = desk.caller("process", OTHER="another command's environment")
    assert "signature" in refused
    assert forged not in refused


BROWSER = """#!{python}
import sys, urllib.parse, urllib.request
page, response = sys.argv[1], open({file!r}).read()
address = urllib.parse.urlsplit(page)
assert (address.path, address.query) == ("/login", "app=aws"), page
for body in ({{"SAMLResponse": "rubbish"}}, {{"SAMLResponse": response, "RelayState": ""}}):
    post = urllib.request.Request("http://" + address.netloc + "/saml", urllib.parse.urlencode(body).encode())
    try:
        urllib.request.urlopen(post, timeout=10).read()
    except urllib.error.HTTPError as error:
        assert error.code == 400, error
"""


def test_a_saml_login_in_the_browser(desk: Adas) -> None:
    """A SAML login opens the browser after Enter and ignores requests of other pages; the agent caches the session."""
    desk.respond("Deploy")
    browser = desk.folder / "browser"
    browser.write_text(BROWSER.format(python=sys.executable, file=str(desk.folder / "response.b64")))
    browser.chmod(0o700)
    words = [f"{name}={value}" for name, value in {**desk.environ, "BROWSER": str(browser)}.items()]
    with Terminal(["/usr/bin/env", "-i", *words, "dsops", "whoami", "login", "--no-agent"]) as terminal:
        screen = terminal.expect("Enter opens it")
        assert "store `login` needs a login. This page will open in your browser:" in screen
        assert f"  http://127.0.0.1:{desk.port}/login" in screen.splitlines()
        assert f"http://127.0.0.1:{desk.port}/saml" in screen
        terminal.type("\r")
        terminal.expect("assumed-role/Deploy/alice")
        assert terminal.code() == 0
    with Terminal(["/usr/bin/env", "-i", *words, "dsops", "whoami", "login"]) as terminal:
        terminal.expect("Enter opens it")
        terminal.type("\r")
        terminal.expect("assumed-role/Deploy/alice")
        assert terminal.code() == 0
    assert desk.caller("login") == "arn:aws:sts::111111111111:assumed-role/Deploy/alice"
    assert "`dsops whoami login` logs in with SAML" in desk.dsops("login", "login").stderr
    desk.dsops("agent", "clear")
    nobody = desk.dsops("whoami", "login", BROWSER=str(browser))
    assert "there is no terminal to ask on" in nobody.stderr
    assert "run `dsops whoami login` in a terminal" in nobody.stderr
