"""IAM Identity Center stores: which login they use, when the token is renewed, and errors."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest

from dsops.aws.http.wire import Response, WireRequest
from dsops.cache import CredentialCache
from dsops.errors import ConfigError, DsopsError, LimitExceeded, LoginRequired, NotAssigned, ServiceError
from tests.center_in_memory import ADA, EVE, REGION, START_URL, InMemoryCenter, token_file
from tests.pipeline import Pipeline, words

STORE = (
    f"secretStores:\n  r: {{type: aws.sso, start_url: '{START_URL}', sso_region: {REGION}, account_id: 012345678901, "
    "role_name: Admin}\n"
)
OTHER = STORE.splitlines(keepends=True)[1].replace(" r:", " s:").replace("Admin", "ReadOnly")
"""Another permission set of the same login."""

OF_SESSION = "secretStores:\n  r: {type: aws.sso, sso_session: corp, account_id: 012345678901, role_name: Admin}\n"
CONFIG = f"[sso-session corp]\nsso_start_url = {START_URL}\nsso_region = {REGION}\n"


class Desk(Pipeline):
    """A user's process with a home folder and an Identity Center."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.home = home
        self.center = InMemoryCenter(self.clock)
        self.aws = self.center
        self.environ = {"HOME": str(home)}

    def config(self, text: str) -> None:
        """Write the AWS config file."""
        path = self.home / ".aws" / "config"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")

    def caller(self, text: str = STORE, store: str = "r") -> str:
        """The ARN of the store's session."""
        return self.center.issued[self.credentials(text, store).access_key_id]

    def failure(self, text: str = STORE) -> DsopsError:
        """Return the error of the store's session; assert that it shows no token."""
        with pytest.raises(DsopsError) as caught:
            self.credentials(text, "r")
        assert "PLANTED" not in words(caught.value)
        return caught.value


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A user's process without a login."""
    return Desk(tmp_path)


def test_a_token_that_is_valid_takes_one_request(desk: Desk) -> None:
    """With a valid token dsops sends one unsigned GetRoleCredentials request with account, role and token.

    The token is sent in a header.
    """
    desk.center.log_in(desk.home)
    assert f"arn:aws:sts::012345678901:assumed-role/AWSReservedSSO_Admin_0/{ADA}" == desk.caller()
    (request,) = desk.center.requests
    assert (
        f"https://portal.sso.{REGION}.amazonaws.com/federation/credentials?role_name=Admin&account_id=012345678901"
        == request.url
    )
    assert ("x-amz-sso_bearer_token", "PLANTED-access-0") in request.headers
    assert request.signing is None
    assert "PLANTED" not in repr(request)


def test_the_session_is_the_answers(desk: Desk) -> None:
    """The session has the keys and the expiry from the portal's response, in which AWS gives milliseconds."""
    desk.center.log_in(desk.home)
    session = desk.credentials(STORE, "r")
    assert "secret-ASIA0000000000000001" == session.secret_access_key.reveal()
    assert "2026-11-24T13:00:00Z" == session.expiration_text
    assert session.is_temporary


def test_a_session_of_the_config_file_has_its_own_token(desk: Desk) -> None:
    """The token of an `sso-session` is found by the session's name instead of its start URL, as in the AWS CLI."""
    desk.config(CONFIG)
    desk.center.log_in(desk.home, EVE)
    desk.center.log_in(desk.home, ADA, key="corp")
    assert desk.caller(OF_SESSION).endswith(f"/{ADA}")
    assert desk.caller(STORE).endswith(f"/{EVE}")


def test_the_config_file_is_the_clients(desk: Desk, tmp_path: Path) -> None:
    """The config file is the client's AWS_CONFIG_FILE; a relative path is resolved against the client's folder."""
    (tmp_path / "elsewhere").write_text(CONFIG, "utf-8")
    desk.folder = str(tmp_path)
    desk.environ = {**desk.environ, "AWS_CONFIG_FILE": "elsewhere"}
    desk.center.log_in(desk.home, key="corp")
    assert desk.caller(OF_SESSION)


