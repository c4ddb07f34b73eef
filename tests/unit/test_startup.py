"""A record of `dsops.startup` behaves like a `typing.NamedTuple`."""

from __future__ import annotations

import copy
import pickle
import typing

import pytest

from dsops.startup import NamedTuple


class Point(NamedTuple):
    """A record as dsops writes them."""

    x: int
    """Horizontal position."""
    y: int = 2

    @property
    def total(self) -> int:
        """Sum of both fields."""
        return self.x + self.y


class Named(typing.NamedTuple):
    """The same record as a real NamedTuple."""

    x: int
    y: int = 2


@pytest.mark.parametrize(
    ("values", "named"), [((1,), {}), ((1, 5), {}), ((), {"x": 1}), ((), {"y": 3, "x": 1}), ((1,), {"y": 3})]
)
def test_a_record_is_made_as_a_named_tuple_is(values: tuple[int, ...], named: dict[str, int]) -> None:
    """Positional, named and default values give the same tuple, repr and hash as a NamedTuple."""
    record, real = Point(*values, **named), Named(*values, **named)

    assert tuple(record) == tuple(real)
    assert record == tuple(real)
    assert repr(record) == repr(real).replace("Named", "Point")
    assert (hash(record), record._asdict(), record._fields) == (hash(real), real._asdict(), real._fields)
    assert record.total == real.x + real.y


@pytest.mark.parametrize(
    ("values", "named"), [((), {}), ((1, 2, 3), {}), ((1,), {"x": 1}), ((1,), {"z": 1}), ((), {"y": 1})]
)
def test_wrong_values_are_refused(values: tuple[int, ...], named: dict[str, int]) -> None:
    """Too few, too many, repeated and unknown values raise TypeError, as in a NamedTuple."""
    with pytest.raises(TypeError):
        Named(*values, **named)
    with pytest.raises(TypeError):
        Point(*values, **named)


def test_a_record_is_replaced_matched_and_copied() -> None:
    """Records support `_replace`, class patterns, copying, pickling and inheritance."""

    class Derived(Point):
        """A subclass without fields of its own."""

    match Point(4):
        case Point(x=across, y=up):
            assert (across, up) == (4, 2)
    assert Point(1)._replace(y=7) == (1, 7)
    with pytest.raises(ValueError, match="z"):
        Point(1)._replace(z=7)  # type: ignore[call-arg]
    assert copy.copy(Point(1)) == (1, 2)
    assert pickle.loads(pickle.dumps(Point(1))) == (1, 2)  # noqa: S301 - our own bytes
    assert Derived(3).total == 5


def test_a_default_before_a_value_is_refused() -> None:
    """A field without default after a field with a default is refused, as in a NamedTuple."""
    with pytest.raises(TypeError, match="without a default"):
        type(NamedTuple.__mro_entries__((NamedTuple,))[0])(  # type: ignore[attr-defined]
            "Wrong",
            NamedTuple.__mro_entries__((NamedTuple,)),  # type: ignore[attr-defined]
            {"__annotations__": {"a": int, "b": int}, "a": 1},
        )
