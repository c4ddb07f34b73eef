"""Sessions from STS: the parameters that dsops sends, MFA codes, and denials."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dsops.errors import AssumeRoleDenied, DsopsError, MfaRefused, MfaRequired
from dsops.secret import Secret
from tests.aws_in_memory import CALLER, Call, Refusal
from tests.fakes import Person
from tests.pipeline import ADA, RUNNER, Pipeline, words

DEVICE = "arn:aws:iam::111111111111:mfa/ada"
ROLE = "arn:aws:iam::222222222222:role/team/ProdAccessRole"
WRONG_CODE = Refusal(
    "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code. ", status=403
)


def store(fields: str = "") -> str:
    """Return a configuration with one role that has these fields."""
    return f'secretStores:\n  r: {{type: aws.sts, role_arn: "{ROLE}"{fields}}}\n'


MFA = f", serial_number: '{DEVICE}'"


@pytest.fixture
def pipeline() -> Pipeline:
    """A process with Ada's key and without a user at the terminal."""
    return Pipeline()


def failure(pipeline: Pipeline, text: str) -> DsopsError:
    """Return the error of the role's session."""
    with pytest.raises(DsopsError) as caught:
        pipeline.credentials(text, "r")
    return caught.value


# --- parameters ---------------------------------------------------------------------------------------------


def test_assume_role_is_called_with_what_the_store_says(pipeline: Pipeline) -> None:
    """AssumeRole gets every field of the store and the policy as compact JSON, signed for the store's region."""
    pipeline.credentials(
        f"""
secretStores:
  r:
    type: aws.sts
    region: eu-west-1
    role_arn: {ROLE}
    role_session_name: vendor-dsops
    duration_seconds: 1800
    external_id: unique-customer-id-12345
    session_policy: {{Version: "2012-10-17", Statement: [{{Effect: Deny, Action: "iam:*", Resource: "*"}}]}}
    policy_arns: arn:aws:iam::aws:policy/ReadOnlyAccess
    tags: {{team: a b, empty: ""}}
    transitive_tag_keys: [team]
    source_identity: ada
""",
        "r",
    )
    (call,) = pipeline.aws.calls
    assert (call.host, call.region, call.access_key_id) == (
        "sts.eu-west-1.amazonaws.com",
        "eu-west-1",
        ADA["AWS_ACCESS_KEY_ID"],
    )
    assert call.parameters == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "vendor-dsops",
        "DurationSeconds": "1800",
        "ExternalId": "unique-customer-id-12345",
        "Policy": '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}',
        "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/ReadOnlyAccess",
        "Tags.member.1.Key": "team",
        "Tags.member.1.Value": "a b",
        "Tags.member.2.Key": "empty",
        "Tags.member.2.Value": "",
        "TransitiveTagKeys.member.1": "team",
        "SourceIdentity": "ada",
    }


def test_what_the_store_does_not_say_is_not_sent(pipeline: Pipeline) -> None:
    """Fields that the store lacks are not sent, except the defaults of session name and duration.

    The plan shows these two defaults.
    """
    pipeline.credentials(store(), "r")
    assert set(pipeline.aws.calls[0].parameters) == {
        "Action",
        "Version",
        "RoleArn",
        "RoleSessionName",
        "DurationSeconds",
    }


# --- MFA codes ----------------------------------------------------------------------------------------------


def test_a_code_from_the_environment_is_sent_with_its_zeros(pipeline: Pipeline) -> None:
    """An MFA code from an environment variable is sent with the device's serial number, and keeps its leading zeros."""
    pipeline.environ = {**ADA, "MFA_TOKEN": "001234"}
    pipeline.credentials(store(MFA + ", token_code: '${MFA_TOKEN}'"), "r")
    parameters = pipeline.aws.calls[0].parameters
    assert (parameters["SerialNumber"], parameters["TokenCode"]) == (DEVICE, "001234")