@pytest.mark.parametrize(
    ("config", "message", "hint"),
    [
        (CONFIG.replace("corp", "corps"), "there is no `[sso-session corp]`", "did you mean `corps`?"),
        (CONFIG.replace("corp", "other"), "there is no `[sso-session corp]`", "its sessions are other"),
        ("[default]\n", "there is no `[sso-session corp]`", "aws configure sso-session"),
        ("[sso-session corp]\nsso_region = us-east-1\n", "has no `sso_start_url`", "access portal"),
        (f"[sso-session corp]\nsso_start_url = {START_URL}\n", "has no `sso_region`", "set `sso_region`"),
        (CONFIG.replace("https", "http"), "has no usable `sso_start_url`", "https address"),
        (CONFIG.replace(REGION, "evil.example/x"), "has no usable `sso_region`", "region"),
        ("rubbish\n", "can't be read as an AWS config file", "[profile NAME]"),
    ],
)
def test_a_session_that_is_not_there_is_told_when_it_is_planned(
    desk: Desk, config: str, message: str, hint: str
) -> None:
    """A missing or incomplete sso-session is an error in the plan, with line and suggestion."""
    desk.config(config)
    with pytest.raises(ConfigError) as caught:
        desk.plan(OF_SESSION, store="r")
    assert message in words(caught.value)
    assert hint in words(caught.value)


def test_a_line_that_cannot_be_read_is_named(desk: Desk) -> None:
    """A malformed line in the sso-session's section is an error; a malformed line elsewhere is not."""
    desk.config(f"[default]\nregion = us-east-1\n{CONFIG}what is this\n")
    with pytest.raises(ConfigError) as caught:
        desk.plan(OF_SESSION, store="r")
    (problem,) = caught.value.problems
    assert 6 == problem.where.line
    desk.config(f"[default]\nwhat is this\n{CONFIG}")
    assert desk.plan(OF_SESSION, store="r")


def test_who_has_not_logged_in_is_told_the_command(desk: Desk) -> None:
    """Without a login the error's hint is the `dsops login` command, and no request is made."""
    failure = desk.failure()
    assert isinstance(failure, LoginRequired)
    assert f"store `r` needs the login at {START_URL}" == failure.message
    assert ("not logged in", "dsops login r") == (failure.why, failure.hint)
    assert [] == desk.center.asked


def test_a_token_that_ends_soon_is_renewed_and_put_back(desk: Desk) -> None:
    """A token close to expiry is renewed and written back in the AWS CLI's format with mode 0600."""
    path = desk.center.log_in(desk.home, seconds=600)
    before = json.loads(path.read_text("utf-8"))
    desk.caller()
    assert ["CreateToken", "GetRoleCredentials"] == desk.center.asked
    after = json.loads(path.read_text("utf-8"))
    assert before.keys() == after.keys()
    assert ("PLANTED-access-1", "2026-11-24T13:00:00Z") == (after["accessToken"], after["expiresAt"])
    same = ("startUrl", "region", "clientId", "clientSecret", "registrationExpiresAt", "refreshToken")
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert 0o600 == path.stat().st_mode & 0o777
    assert [path.name, f"{path.name}.lock"] == sorted(os.listdir(path.parent))


def test_a_token_with_time_left_is_left_alone(desk: Desk) -> None:
    """A token valid for 16 minutes is not renewed."""
    desk.center.log_in(desk.home, seconds=16 * 60)
    desk.caller()
    assert ["GetRoleCredentials"] == desk.center.asked


def test_an_expired_token_that_cannot_be_renewed_needs_a_person(desk: Desk) -> None:
    """An expired token that cannot be renewed requires a new login, and no request is made.

    The refresh token is missing, or the client registration has expired.
    """
    desk.center.log_in(desk.home, seconds=-60, refreshToken=None)
    assert "it ended at 2026-11-24T11:59:00Z" == desk.failure().why
    desk.center.log_in(desk.home, seconds=-60, registrationExpiresAt="2026-11-24T11:00:00Z")
    assert "dsops login r" == desk.failure().hint
    assert [] == desk.center.asked


