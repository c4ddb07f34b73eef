"""MFA: codes of virtual devices, good once and for about now; what a session knows of them."""

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
    """Alice, with a device, and a role whose trust has that condition."""
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
    """The role asks for MFA."""
    return make_lab(seed_with('{Bool: {"aws:MultiFactorAuthPresent": "true"}}'))


def code(lab: Lab, shift: float = 0) -> str:
    """What the device shows in so many seconds."""
    return code_at(SEED, lab.sandbox.clock.now() + shift)


def test_without_a_code_there_is_no_role(lab: Lab) -> None:
    """`Bool` on a key that a long-term key's request has not."""
    assert lab.user("alice").refused_role(ROLE).message.startswith("User: ")


def test_with_a_code_there_is(lab: Lab) -> None:
    """The device's current one."""
    assert lab.user("alice").assume(ROLE, SerialNumber=SERIAL, TokenCode=code(lab)).arn.endswith("/Sensitive/session")


def test_a_code_works_once(lab: Lab) -> None:
    """The same text is refused, and half a minute later the next code works."""
    alice = lab.user("alice")
    shown = code(lab)
    alice.assume(ROLE, SerialNumber=SERIAL, TokenCode=shown)

    again = alice.refused_role(ROLE, SerialNumber=SERIAL, TokenCode=shown)
    assert (again.code, again.message, again.status) == ("AccessDenied", INVALID_CODE, 403)
    lab.sandbox.clock.advance(30)
    alice.assume(ROLE, SerialNumber=SERIAL, TokenCode=code(lab))


@pytest.mark.parametrize("shift", [-30, 0, 30])
def test_a_code_may_be_one_step_off(lab: Lab, shift: int) -> None:
    """Clocks drift (RFC 6238, 5.2)."""
    lab.user("alice").assume(ROLE, SerialNumber=SERIAL, TokenCode=code(lab, shift))


@pytest.mark.parametrize("shift", [-90, -60, 60, 90])
def test_but_not_more(lab: Lab, shift: int) -> None:
    """Two steps are too many."""
    refused = lab.user("alice").refused_role(ROLE, SerialNumber=SERIAL, TokenCode=code(lab, shift))

    assert refused.message == INVALID_CODE


@pytest.mark.parametrize(
    "serial", [f"arn:aws:iam::{ACCOUNT}:mfa/bob", f"arn:aws:iam::{ACCOUNT}:mfa/nobody", "GAHT12345678"]
)
def test_a_device_must_be_the_callers(lab: Lab, serial: str) -> None:
    """Bob's shows the same codes here, and is not Alice's."""
    refused = lab.user("alice").refused_role(ROLE, SerialNumber=serial, TokenCode=code(lab))

    assert (refused.code, refused.message) == ("AccessDenied", INVALID_DEVICE)


def test_serial_and_code_belong_together(lab: Lab) -> None:
    """One without the other."""
    for half in ({"SerialNumber": SERIAL}, {"TokenCode": "123456"}):
        assert lab.user("alice").refused_role(ROLE, **half).message == (
            "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
        )


@pytest.mark.parametrize("wrong", ["12345", "1234567", "12345a", ""])
def test_a_code_is_six_digits(lab: Lab, wrong: str) -> None:
    """The schema says so before anything is looked up."""
    refused = lab.user("alice").refused_role(ROLE, SerialNumber=SERIAL, TokenCode=wrong)

    assert refused.code == "ValidationError"
    assert "'tokenCode'" in refused.message


def test_the_roles_session_knows_nothing_of_it(lab: Lab) -> None:
    """MFA of AssumeRole counts within that call only: the chained call has `false`."""
    session = lab.user("alice").assume(ROLE, SerialNumber=SERIAL, TokenCode=code(lab))

    assert session.refused_role(ROLE).code == "AccessDenied"