def test_without_a_terminal_it_says_what_to_set(pipeline: Pipeline) -> None:
    """Without a terminal, a role with MFA is an error that names the variable or key to set, and no call is made."""
    error = failure(pipeline, store(MFA + ", token_code: '${MFA_TOKEN}'"))
    assert isinstance(error, MfaRequired)
    assert error.hint == "set MFA_TOKEN to the device's current code"
    assert failure(pipeline, store(MFA)).hint == (
        "set `token_code: ${MFA_TOKEN}` or `mfa_process` on the store (dsops.yaml:2), "
        f"or put the device's seed into the keyring: `dsops mfa add {DEVICE}`"
    )
    assert pipeline.aws.calls == []


def test_a_person_is_asked(pipeline: Pipeline) -> None:
    """dsops prompts the user once, showing device and store, and strips white space from the code."""
    pipeline.person = Person(" 012345 ")
    pipeline.credentials(store(MFA), "r")
    assert pipeline.person.asked == [f"MFA code of {DEVICE} for r: "]
    assert pipeline.aws.calls[0].parameters["TokenCode"] == "012345"


def test_a_wrong_code_is_asked_for_again_at_most_twice(pipeline: Pipeline) -> None:
    """If AWS rejects a code, dsops prompts again twice; the third rejection is an error that shows no code."""
    accepted = "333333"

    def rule(call: Call) -> Refusal | None:
        return None if call.parameters["TokenCode"] == accepted else WRONG_CODE

    pipeline.aws.rule = rule
    pipeline.person = Person("111111", "222222", "333333")
    assert pipeline.credentials(store(MFA), "r").access_key_id.startswith("ASIA")
    assert pipeline.person.asked[1].startswith("that code was not accepted (2 more tries)\n")
    pipeline.cache.clear()
    accepted = "none"
    pipeline.person = Person("444444", "555555", "666666", "777777")
    error = failure(pipeline, store(MFA))
    assert isinstance(error, MfaRefused)
    assert len(pipeline.person.asked) == 3
    assert not any(code in words(error) for code in ("444444", "555555", "666666"))


def test_what_is_no_code_is_not_sent(pipeline: Pipeline) -> None:
    """If the input is not a code, dsops prompts again without a call."""
    pipeline.person = Person("12345", "abcdef", "123456")
    pipeline.credentials(store(MFA), "r")
    assert len(pipeline.aws.calls) == 1
    assert pipeline.person.asked[1].startswith("a code has six digits (2 more tries)\n")


def test_a_used_code_is_never_sent_twice(pipeline: Pipeline) -> None:
    """dsops never sends a code twice: it tells the user how long to wait for the next code."""
    long = ", duration_seconds: 7200"
    text = f"""
secretStores:
  a: {{type: aws.sts, role_arn: "{ROLE}A"{MFA}{long}}}
  b: {{type: aws.sts, role_arn: "{ROLE}B"{MFA}{long}}}
envs: {{e: {{A: {{from: {{store: a, key: all}}}}, B: {{from: {{store: b, key: all}}}}}}}}
"""
    pipeline.person = Person("111111", "111111", "222222")
    pipeline.resolve(text)
    assert [call.parameters["TokenCode"] for call in pipeline.aws.calls] == ["111111", "222222"]
    assert pipeline.person.asked[2].startswith("that code was used already, the next one comes in 31 s (2 more ")


def test_a_wrong_device_is_not_asked_for_again(pipeline: Pipeline) -> None:
    """If AWS rejects the device rather than the code, dsops does not prompt again."""
    message = "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number"
    pipeline.aws.rule = lambda _call: Refusal("AccessDenied", message, 403)
    pipeline.person = Person("111111", "222222")
    error = failure(pipeline, store(MFA))
    assert isinstance(error, MfaRefused)
    assert "`serial_number`" in error.hint
    assert len(pipeline.person.asked) == 1


def test_a_person_who_gives_up_gets_the_last_refusal(pipeline: Pipeline) -> None:
    """If the user presses Ctrl-D after a rejected code, that rejection is the error."""
    pipeline.aws.rule = lambda _call: WRONG_CODE
    pipeline.person = Person("111111")
    assert isinstance(failure(pipeline, store(MFA)), MfaRefused)


