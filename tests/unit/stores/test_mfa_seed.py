"""MFA codes computed from a seed in the keyring: the current code, or the next one if it was used.

If the machine's clock is wrong, the code is computed for AWS's time.
"""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import dsops
from dsops import totp
from dsops.aws.http.wire import Response
from dsops.errors import DsopsError, ExtraMissing, KeyringEntryMissing, KeyringLocked, MfaRefused
from dsops.extras import install_command
from dsops.keyring import seeds
from dsops.keyring.items import Keyring
from dsops.secret import Secret
from tests.aws_in_memory import Call, Refusal
from tests.fakes import NOON, Person
from tests.loop import Time
from tests.pipeline import ADA, Pipeline, words
from tests.stubs.keyrings import StubKeyring

DEVICE = "arn:aws:iam::111111111111:mfa/ada"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ROLE = "arn:aws:iam::222222222222:role/ProdAccessRole"
CONFIG = f'secretStores:\n  r: {{type: aws.sts, role_arn: "{ROLE}", serial_number: "{DEVICE}"}}\n'
SOURCE = str(Path(dsops.__file__).parents[1])
FAILED = "MultiFactorAuthentication failed"
STS = "https://sts.us-east-1.amazonaws.com/"


@pytest.fixture
def stub(home: Path) -> StubKeyring:
    """A keyring with the device's seed."""
    stub = StubKeyring(home)
    seeds.add_seed(Keyring(stub.environ, "/"), DEVICE, Secret(SEED), "2026-11-24T12:00:00Z", replaces=False)
    return stub


class Account:
    """AWS's side of the MFA device: it accepts each code once, by its own clock."""

    def __init__(self, pipeline: Pipeline, ahead: timedelta = timedelta()) -> None:
        self.used: list[str] = []
        self._clock, self._ahead = pipeline.clock, ahead
        pipeline.aws.rule = self.rule
        date = self.now().strftime("%a, %d %b %Y %H:%M:%S GMT")
        pipeline.aws.pages[STS] = [Response(302, {"date": date}, b"")]

    def now(self) -> datetime:
        """The time of AWS's clock."""
        return self._clock() + self._ahead

    def code(self) -> str:
        """Return the device's current code."""
        return totp.code_at(SEED, self.now().timestamp())

    def rule(self, call: Call) -> Refusal | None:
        """Refuse a call with a wrong or used code."""
        code = str(call.parameters["TokenCode"])
        if code != self.code() or code in self.used:
            return Refusal("AccessDenied", f"{FAILED} with invalid MFA one time pass code. ", 403)
        self.used.append(code)
        return None


@pytest.fixture
def pipeline(stub: StubKeyring) -> Pipeline:
    """A process with Ada's key, whose clock is AWS's too, and a user who knows no code."""
    pipeline = Pipeline()
    pipeline.time = Time(also=pipeline.clock.advance)
    pipeline.environ = {**ADA, **stub.environ}
    pipeline.folder = "/"
    return pipeline


def sent(pipeline: Pipeline) -> list[object]:
    """Return the codes that were sent, in order."""
    return [call.parameters["TokenCode"] for call in pipeline.aws.calls]


def test_the_seed_gives_the_code_without_a_prompt(pipeline: Pipeline) -> None:
    """The code computed from the seed is sent without a prompt."""
    account = Account(pipeline)
    pipeline.credentials(CONFIG, "r")
    assert sent(pipeline) == [account.code()]
    assert (pipeline.person.asked, pipeline.time.seconds) == ([], 0)


def test_another_device_is_asked_for_as_ever(pipeline: Pipeline) -> None:
    """For a device without a seed dsops prompts the user and does not open the keyring."""
    pipeline.person = Person("123456")
    pipeline.aws.rule = lambda _call: None
    pipeline.credentials(CONFIG.replace("mfa/ada", "mfa/bob"), "r")
    assert sent(pipeline) == ["123456"]


@pytest.mark.parametrize("value", ["off", "0", "No", "false"])
def test_a_keyring_that_is_switched_off_is_not_asked(pipeline: Pipeline, stub: StubKeyring, value: str) -> None:
    """With DSOPS_KEYRING=off (as in a sandbox, which has other seeds) dsops prompts the user."""
    stub.set_mood("breaks")
    pipeline.environ = {**pipeline.environ, "DSOPS_KEYRING": value}
    account = Account(pipeline)
    pipeline.person = Person(account.code())
    pipeline.credentials(CONFIG, "r")
    assert pipeline.person.asked == [f"MFA code of {DEVICE} for r: "]


def test_a_code_that_is_set_comes_first(pipeline: Pipeline) -> None:
    """A configured code or command takes precedence over the seed."""
    pipeline.aws.rule = lambda _call: None
    pipeline.environ = {**pipeline.environ, "MFA_TOKEN": "000123"}
    pipeline.credentials(CONFIG.replace("}", ", token_code: '${MFA_TOKEN}'}"), "r")
    assert sent(pipeline) == ["000123"]


def test_a_code_that_this_process_used_waits_for_the_next(pipeline: Pipeline) -> None:
    """If this process has used the current code, dsops counts down to the next code and sends nothing meanwhile."""
    account = Account(pipeline)
    pipeline.credentials(CONFIG, "r")
    pipeline.cache.clear()
    pipeline.credentials(CONFIG, "r")
    assert sent(pipeline) == account.used
    assert len(set(account.used)) == 2
    counted = [waiting["seconds"] for waiting in pipeline.reports.facts("mfa.waiting")]
    assert counted == [str(left) for left in range(31, 0, -1)]