def test_a_get_session_token_session_carries_it(lab: Lab) -> None:
    """With MFA the role can be assumed without another code; without it can't."""
    alice = lab.user("alice")
    with_mfa = alice.call("sts", "GetSessionToken", SerialNumber=SERIAL, TokenCode=code(lab))
    without = alice.call("sts", "GetSessionToken")

    Person(lab, Keys.of(with_mfa["Credentials"])).assume(ROLE)
    assert Person(lab, Keys.of(without["Credentials"])).refused_role(ROLE).code == "AccessDenied"


def test_the_age_of_mfa_counts_from_the_code(make_lab: LabFactory) -> None:
    """`aws:MultiFactorAuthAge` grows with the session."""
    lab = make_lab(seed_with('{NumericLessThan: {"aws:MultiFactorAuthAge": "600"}}'))
    answer = lab.user("alice").call("sts", "GetSessionToken", SerialNumber=SERIAL, TokenCode=code(lab))
    session = Person(lab, Keys.of(answer["Credentials"]))

    lab.sandbox.clock.advance(599)
    session.assume(ROLE)
    lab.sandbox.clock.advance(1)
    assert session.refused_role(ROLE).code == "AccessDenied"


def test_long_term_keys_slip_through_bool_if_exists(make_lab: LabFactory) -> None:
    """What `dsops policy check` warns of: the key is absent, so IfExists is met."""
    lab = make_lab(seed_with('{BoolIfExists: {"aws:MultiFactorAuthPresent": "true"}}'))
    alice = lab.user("alice")

    alice.assume(ROLE)
    session = Person(lab, Keys.of(alice.call("sts", "GetSessionToken")["Credentials"]))
    assert session.refused_role(ROLE).code == "AccessDenied"


# --- devices through the IAM API -------------------------------------------------------------------------------


def test_a_device_made_through_iam_counts(lab: Lab) -> None:
    """Created, enabled with two consecutive codes, used, deactivated."""
    import base64

    admin = lab.user("admin")
    made = admin.call("iam", "CreateVirtualMFADevice", VirtualMFADeviceName="phone")["VirtualMFADevice"]
    seed, serial = made["Base32StringSeed"].decode(), made["SerialNumber"]
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
    """moto would take any serial number."""
    refused = lab.user("admin").refused(
        "iam",
        "EnableMFADevice",
        UserName="alice",
        SerialNumber=f"arn:aws:iam::{ACCOUNT}:mfa/none",
        AuthenticationCode1="123456",
        AuthenticationCode2="654321",
    )

    assert refused.code == "NoSuchEntity"


# --- the codes themselves --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "expected"),
    [(59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037")],
)
def test_codes_are_rfc_6238s(moment: int, expected: str) -> None:
    """The last six digits of the RFC's test vectors (appendix B, SHA1)."""
    assert code_at("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", moment) == expected


@given(st.binary(min_size=14, max_size=40), st.integers(0, 4_000_000_000))
def test_codes_are_pyotps(key: bytes, moment: int) -> None:
    """An implementation that we did not write shows the same."""
    import base64

    import pyotp

    seed = base64.b32encode(key).decode()

    assert code_at(seed, moment) == pyotp.TOTP(seed).at(moment)
    assert step_of(seed, code_at(seed, moment), moment) is not None


def test_seeds_may_be_written_as_apps_show_them() -> None:
    """Spaces, small letters and missing padding are fine; other letters are not base32."""
    assert code_at("jbsw y3dp ehpk 3pxp", 0) == code_at("JBSWY3DPEHPK3PXP", 0)
    assert is_seed("MZXW6YQ")
    assert not is_seed("0189")
    assert not is_seed("")


def test_consecutive_codes_are_two_neighbours_near_now() -> None:
    """In order, and not long ago."""
    codes = [code_at(SEED, 3000 + 30 * step) for step in range(8)]

    assert are_consecutive(SEED, codes[2], codes[3], 3090)
    assert not are_consecutive(SEED, codes[3], codes[2], 3090)
    assert not are_consecutive(SEED, codes[2], codes[4], 3090)
    assert not are_consecutive(SEED, codes[0], codes[1], 3090 + 90)