def test_a_code_that_was_set_too_long_ago_is_asked_for(pipeline: Pipeline) -> None:
    """If AWS rejects the configured code or has already accepted it, dsops prompts for another.

    Without a terminal the rejection is an error.
    """
    pipeline.environ = {**ADA, "MFA_TOKEN": "000000"}
    text = store(MFA + ", token_code: '${MFA_TOKEN}'")
    pipeline.aws.rule = lambda call: WRONG_CODE if call.parameters["TokenCode"] == "000000" else None
    pipeline.person = Person("111111")
    pipeline.credentials(text, "r")
    assert pipeline.person.asked == [f"the code that was set is not accepted\nMFA code of {DEVICE} for r: "]
    pipeline.cache.clear()
    pipeline.cache.memory.take_code(DEVICE, Secret("000000"))
    error = failure(pipeline, text)
    assert isinstance(error, MfaRefused)
    assert error.why == "AWS accepts each code only once"
    assert "000000" not in words(error)


def test_one_code_serves_two_roles(pipeline: Pipeline) -> None:
    """Two roles use one MFA code, through one GetSessionToken call."""
    text = f"""
secretStores:
  a: {{type: aws.sts, role_arn: "{ROLE}A"{MFA}}}
  b: {{type: aws.sts, role_arn: "{ROLE}B"{MFA}}}
envs: {{e: {{A: {{from: {{store: a, key: all}}}}, B: {{from: {{store: b, key: all}}}}}}}}
"""
    pipeline.person = Person("111111")
    pipeline.resolve(text)
    assert pipeline.aws.rounds[0] == ["GetSessionToken"]
    assert sorted(pipeline.aws.rounds[1]) == ["AssumeRole ProdAccessRoleA", "AssumeRole ProdAccessRoleB"]
    session, a, b = pipeline.aws.calls
    assert session.parameters["TokenCode"] == "111111"
    assert session.parameters["DurationSeconds"] == "3600"
    assert a.access_key_id == b.access_key_id != ADA["AWS_ACCESS_KEY_ID"]
    assert "SerialNumber" not in a.parameters


def test_a_refused_mfa_session_says_how_a_role_sends_its_own_code(pipeline: Pipeline) -> None:
    """If AWS refuses the GetSessionToken call for a role, the error has AWS's reason.

    The hint names the setting that avoids the call.
    """
    message = "not authorized to perform: sts:GetSessionToken with an explicit deny in a service control policy"
    pipeline.person = Person("111111", "222222")
    pipeline.aws.rule = lambda call: (
        Refusal("AccessDenied", message, 403) if call.parameters["Action"] == "GetSessionToken" else None
    )
    error = failure(pipeline, store(f"{MFA}, mfa_session: true"))
    assert error.message == f"the MFA session of `r`: not allowed to get a session token with {DEVICE}"
    assert error.why == message
    assert "with `mfa_session: false` on its store, a role sends a code of its own" in error.hint
    assert "mfa_session" not in failure(pipeline, "secretStores: {r: {type: aws.sts}}").hint
    assert pipeline.credentials(store(f"{MFA}, mfa_session: false"), "r").is_temporary


def test_a_session_that_still_works_is_not_renewed_by_asking(pipeline: Pipeline) -> None:
    """If renewal would require a code, a session that is valid but close to expiry is used instead."""
    pipeline.person = Person("111111", "222222")
    first = pipeline.credentials(store(MFA), "r")
    pipeline.clock.advance(3600 - 300)
    assert pipeline.credentials(store(MFA), "r") is first
    assert len(pipeline.person.asked) == 1
    pipeline.clock.advance(300 - 59)
    assert pipeline.credentials(store(MFA), "r") is not first
    assert len(pipeline.person.asked) == 2