def test_a_code_that_was_used_already_waits_for_the_next(pipeline: Pipeline) -> None:
    """If another process has used the current code, AWS rejects it once, and dsops sends the next code."""
    account = Account(pipeline)
    account.used.append(account.code())
    pipeline.credentials(CONFIG, "r")
    assert sent(pipeline) == account.used
    assert pipeline.clock() - NOON == timedelta(seconds=31)


@pytest.mark.parametrize("minutes", [20, 3, -3, -20])
def test_the_code_is_that_of_awss_time(pipeline: Pipeline, minutes: int) -> None:
    """If the machine's clock is wrong, dsops computes the code for AWS's time after one rejection, without waiting."""
    account = Account(pipeline, ahead=timedelta(minutes=minutes))
    pipeline.credentials(CONFIG, "r")
    assert (len(sent(pipeline)), sent(pipeline)[1:]) == (2, account.used)
    assert pipeline.time.seconds == 0


def test_a_clock_that_can_not_be_asked_is_taken_for_right(pipeline: Pipeline) -> None:
    """If AWS's time is not available, dsops trusts the local clock and tries the next code."""
    account = Account(pipeline)
    account.used.append(account.code())
    pipeline.aws.pages[STS] = [Response(502, {}, b"")]
    pipeline.credentials(CONFIG, "r")
    assert sent(pipeline) == account.used


def test_a_seed_of_something_else_ends_after_two_codes(pipeline: Pipeline) -> None:
    """If the seed is another device's, dsops gives up after two codes.

    The error says what to compare and shows no code, and the user is not prompted.
    """
    account = Account(pipeline)
    pipeline.aws.pages[STS] *= 2
    other = seeds.code_at(Secret(SEED[::-1]), NOON.timestamp())
    seeds.add_seed(Keyring(pipeline.environ, "/"), DEVICE, Secret(SEED[::-1]), "", replaces=True)
    with pytest.raises(MfaRefused) as caught:
        pipeline.credentials(CONFIG, "r")
    assert (len(sent(pipeline)), account.used) == (2, [])
    assert f"dsops mfa code {DEVICE}" in caught.value.hint
    assert SEED[::-1] not in words(caught.value)
    assert other.reveal() not in words(caught.value)


def test_a_server_whose_clock_jumps_gets_no_codes_of_all_times(pipeline: Pipeline) -> None:
    """dsops corrects the clock only once; otherwise a server that impersonates STS could collect future codes."""
    pipeline.aws.rule = lambda _call: Refusal("AccessDenied", f"{FAILED} with invalid MFA one time pass code. ", 403)
    dates = [(NOON + timedelta(days=day)).strftime("%a, %d %b %Y %H:%M:%S GMT") for day in range(1, 40)]
    pipeline.aws.pages[STS] = [Response(302, {"date": date}, b"") for date in dates]
    with pytest.raises(MfaRefused, match="AWS rejected"):
        pipeline.credentials(CONFIG, "r")
    assert len(sent(pipeline)) == 3


def test_a_wrong_device_is_not_tried_again(pipeline: Pipeline) -> None:
    """If AWS rejects the device, dsops sends no further code."""
    message = f"{FAILED}, unable to validate MFA code.  Please verify your MFA serial number"
    pipeline.aws.rule = lambda _call: Refusal("AccessDenied", message, 403)
    with pytest.raises(MfaRefused):
        pipeline.credentials(CONFIG, "r")
    assert len(sent(pipeline)) == 1


def test_a_locked_keyring_asks_the_person_and_says_why(pipeline: Pipeline, stub: StubKeyring) -> None:
    """If the keyring is locked, dsops prompts the user and shows the reason."""
    stub.set_mood("locked")
    account = Account(pipeline)
    pipeline.person = Person(account.code())
    pipeline.credentials(CONFIG, "r")
    assert pipeline.person.asked[0].startswith("the keyring (file keyring FileKeyring) is locked")
    assert sent(pipeline) == account.used


@pytest.mark.parametrize(("mood", "kind"), [("locked", KeyringLocked), ("forgotten", KeyringEntryMissing)])
def test_without_a_terminal_the_keyring_is_the_reason(
    pipeline: Pipeline, stub: StubKeyring, mood: str, kind: type[DsopsError]
) -> None:
    """Without a terminal the error reports the keyring's problem, not the missing terminal."""
    stub.set_mood(mood)
    (stub.folder / "secrets.json").write_text("{}")
    with pytest.raises(kind) as caught:
        pipeline.credentials(CONFIG, "r")
    assert caught.value.message.startswith(f"store `r` needs a code of {DEVICE}: the keyring")
    assert str(caught.value.where) == "dsops.yaml:2"
    assert caught.value.hint
    assert pipeline.aws.calls == []


def test_without_the_extra_the_person_is_asked(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the keyring extra dsops prompts the user; without a terminal the error says what to install."""
    account = Account(pipeline)
    monkeypatch.setattr("sys.path", [*(entry for entry in sys.path if "site-packages" not in entry), SOURCE])
    pipeline.person = Person(account.code())
    pipeline.credentials(CONFIG, "r")
    assert pipeline.person.asked[0].startswith("the package `keyring` is not installed\nMFA code of ")
    pipeline.cache.clear()
    with pytest.raises(ExtraMissing) as caught:
        pipeline.credentials(CONFIG, "r")
    assert install_command("keyring") in caught.value.hint


def test_a_list_that_is_broken_asks_the_person(pipeline: Pipeline, stub: StubKeyring) -> None:
    """If the keyring's index file is broken, dsops prompts the user and shows the reason."""
    stub.list.write_text("{")
    account = Account(pipeline)
    pipeline.person = Person(account.code())
    pipeline.credentials(CONFIG, "r")
    assert "is not a valid list of the keyring's entries" in pipeline.person.asked[0]
