"""The clock that a test moves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dsops.sandbox.clock import MovableClock, iso_time
from dsops.sandbox.state.identifiers import access_key_id, account_of_key, unique_id


class Machine:
    """The machine's clock, in a test's hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        """Its time."""
        return self.seconds


def test_it_runs_on_from_where_it_was_moved_to() -> None:
    """The machine's clock is not moved."""
    machine = Machine()
    clock = MovableClock(machine)

    clock.set(5000)
    machine.seconds += 10
    assert (clock.now(), clock.wall()) == (5010, 1010)
    clock.advance(-20)
    assert clock.now() == 4990


def test_it_stands_still_when_frozen() -> None:
    """And can be moved then too; let go it runs on from there."""
    machine = Machine()
    clock = MovableClock(machine)

    clock.freeze(is_frozen=True)
    machine.seconds += 10
    assert clock.now() == 1000
    clock.advance(5)
    machine.seconds += 10
    assert (clock.now(), clock.is_frozen) == (1005, True)
    clock.freeze(is_frozen=False)
    machine.seconds += 7
    assert (clock.now(), clock.is_frozen) == (1012, False)


def test_moments_are_written_as_aws_writes_them() -> None:
    """Fractions are cut off."""
    assert iso_time(1783936800.9) == "2026-07-13T10:00:00Z"


@given(st.integers(0, 10**12 - 1))
def test_a_key_id_names_its_account(number: int) -> None:
    """Also by moto's own way of reading one."""
    account = f"{number:012d}"
    key_id = access_key_id("ASIA", account)

    assert account_of_key(key_id) == account
    assert len(key_id) == 20
    assert len(unique_id("AROA", account)) == 21
    assert account_of_key(unique_id("AROA", account)) == account


def test_moto_makes_ids_of_the_same_form() -> None:
    """An implementation that we did not write."""
    from moto.iam.utils import generate_access_key_id_from_account_id

    for account in ("000000000001", "123456789012", "999999999999"):
        assert account_of_key(generate_access_key_id_from_account_id(account, "AKIA")) == account


def test_a_key_id_of_another_form_names_none() -> None:
    """Old keys and nonsense."""
    assert account_of_key("AKIA0189") is None
    assert account_of_key("") is None
