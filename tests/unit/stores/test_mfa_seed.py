"""Codes of a seed in the keyring: the current one, the next one where that was used, AWS's time where ours is wrong."""

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
    """A keyring that has the device's seed."""
    stub = StubKeyring(home)
    seeds.add_seed(Keyring(stub.environ, "/"), DEVICE, Secret(SEED), "2026-11-24T12:00:00Z", replaces=False)
    return stub


class Account:
    """A device of AWS's: takes each code once, by its own clock."""

    def __init__(self, pipeline: Pipeline, ahead: timedelta = timedelta()) -> None:
        self.used: list[str] = []
        self._clock, self._ahead = pipeline.clock, ahead
        pipeline.aws.rule = self.rule
        date = self.now().strftime("%a, %d %b %Y %H:%M:%S GMT")
        pipeline.aws.pages[STS] = [Response(302, {"date": date}, b"")]

    def now(self) -> datetime:
        """What its clock says."""
        return self._clock() + self._ahead

    def code(self) -> str:
        """What the device shows."""
        return totp.code_at(SEED, self.now().timestamp())

    def rule(self, call: Call) -> Refusal | None:
        """Refuses a code that is wrong or was used."""
        code = str(call.parameters["TokenCode"])
        if code != self.code() or code in self.used:
            return Refusal("AccessDenied", f"{FAILED} with invalid MFA one time pass code. ", 403)
        self.used.append(code)
        return None


@pytest.fixture
def pipeline(stub: StubKeyring) -> Pipeline:
    """A process with Ada's key whose clocks go together, and somebody at its terminal who knows no code."""
    pipeline = Pipeline()
    pipeline.time = Time(also=pipeline.clock.advance)
    pipeline.environ = {**ADA, **stub.environ}
    pipeline.folder = "/"
    return pipeline


def sent(pipeline: Pipeline) -> list[object]:
    """The codes that were sent, in order."""
    return [call.parameters["TokenCode"] for call in pipeline.aws.calls]


def test_the_seed_gives_the_code_and_nobody_is_asked(pipeline: Pipeline) -> None:
    """The current one, at once."""
    account = Account(pipeline)
    pipeline.credentials(CONFIG, "r")
    assert sent(pipeline) == [account.code()]
    assert (pipeline.person.asked, pipeline.time.seconds) == ([], 0)


def test_another_device_is_asked_for_as_ever(pipeline: Pipeline) -> None:
    """A seed is for its own serial number; the keyring is not even opened."""
    pipeline.person = Person("123456")
    pipeline.aws.rule = lambda _call: None
    pipeline.credentials(CONFIG.replace("mfa/ada", "mfa/bob"), "r")
    assert sent(pipeline) == ["123456"]


@pytest.mark.parametrize("value", ["off", "0", "No", "false"])
def test_a_keyring_that_is_switched_off_is_not_asked(pipeline: Pipeline, stub: StubKeyring, value: str) -> None:
    """As in a sandbox, whose device of that name has another seed: somebody is asked."""
    stub.set_mood("breaks")
    pipeline.environ = {**pipeline.environ, "DSOPS_KEYRING": value}
    account = Account(pipeline)
    pipeline.person = Person(account.code())
    pipeline.credentials(CONFIG, "r")
    assert pipeline.person.asked == [f"MFA code of {DEVICE} for r: "]


def test_a_code_that_is_set_comes_first(pipeline: Pipeline) -> None:
    """So does a command: what the configuration says counts."""
    pipeline.aws.rule = lambda _call: None
    pipeline.environ = {**pipeline.environ, "MFA_TOKEN": "000123"}
    pipeline.credentials(CONFIG.replace("}", ", token_code: '${MFA_TOKEN}'}"), "r")
    assert sent(pipeline) == ["000123"]


def test_a_code_that_this_process_used_waits_for_the_next(pipeline: Pipeline) -> None:
    """Nothing is sent meanwhile, and the countdown is told second by second."""
    account = Account(pipeline)
    pipeline.credentials(CONFIG, "r")
    pipeline.cache.clear()
    pipeline.credentials(CONFIG, "r")
    assert sent(pipeline) == account.used
    assert len(set(account.used)) == 2
    counted = [waiting["seconds"] for waiting in pipeline.reports.facts("mfa.waiting")]
    assert counted == [str(left) for left in range(31, 0, -1)]


def test_a_code_that_somebody_else_used_waits_for_the_next(pipeline: Pipeline) -> None:
    """Another run without an agent, or the person's phone: AWS says no once."""
    account = Account(pipeline)
    account.used.append(account.code())
    pipeline.credentials(CONFIG, "r")
    assert sent(pipeline) == account.used
    assert pipeline.clock() - NOON == timedelta(seconds=31)