def test_a_refresh_token_that_is_refused_needs_a_person(desk: Desk) -> None:
    """If the endpoint rejects the refresh token, the error has its message and requires a login, without a retry."""
    desk.center.log_in(desk.home, seconds=-60)
    desk.center.refresh_tokens.clear()
    failure = desk.failure()
    assert ("it can't be renewed: Invalid refresh token provided", "dsops login r") == (failure.why, failure.hint)
    assert ["CreateToken"] == desk.center.asked


def test_a_token_that_is_still_good_serves_when_renewal_fails(desk: Desk) -> None:
    """If renewal fails, dsops uses the old token while that token is valid (ten minutes in this test)."""
    desk.center.log_in(desk.home, seconds=600)
    desk.center.outage = lambda action, _: Response(503, {}, b"") if action == "CreateToken" else None
    assert desk.caller()


def test_an_outage_is_tried_again_and_told_as_one(desk: Desk) -> None:
    """If a renewal gets a 5xx response, it is retried and then reported as an outage, not as a missing login."""
    desk.center.log_in(desk.home, seconds=-60)
    desk.center.outage = lambda *_: Response(503, {}, b"")
    failure = desk.failure()
    assert isinstance(failure, ServiceError)
    assert ["CreateToken"] * 4 == desk.center.asked


@pytest.mark.parametrize("user", [ADA, EVE])
def test_another_process_may_be_quicker(desk: Desk, user: str) -> None:
    """If another process renewed the token first, the run fails with the hint to run the command again.

    The new token may belong to another user.
    """

    def quicker(action: str, _: WireRequest) -> None:
        if action == "CreateToken" and desk.center.refresh_tokens.pop("PLANTED-refresh-0", ""):
            desk.center.log_in(desk.home, user)

    desk.center.outage = quicker
    desk.center.log_in(desk.home, ADA, seconds=-60)
    assert "run the command again" == desk.failure().hint
    assert desk.caller().endswith(f"/{user}")
    assert ["CreateToken", "GetRoleCredentials"] == desk.center.asked


def test_a_run_by_itself_takes_what_another_process_has_renewed(desk: Desk) -> None:
    """A run without cache uses the token that another process renewed."""

    def quicker(action: str, _: WireRequest) -> None:
        if action == "CreateToken" and desk.center.refresh_tokens.pop("PLANTED-refresh-0", ""):
            desk.center.log_in(desk.home)

    desk.center.outage = quicker
    desk.center.log_in(desk.home, seconds=-60)
    desk.cache = CredentialCache(desk.clock, is_of_one_run=True)
    assert desk.caller().endswith(f"/{ADA}")
    assert ["CreateToken", "GetRoleCredentials"] == desk.center.asked


def test_a_login_that_changes_while_the_portal_is_asked_is_refused(desk: Desk) -> None:
    """If the login changes during the portal's call, the session is refused; the next run uses the new login."""

    def elsewhere(action: str, _: WireRequest) -> None:
        if action == "GetRoleCredentials" and desk.center.tokens.pop("PLANTED-access-0", ""):
            desk.center.tokens["gone"] = ADA
            desk.center.log_in(desk.home, EVE)

    desk.center.outage = elsewhere
    desk.center.log_in(desk.home, ADA)
    assert "has changed since this run was planned" in desk.failure().message
    assert {} == desk.center.issued
    assert desk.caller().endswith(f"/{EVE}")


def test_a_login_that_was_ended_elsewhere_is_renewed_once(desk: Desk) -> None:
    """If the portal rejects a token before its expiry, the token is renewed once."""
    desk.center.log_in(desk.home)
    desk.center.tokens.clear()
    desk.center.tokens["other"] = EVE
    assert desk.caller().endswith(f"/{ADA}")
    assert ["GetRoleCredentials", "CreateToken", "GetRoleCredentials"] == desk.center.asked