def test_base_credentials_that_turn_out_to_be_a_session_can_show_no_device(pipeline: Pipeline) -> None:
    """Base credentials that turn out to be a session cannot use MFA: dsops fails before any call or prompt.

    GetSessionToken refuses temporary credentials.
    """
    text = f"""
secretStores:
  a: {{type: aws.sts, role_arn: "{ROLE}A"{MFA}}}
  b: {{type: aws.sts, role_arn: "{ROLE}B"{MFA}}}
envs: {{e: {{A: {{from: {{store: a, key: all}}}}, B: {{from: {{store: b, key: all}}}}}}}}
"""
    plan = pipeline.plan(text)
    pipeline.environ, pipeline.person = RUNNER, Person("111111")
    with pytest.raises(MfaRefused, match="can't use the MFA device"):
        pipeline.time.run(pipeline.resolver(plan).secrets(), pipeline.aws)
    assert (pipeline.aws.calls, pipeline.person.asked) == ([], [])


# --- mfa_process --------------------------------------------------------------------------------------------


def script(folder: Path, body: str) -> str:
    """Return a setting that runs this Python program."""
    path = folder / "code.py"
    path.write_text(body)
    return f", mfa_process: ['{sys.executable}', '-I', '{path}']"


def with_process(pipeline: Pipeline, folder: Path, body: str) -> str:
    """Return a configuration whose codes come from this Python program."""
    pipeline.folder = str(folder)
    return store(MFA + script(folder, body))


def test_a_command_prints_the_code(pipeline: Pipeline, tmp_path: Path) -> None:
    """`mfa_process` runs without a shell, in the working folder, with the configured environment.

    The user is not prompted.
    """
    body = "import os, sys; assert os.getcwd() == os.environ['WANTED'], os.getcwd(); print(' 012345')"
    text = with_process(pipeline, tmp_path, body)
    pipeline.environ = {**ADA, "WANTED": str(tmp_path.resolve())}
    pipeline.credentials(text, "r")
    assert pipeline.aws.calls[0].parameters["TokenCode"] == "012345"
    assert pipeline.person.asked == []


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("print('12345')", "it did not print six digits and nothing else"),
        ("print('code: 123456')", "it did not print six digits and nothing else"),
        ("raise SystemExit(3)", "ended with exit code 3"),
        ("while True: print('1' * 1000)", "it prints more than a code"),
    ],
)
def test_a_command_that_gives_no_code(pipeline: Pipeline, tmp_path: Path, body: str, why: str) -> None:
    """If the command prints no code, the error does not show its output, and no call is made."""
    error = failure(pipeline, with_process(pipeline, tmp_path, body))
    assert isinstance(error, MfaRequired)
    assert why in error.why
    assert "123456" not in words(error)
    assert pipeline.aws.calls == []


def test_a_command_that_is_not_there(pipeline: Pipeline, tmp_path: Path) -> None:
    """If the command does not exist, the error has the system's reason."""
    pipeline.folder = str(tmp_path)
    error = failure(pipeline, store(MFA + ", mfa_process: no-such-command-here --now"))
    assert error.why == "`no-such-command-here` can't be run: no such file or directory"