@pytest.mark.parametrize("minutes", [20, 3, -3, -20])
def test_the_code_is_that_of_awss_time(pipeline: Pipeline, minutes: int) -> None:
    """On a machine whose clock is wrong: after one refusal, without waiting."""
    account = Account(pipeline, ahead=timedelta(minutes=minutes))
    pipeline.credentials(CONFIG, "r")
    assert (len(sent(pipeline)), sent(pipeline)[1:]) == (2, account.used)
    assert pipeline.time.seconds == 0


def test_a_clock_that_can_not_be_asked_is_taken_for_right(pipeline: Pipeline) -> None:
    """Then the next code is tried, as where somebody used this one."""
    account = Account(pipeline)
    account.used.append(account.code())
    pipeline.aws.pages[STS] = [Response(502, {}, b"")]
    pipeline.credentials(CONFIG, "r")
    assert sent(pipeline) == account.used


def test_a_seed_of_something_else_ends_after_two_codes(pipeline: Pipeline) -> None:
    """With what to compare; neither seed nor code is in the error, and nobody is asked for what can't help."""
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
    """One correction is believed: who answers as STS could else collect tomorrow's codes, without an end."""
    pipeline.aws.rule = lambda _call: Refusal("AccessDenied", f"{FAILED} with invalid MFA one time pass code. ", 403)
    dates = [(NOON + timedelta(days=day)).strftime("%a, %d %b %Y %H:%M:%S GMT") for day in range(1, 40)]
    pipeline.aws.pages[STS] = [Response(302, {"date": date}, b"") for date in dates]
    with pytest.raises(MfaRefused, match="AWS did not accept"):
        pipeline.credentials(CONFIG, "r")
    assert len(sent(pipeline)) == 3


def test_a_wrong_device_is_not_tried_again(pipeline: Pipeline) -> None:
    """No code would help."""
    message = f"{FAILED}, unable to validate MFA code.  Please verify your MFA serial number"
    pipeline.aws.rule = lambda _call: Refusal("AccessDenied", message, 403)
    with pytest.raises(MfaRefused):
        pipeline.credentials(CONFIG, "r")
    assert len(sent(pipeline)) == 1


def test_a_locked_keyring_asks_the_person_and_says_why(pipeline: Pipeline, stub: StubKeyring) -> None:
    """Somebody at the terminal can still type a code."""
    stub.set_mood("locked")
    account = Account(pipeline)
    pipeline.person = Person(account.code())
    pipeline.credentials(CONFIG, "r")
    assert pipeline.person.asked[0].startswith("the keyring (file keyring FileKeyring) is locked")
    assert sent(pipeline) == account.used


@pytest.mark.parametrize(("mood", "kind"), [("locked", KeyringLocked), ("forgotten", KeyringEntryMissing)])
def test_with_nobody_there_the_keyring_is_the_reason(
    pipeline: Pipeline, stub: StubKeyring, mood: str, kind: type[DsopsError]
) -> None:
    """Not that there is no terminal: unlocking the keyring, or adding the seed again, is what helps."""
    stub.set_mood(mood)
    (stub.folder / "secrets.json").write_text("{}")
    with pytest.raises(kind) as caught:
        pipeline.credentials(CONFIG, "r")
    assert caught.value.message.startswith(f"store `r` needs a code of {DEVICE}: the keyring")
    assert str(caught.value.where) == "dsops.yaml:2"
    assert caught.value.hint
    assert pipeline.aws.calls == []


def test_without_the_extra_the_person_is_asked(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was installed when the seed was added; with nobody there the error says what to install."""
    account = Account(pipeline)
    monkeypatch.setattr("sys.path", [*(entry for entry in sys.path if "site-packages" not in entry), SOURCE])
    pipeline.person = Person(account.code())
    pipeline.credentials(CONFIG, "r")
    assert pipeline.person.asked[0].startswith("the package `keyring` is not installed. MFA code of ")
    pipeline.cache.clear()
    with pytest.raises(ExtraMissing) as caught:
        pipeline.credentials(CONFIG, "r")
    assert install_command("keyring") in caught.value.hint


def test_a_list_that_is_broken_asks_the_person(pipeline: Pipeline, stub: StubKeyring) -> None:
    """Whoever has the device is not kept from working by a file of ours."""
    stub.list.write_text("{")
    account = Account(pipeline)
    pipeline.person = Person(account.code())
    pipeline.credentials(CONFIG, "r")
    assert "is not the list of what the keyring has" in pipeline.person.asked[0]