def test_a_login_that_was_ended_for_good_needs_a_person(desk: Desk) -> None:
    """If the endpoint rejects both token and refresh token, the error requires a login."""
    desk.center.log_in(desk.home)
    desk.center.tokens.clear()
    desk.center.refresh_tokens.clear()
    assert isinstance(desk.failure(), LoginRequired)


@pytest.mark.parametrize(
    ("account", "role", "hint"),
    [
        ("012345678901", "Admins", "did you mean `Admin`?"),
        ("012345678901", "Zebra", "its permission sets there: Admin, ReadOnly"),
        ("012345678910", "Admin", "did you mean 012345678901 (name of 012345678901)?"),
        ("999999999999", "Admin", "its accounts: 012345678901 (name of 012345678901), 222222222222"),
    ],
)
def test_what_is_not_assigned_is_told_with_what_is(desk: Desk, account: str, role: str, hint: str) -> None:
    """If the permission set is not assigned to the user, the error lists the assigned ones.

    The portal itself returns only `No access`.
    """
    desk.center.log_in(desk.home)
    failure = desk.failure(STORE.replace("012345678901", account).replace("Admin", role))
    assert isinstance(failure, NotAssigned)
    assert f"store `r`: this login has no permission set {role} in account {account}" == failure.message
    assert hint in failure.hint


def test_two_permission_sets_of_one_login_are_two_sessions(desk: Desk) -> None:
    """Two permission sets of one login give two sessions, and the login is renewed once."""
    desk.center.log_in(desk.home, seconds=-60)
    text = (
        STORE
        + OTHER
        + "envs:\n  e:\n"
        + "".join(f"    {name}: {{from: {{store: {name}, key: access_key_id}}}}\n" for name in ("r", "s"))
    )
    values = desk.resolve(text, "e")
    assert 2 == len(set(values.values()))
    assert ["CreateToken", "GetRoleCredentials", "GetRoleCredentials"] == desk.center.asked


def test_a_renewal_keeps_the_session_that_is_held(desk: Desk) -> None:
    """A renewed token with the same refresh token belongs to the same user, so cached sessions stay valid."""
    desk.center.log_in(desk.home, seconds=1200)
    first = desk.caller()
    desk.clock.advance(600)
    desk.caller(STORE.replace("Admin", "ReadOnly"))
    assert "CreateToken" in desk.center.asked
    assert first == desk.caller()
    assert 2 == desk.center.asked.count("GetRoleCredentials")


def test_another_login_gets_another_session(desk: Desk) -> None:
    """A session of one login is never used for another login in the same token file."""
    desk.center.log_in(desk.home, ADA)
    assert desk.caller().endswith(f"/{ADA}")
    desk.center.log_in(desk.home, EVE)
    assert desk.caller().endswith(f"/{EVE}")


def test_a_login_that_changes_after_the_plan_is_refused(desk: Desk) -> None:
    """If the login changes after the plan, the run is refused.

    Otherwise the new user's session would be cached as the first user's.
    """
    desk.center.log_in(desk.home, ADA)
    plan = desk.plan(STORE, store="r")
    desk.center.log_in(desk.home, EVE)
    with pytest.raises(LoginRequired, match="has changed since this run was planned") as caught:
        desk.time.run(desk.resolver(plan).credentials("r"), desk.center)
    assert "run the command again" == caught.value.hint
    assert [] == desk.center.asked


def test_a_run_by_itself_takes_the_login_that_there_is(desk: Desk) -> None:
    """A run without cache uses the login that exists at the time of the call."""
    desk.center.log_in(desk.home, ADA)
    plan = desk.plan(STORE, store="r")
    desk.center.log_in(desk.home, EVE)
    desk.cache = CredentialCache(desk.clock, is_of_one_run=True)
    session = desk.time.run(desk.resolver(plan).credentials("r"), desk.center)
    assert desk.center.issued[session.access_key_id].endswith(f"/{EVE}")