def test_a_command_that_never_ends_is_ended(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that does not end is stopped after a minute (in this test, after a shorter time)."""
    monkeypatch.setattr("dsops.stores.command._SECONDS", 0.5)
    error = failure(pipeline, with_process(pipeline, tmp_path, "import time; time.sleep(60)"))
    assert "it did not end within" in error.why


def test_a_used_code_of_a_command_waits_for_the_next(pipeline: Pipeline, tmp_path: Path) -> None:
    """If the command prints a used code, dsops waits for the next code and makes no call in between."""
    codes = tmp_path / "codes"
    codes.write_text("111111\n111111\n222222\n")
    body = f"""
from pathlib import Path
path = Path({str(codes)!r})
first, _, rest = path.read_text().partition("\\n")
path.write_text(rest)
print(first)
"""
    text = with_process(pipeline, tmp_path, body)
    pipeline.credentials(text, "r")
    pipeline.cache.clear()
    pipeline.credentials(text, "r")
    assert [call.parameters["TokenCode"] for call in pipeline.aws.calls] == ["111111", "222222"]
    assert pipeline.time.seconds == pytest.approx(31)
    counted = [waiting["seconds"] for waiting in pipeline.reports.facts("mfa.waiting")]
    assert counted == [str(left) for left in range(31, 0, -1)]


# --- denials ------------------------------------------------------------------------------------------------

DENIED = Refusal(
    "AccessDenied", "User: SESSION is not authorized to perform: sts:AssumeRole on resource: RESOURCE", 403
)


def test_a_refusal_names_store_role_line_and_caller_and_claims_no_reason(pipeline: Pipeline) -> None:
    """The error of a denial names store, role, line and caller; since AWS gives no reason, it lists what to check."""
    pipeline.aws.rule = lambda _call: DENIED
    error = failure(pipeline, store())
    assert isinstance(error, AssumeRoleDenied)
    assert error.message == f"store `r` may not assume {ROLE}"
    assert error.why == f"AWS gives no reason to {CALLER}; a role that does not exist is refused in the same words"
    assert "no external ID was sent: if the trust policy asks for one, set `external_id` (dsops.yaml:2)" in error.hint
    assert "no MFA code was sent" in error.hint
    assert str(error.where) == "dsops.yaml:2"
    assert error.aws is not None
    assert error.aws.code == "AccessDenied"


def test_a_refusal_with_an_external_id_says_that_one_was_sent(pipeline: Pipeline) -> None:
    """If the store sends an external ID, the error of a denial says so without showing the value."""
    pipeline.aws.rule = lambda _call: DENIED
    error = failure(pipeline, store(", external_id: unique-customer-id-12345, tags: {a: b}"))
    assert "an external ID was sent: it has to be the trust policy's" in error.hint
    assert "it has to allow sts:TagSession as well" in error.hint
    assert "unique-customer-id-12345" not in words(error)


def test_a_refusal_to_tag_says_so(pipeline: Pipeline) -> None:
    """If AWS denies sts:TagSession, the error names that action, because AWS gives the reason in this case."""
    pipeline.aws.rule = lambda _call: Refusal("AccessDenied", DENIED.message.replace("AssumeRole", "TagSession"), 403)
    error = failure(pipeline, store(", tags: {a: b}"))
    assert error.why == f"{CALLER} is not allowed to sts:TagSession there, which this store needs"
    assert "sts:TagSession" in error.hint


def test_another_refusal_keeps_aws_own_words(pipeline: Pipeline) -> None:
    """Other refusals show AWS's message after store and line."""
    message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    pipeline.aws.rule = lambda _call: Refusal("ValidationError", message)
    error = failure(pipeline, store(", duration_seconds: 7200"))
    assert error.message.startswith("store `r`: ")
    assert error.why == message
    assert "duration_seconds" in error.hint


# --- a session as secrets -----------------------------------------------------------------------------------


def test_the_parts_of_a_session_are_one_snapshot(pipeline: Pipeline) -> None:
    """All parts of a session, in every spelling, come from one AssumeRole call."""
    names = ("access_key_id", "SecretAccessKey", "AWS_SESSION_TOKEN", "expiration", "assumed_role_arn", "all")
    lines = "".join(f"    V{index}: {{from: {{store: r, key: {name}}}}}\n" for index, name in enumerate(names))
    values = list(pipeline.resolve(store(", role_session_name: s1") + "envs:\n  e:\n" + lines).values())
    key_id = "ASIA0000000000000001"
    assert values[:5] == [
        key_id,
        f"secret-{key_id}",
        f"token-{key_id}",
        "2026-11-24T13:00:00Z",
        "arn:aws:sts::222222222222:assumed-role/ProdAccessRole/s1",
    ]
    assert json.loads(values[5]) == {
        "AccessKeyId": key_id,
        "SecretAccessKey": f"secret-{key_id}",
        "SessionToken": f"token-{key_id}",
        "Expiration": "2026-11-24T13:00:00Z",
    }
    assert pipeline.aws.actions == ["AssumeRole ProdAccessRole"]


def test_a_field_of_the_whole_snapshot(pipeline: Pipeline) -> None:
    """`credentials` is a JSON object whose fields can be selected."""
    text = store() + "envs: {e: {A: {from: {store: r, key: credentials, field: AccessKeyId}}}}"
    assert pipeline.resolve(text) == {"A": "ASIA0000000000000001"}
