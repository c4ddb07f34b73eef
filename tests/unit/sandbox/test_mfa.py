"""MFA codes of virtual devices: each is valid once and for a short time; sessions show their use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.sandbox.sts.totp import are_consecutive, code_at, is_seed, step_of
from tests.sandboxes import ACCOUNT, Keys, Lab, Person
from tests.unit.sandbox.conftest import LabFactory

SEED = "JBSWY3DPEHPK3PXP"
SERIAL = f"arn:aws:iam::{ACCOUNT}:mfa/alice"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Sensitive"
INVALID_CODE = "MultiFactorAuthentication failed with invalid MFA one time pass code. "
INVALID_DEVICE = (
    "MultiFactorAuthentication failed, unable to validate MFA code.  "
    "Please verify your MFA serial number is valid and associated with this user."
)


def seed_with(condition: str) -> str:
    """Return a seed with Alice, her device, and a role with that condition in its trust policy."""
    return f"""
accounts:
  "{ACCOUNT}":
    users:
      alice: {{mfa: {{name: alice, seed: {SEED}}}}}
      bob: {{mfa: {{name: bob, seed: {SEED}}}}}
    roles:
      Sensitive:
        max_session_duration: 43200
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{AWS: ["arn:aws:iam::{ACCOUNT}:user/alice", "arn:aws:iam::{ACCOUNT}:role/Sensitive"]}}
            Action: sts:AssumeRole
            Condition: {condition}
"""


@pytest.fixture
def lab(make_lab: LabFactory) -> Lab:
    """A sandbox whose role requires MFA."""
    return make_lab(seed_with('{Bool: {"aws:MultiFactorAuthPresent": "true"}}'))


def code(lab: Lab, shift: float = 0) -> str:
    """Return the code that the device shows in `shift` seconds."""
    return code_at(SEED, lab.sandbox.clock.now() + shift)


def test_without_a_code_the_role_is_refused(lab: Lab) -> None:
    """Without a code AssumeRole is denied: a request with a long-term key lacks the MFA key of the condition."""
    assert lab.user("alice").refused_role(ROLE).message.startswith("User: ")


def test_with_a_code_the_role_is_assumed(lab: Lab) -> None:
    """With the device's current code the role can be assumed."""
    assert lab.user("alice").assume(ROLE, SerialNumber=SERIAL, TokenCode=code(lab)).arn.endswith("/Sensitive/session")


def test_a_code_works_once(lab: Lab) -> None:
    """A code works once; the device's next code works 30 seconds later."""
    alice = lab.user("alice")
    shown = code(lab)
    alice.assume(ROLE, SerialNumber=SERIAL, TokenCode=shown)

    again = alice.refused_role(ROLE, SerialNumber=SERIAL, TokenCode=shown)
    assert (again.code, again.message, again.status) == ("AccessDenied", INVALID_CODE, 403)
    lab.sandbox.clock.advance(30)
    alice.assume(ROLE, SerialNumber=SERIAL, TokenCode=code(lab))


@pytest.mark.parametrize("shift", [-30, 0, 30])
def test_a_code_of_a_neighbouring_step_is_accepted(lab: Lab, shift: int) -> None:
    """A code of an adjacent time step is accepted, because clocks drift (RFC 6238, 5.2)."""
    lab.user("alice").assume(ROLE, SerialNumber=SERIAL, TokenCode=code(lab, shift))


@pytest.mark.parametrize("shift", [-90, -60, 60, 90])
def test_a_code_of_another_step_is_refused(lab: Lab, shift: int) -> None:
    """A code that is two time steps off is refused."""
    refused = lab.user("alice").refused_role(ROLE, SerialNumber=SERIAL, TokenCode=code(lab, shift))

    assert refused.message == INVALID_CODE


@pytest.mark.parametrize(
    "serial", [f"arn:aws:iam::{ACCOUNT}:mfa/bob", f"arn:aws:iam::{ACCOUNT}:mfa/nobody", "GAHT12345678"]
)
def test_a_device_must_belong_to_the_caller(lab: Lab, serial: str) -> None:
    """An MFA code is refused if the device does not belong to the calling user."""
    refused = lab.user("alice").refused_role(ROLE, SerialNumber=serial, TokenCode=code(lab))

    assert (refused.code, refused.message) == ("AccessDenied", INVALID_DEVICE)


def test_serial_and_code_belong_together(lab: Lab) -> None:
    """A request with a serial number but no MFA code, or the reverse, is refused."""
    for half in ({"SerialNumber": SERIAL}, {"TokenCode": "123456"}):
        assert lab.user("alice").refused_role(ROLE, **half).message == (
            "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
        )


@pytest.mark.parametrize("wrong", ["12345", "1234567", "12345a", ""])
def test_a_code_is_six_digits(lab: Lab, wrong: str) -> None:
    """A code must have six digits, as in AWS's service model."""
    refused = lab.user("alice").refused_role(ROLE, SerialNumber=SERIAL, TokenCode=wrong)

    assert refused.code == "ValidationError"
    assert "'tokenCode'" in refused.message


def test_a_role_session_has_no_mfa_keys(lab: Lab) -> None:
    """MFA in AssumeRole applies to that call only: the role's session has no MFA condition keys."""
    session = lab.user("alice").assume(ROLE, SerialNumber=SERIAL, TokenCode=code(lab))

    assert session.refused_role(ROLE).code == "AccessDenied"