def test_a_rotated_refresh_token_is_the_same_person_in_one_process(desk: Desk) -> None:
    """If the process rotates a refresh token, the plan's next store still treats the login as the same user's."""
    desk.center.rotates = True
    desk.center.log_in(desk.home, seconds=-60)
    plan, other = desk.plan(STORE + OTHER, store="r"), desk.plan(STORE + OTHER, store="s")
    desk.time.run(desk.resolver(plan).credentials("r"), desk.center)
    session = desk.time.run(desk.resolver(other).credentials("s"), desk.center)
    assert desk.center.issued[session.access_key_id].endswith(f"ReadOnly_0/{ADA}")


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ("rubbish", "is not a token file"),
        ({}, "has no token in it"),
        ({"accessToken": "a\nb", "expiresAt": "2026-11-24T13:00:00Z"}, "has no token in it"),
        ({"accessToken": "a", "expiresAt": "soon"}, "has no token in it"),
        ({"accessToken": "a", "expiresAt": 5}, "has no token in it"),
        (
            {"accessToken": "a", "expiresAt": "2026-11-24T13:00:00Z", "startUrl": "https://other.awsapps.com/start"},
            "is of a login at https://other.awsapps.com/start, not at",
        ),
        ({"accessToken": "a", "expiresAt": "2026-11-24T13:00:00Z", "region": "us-east-1"}, "not at eu-central-1"),
    ],
)
def test_a_file_with_something_else_is_no_login(desk: Desk, members: object, why: str) -> None:
    """A malformed token file counts as no login, and no part of it is sent."""
    path = token_file(desk.home, members)
    if isinstance(members, str):
        path.write_text(members, "utf-8")
    failure = desk.failure()
    assert why in failure.why
    assert "dsops login r" == failure.hint
    assert [] == desk.center.asked


@pytest.mark.parametrize("written", ["2026-11-24T13:00:00UTC", "2026-11-24T13:00:00.123Z", "2026-11-24T14:00:00+01:00"])
def test_other_programs_write_times_in_other_ways(desk: Desk, written: str) -> None:
    """dsops parses the expiry times of older AWS CLIs, times with fractions and times with offsets."""
    desk.center.log_in(desk.home, expiresAt=written)
    assert desk.caller()


def test_a_pipe_in_the_files_place_is_not_waited_for(desk: Desk) -> None:
    """A pipe in place of the token file is not opened for reading, so dsops does not wait for a writer."""
    path = token_file(desk.home, {})
    path.unlink()
    os.mkfifo(path)
    assert "is not a regular file" in desk.failure().why


def test_a_folder_in_the_files_place_is_none(desk: Desk) -> None:
    """A folder in place of the token file counts as no login, and its descriptor is closed.

    The agent checks the path in every run, so an unclosed descriptor would leak each time.
    """
    path = token_file(desk.home, {})
    path.unlink()
    path.mkdir()
    before = os.dup(0)
    os.close(before)
    assert "is not a regular file" in desk.failure().why
    after = os.dup(0)
    os.close(after)
    assert after == before


def test_a_link_is_followed_and_replaced(desk: Desk) -> None:
    """If the token file is a symbolic link, renewal replaces the link by a file; the link's target stays."""
    path = desk.center.log_in(desk.home, seconds=600)
    target = desk.home / "target.json"
    path.rename(target)
    path.symlink_to(target)
    before = target.read_text("utf-8")
    assert desk.caller()
    assert before == target.read_text("utf-8")
    assert not path.is_symlink()