def test_a_get_session_token_session_has_mfa_keys(lab: Lab) -> None:
    """A GetSessionToken session with MFA can assume the role without another code."""
    alice = lab.user("alice")
    with_mfa = alice.call("sts", "GetSessionToken", SerialNumber=SERIAL, TokenCode=code(lab))
    without = alice.call("sts", "GetSessionToken")

    Person(lab, Keys.of(with_mfa["Credentials"])).assume(ROLE)
    assert Person(lab, Keys.of(without["Credentials"])).refused_role(ROLE).code == "AccessDenied"


def test_the_mfa_age_counts_from_the_code(make_lab: LabFactory) -> None:
    """aws:MultiFactorAuthAge grows with the session's age."""
    lab = make_lab(seed_with('{NumericLessThan: {"aws:MultiFactorAuthAge": "600"}}'))
    answer = lab.user("alice").call("sts", "GetSessionToken", SerialNumber=SERIAL, TokenCode=code(lab))
    session = Person(lab, Keys.of(answer["Credentials"]))

    lab.sandbox.clock.advance(599)
    session.assume(ROLE)
    lab.sandbox.clock.advance(1)
    assert session.refused_role(ROLE).code == "AccessDenied"


def test_bool_if_exists_lets_long_term_keys_through(make_lab: LabFactory) -> None:
    """BoolIfExists admits long-term keys, which lack the condition key; `dsops policy check` warns of it."""
    lab = make_lab(seed_with('{BoolIfExists: {"aws:MultiFactorAuthPresent": "true"}}'))
    alice = lab.user("alice")

    alice.assume(ROLE)
    session = Person(lab, Keys.of(alice.call("sts", "GetSessionToken")["Credentials"]))
    assert session.refused_role(ROLE).code == "AccessDenied"


# --- devices through the IAM API -------------------------------------------------------------------------------


def test_a_device_created_through_iam_works(lab: Lab) -> None:
    """A device created through IAM can be enabled with two consecutive codes, used, and deactivated."""
    import base64

    admin = lab.user("admin")
    created = admin.call("iam", "CreateVirtualMFADevice", VirtualMFADeviceName="phone")["VirtualMFADevice"]
    seed, serial = created["Base32StringSeed"].decode(), created["SerialNumber"]
    base64.b32decode(seed)
    now = lab.sandbox.clock.now()
    first, second = code_at(seed, now - 30), code_at(seed, now)

    wrong = admin.refused(
        "iam",
        "EnableMFADevice",
        UserName="alice",
        SerialNumber=serial,
        AuthenticationCode1=second,
        AuthenticationCode2=first,
    )
    assert (wrong.code, wrong.message, wrong.status) == (
        "InvalidAuthenticationCode",
        "Authentication code for device is not valid.",
        403,
    )
    admin.call(
        "iam",
        "EnableMFADevice",
        UserName="alice",
        SerialNumber=serial,
        AuthenticationCode1=first,
        AuthenticationCode2=second,
    )
    lab.sandbox.clock.advance(60)
    alice = lab.user("alice")
    alice.assume(ROLE, SerialNumber=serial, TokenCode=code_at(seed, now + 60))
    admin.call("iam", "DeactivateMFADevice", UserName="alice", SerialNumber=serial)
    lab.sandbox.clock.advance(60)
    refused = alice.refused_role(ROLE, SerialNumber=serial, TokenCode=code_at(seed, now + 120))
    assert refused.message == INVALID_DEVICE


def test_a_device_that_does_not_exist_can_not_be_enabled(lab: Lab) -> None:
    """A device that does not exist can't be enabled, although moto accepts any serial number."""
    refused = lab.user("admin").refused(
        "iam",
        "EnableMFADevice",
        UserName="alice",
        SerialNumber=f"arn:aws:iam::{ACCOUNT}:mfa/none",
        AuthenticationCode1="123456",
        AuthenticationCode2="654321",
    )

    assert refused.code == "NoSuchEntity"


# --- codes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "expected"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_codes_agree_with_rfc_6238(moment: int, expected: str) -> None:
    """Codes match RFC 6238's test vectors (appendix B, SHA1)."""
    assert code_at("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", moment) == expected


@given(st.binary(min_size=14, max_size=40), st.integers(0, 4_000_000_000))
def test_codes_agree_with_pyotp(key: bytes, moment: int) -> None:
    """Codes match those of pyotp, an independent implementation."""
    import base64

    import pyotp

    seed = base64.b32encode(key).decode()

    assert code_at(seed, moment) == pyotp.TOTP(seed).at(moment)
    assert step_of(seed, code_at(seed, moment), moment) is not None


def test_mfa_seeds_may_be_formatted_as_in_apps() -> None:
    """Seeds may have spaces, lowercase letters and no padding; other characters are not base32."""
    assert code_at("jbsw y3dp ehpk 3pxp", 0) == code_at("JBSWY3DPEHPK3PXP", 0)
    assert is_seed("MZXW6YQ")
    assert not is_seed("0189")
    assert not is_seed("")


def test_consecutive_codes_are_two_neighbours_near_now() -> None:
    """Consecutive codes must be in order, adjacent and recent."""
    codes = [code_at(SEED, 3000 + 30 * step) for step in range(8)]

    assert are_consecutive(SEED, codes[2], codes[3], 3090)
    assert not are_consecutive(SEED, codes[3], codes[2], 3090)
    assert not are_consecutive(SEED, codes[2], codes[4], 3090)
    assert not are_consecutive(SEED, codes[0], codes[1], 3090 + 90)