def test_a_file_that_others_can_read_is_noted(desk: Desk) -> None:
    """A token file that others can read is used, and a note recommends `chmod`."""
    path = desk.center.log_in(desk.home)
    assert () == desk.plan(STORE, store="r").notes
    path.chmod(0o644)
    (note,) = desk.plan(STORE, store="r").notes
    assert f"run `chmod 600 {path}`" in note


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file to another user takes root")
def test_a_token_file_of_another_user_is_not_used(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token file of another user is refused, because its owner would choose the identity."""
    path = desk.center.log_in(desk.home)
    os.chown(path, 12345, 12345)
    assert desk.caller()  # accepted for root, whose `sudo` keeps another user's HOME
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    desk.cache.clear()
    assert f"{path} belongs to another user" == desk.failure().why


def test_a_token_that_cannot_be_kept_still_serves(desk: Desk) -> None:
    """If a renewed token cannot be written (disk full), the run uses it, prints a note, and keeps the old file."""
    path = desk.center.log_in(desk.home, seconds=-60)
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        assert desk.caller()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    (facts,) = desk.reports.facts("login.renewed")
    assert f"but not kept: {path} can't be written, file too large" == facts["why"]
    assert before == path.read_bytes()
    assert [path.name, f"{path.name}.lock"] == sorted(os.listdir(path.parent))


@pytest.mark.parametrize("user", [EVE, ""])
def test_who_logs_in_or_out_during_a_renewal_has_the_last_word(desk: Desk, user: str) -> None:
    """If the user logs in or out during a renewal, the renewed token does not overwrite the new state."""
    path = desk.center.log_in(desk.home, ADA, seconds=-60)

    def meanwhile(action: str, _: WireRequest) -> None:
        if action == "CreateToken" and user:
            desk.center.log_in(desk.home, user)
        elif action == "CreateToken":
            path.unlink()

    desk.center.outage = meanwhile
    assert desk.caller().endswith(f"/{ADA}")
    assert bool(user) == path.exists()
    if user:
        assert desk.caller().endswith(f"/{user}")


def test_the_region_of_users_is_the_stores_then_the_logins(desk: Desk) -> None:
    """The store's region comes from the store, else AWS_REGION, else the login's `sso_region`."""
    desk.center.log_in(desk.home)
    user = STORE + "  s: {type: aws.secretsmanager, credentials_from: r}\n"
    assert REGION == desk.plan(user, store="s").steps["s"].region
    with_region = user.replace("role_name: Admin", "role_name: Admin, region: us-west-2")
    assert "us-west-2" == desk.plan(with_region, store="s").steps["s"].region
    desk.environ = {**desk.environ, "AWS_REGION": "eu-west-1"}
    assert "eu-west-1" == desk.plan(user, store="s").steps["s"].region


@pytest.mark.parametrize(
    ("region", "variables", "portal", "oidc"),
    [
        ("cn-north-1", {}, "portal.sso.cn-north-1.amazonaws.com.cn", "oidc.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", {}, "portal.sso.us-gov-west-1.amazonaws.com", "oidc.us-gov-west-1.amazonaws.com"),
        (
            "eu-west-1",
            {"AWS_USE_FIPS_ENDPOINT": "true"},
            "portal.sso-fips.eu-west-1.amazonaws.com",
            "oidc-fips.eu-west-1.amazonaws.com",
        ),
        ("eu-west-1", {"AWS_USE_DUALSTACK_ENDPOINT": "true"}, "portal.sso.eu-west-1.api.aws", "oidc.eu-west-1.api.aws"),
        (
            "eu-west-1",
            {"AWS_ENDPOINT_URL_SSO": "https://p.example", "AWS_ENDPOINT_URL_SSO_OIDC": "https://o.example"},
            "p.example",
            "o.example",
        ),
        ("eu-west-1", {"AWS_ENDPOINT_URL": "https://all.example"}, "all.example", "all.example"),
    ],
)
def test_where_calls_go(desk: Desk, region: str, variables: dict[str, str], portal: str, oidc: str) -> None:
    """Calls go to the login's region and partition, whatever AWS_REGION contains; endpoint variables take effect."""
    desk.environ = {**desk.environ, "AWS_REGION": "us-west-2", **variables}
    desk.center.log_in(desk.home, seconds=600, region=region)
    desk.caller(STORE.replace(REGION, region))
    assert [oidc, portal] == [request.address.host for request in desk.center.requests]


def test_another_address_is_another_session(desk: Desk) -> None:
    """A session from one portal endpoint is not used for another endpoint."""
    desk.center.log_in(desk.home)
    desk.caller()
    desk.environ = {**desk.environ, "AWS_ENDPOINT_URL_SSO": "https://p.example"}
    desk.caller()
    assert 2 == len(desk.center.issued)


def test_a_role_behind_it_is_a_chained_one(desk: Desk) -> None:
    """A role assumed with an SSO session is chained and may last one hour, which is checked before any call."""
    desk.center.log_in(desk.home)
    role = (
        "  t: {type: aws.sts, role_arn: 'arn:aws:iam::222222222222:role/Next', credentials_from: r, "
        "role_session_name: me, duration_seconds: 7200}\n"
    )
    with pytest.raises(LimitExceeded, match="t") as caught:
        desk.plan(STORE + role, store="t")
    assert "the most that a chained role gets" in words(caught.value)
    session = desk.credentials(STORE + role.replace("7200", "3600"), "t")
    assert "arn:aws:sts::222222222222:assumed-role/Next/me" == session.arn
    assert ["GetRoleCredentials"] == desk.center.asked


def test_its_parts_can_be_read(desk: Desk) -> None:
    """The session's credentials and IDs can be read as secrets.

    The caller's ARN cannot be read, since the portal does not return it.
    """
    desk.center.log_in(desk.home)
    text = STORE + "envs:\n  e:\n    ALL: {from: {store: r, key: credentials}}\n"
    assert "ASIA0000000000000001" == json.loads(desk.resolve(text, "e")["ALL"])["AccessKeyId"]
    with pytest.raises(ConfigError) as caught:
        desk.plan(text.replace("key: credentials", "key: assumed_role_arn"), "e")
    assert "store `r` has no `assumed_role_arn`" in words(caught.value)


def test_keys_of_the_environment_have_no_say(desk: Desk) -> None:
    """An SSO store ignores keys and profile in the environment."""
    desk.environ = {**desk.environ, "AWS_ACCESS_KEY_ID": "AKIAX", "AWS_SECRET_ACCESS_KEY": "x", "AWS_PROFILE": "x"}
    desk.center.log_in(desk.home)
    assert desk.caller().endswith(f"/{ADA}")
    assert {} == desk.plan(STORE, store="r").ambient


def test_what_the_plan_knows_of_the_login(desk: Desk) -> None:
    """The plan shows the login's file, expiry and renewal without any request."""

    def told() -> str:
        proof = desk.plan(STORE, store="r").steps["r"].proof
        assert proof is not None
        assert proof.login is not None
        return f"{proof.source}: {proof.login.told}"

    assert f"the login at {START_URL}: not logged in" == told()
    desk.center.log_in(desk.home)
    assert f"the login at {START_URL}: logged in until 2026-11-24T13:00:00Z, then renewed" == told()
    desk.center.log_in(desk.home, refreshToken=None)
    assert told().endswith("until 2026-11-24T13:00:00Z")
    assert [] == desk.center.asked


@pytest.mark.parametrize(
    ("answer", "lacks"),
    [
        ({}, "roleCredentials"),
        ({"roleCredentials": {"accessKeyId": "a", "secretAccessKey": "b", "sessionToken": "c d"}}, "sessionToken"),
        (
            {"roleCredentials": {"accessKeyId": "a", "secretAccessKey": "b", "sessionToken": "c", "expiration": "x"}},
            "expiration",
        ),
    ],
)
def test_an_answer_without_a_session_is_none_of_awss(desk: Desk, answer: object, lacks: str) -> None:
    """A response without credentials is an error that names the missing part and shows nothing else of it."""
    desk.center.log_in(desk.home)
    desk.center.outage = lambda *_: Response(200, {}, json.dumps(answer).encode())
    assert lacks in desk.failure().why
