"""Stand-ins for `typing` and `re.compile` that keep a cold start short: they cost nothing until used.

A cold `exec` defines 66 records and compiles 40 patterns. `typing.NamedTuple` took 10 ms of its 71, `re.compile` 7
and importing `typing` 3 (docs/decisions/0014-startup.md). A type checker sees the real ones. Every module that `exec`
imports uses these; other modules may use `typing`.
"""

from __future__ import annotations

import _thread
import gc
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Generic, Literal, NamedTuple, NewType, NoReturn, Protocol, TypeVar, cast

    __all__ = [
        "TYPE_CHECKING",
        "Any",
        "Generic",
        "LazyPatterns",
        "Literal",
        "NamedTuple",
        "NewType",
        "NoReturn",
        "Protocol",
        "TypeVar",
        "cast",
        "own_process",
        "pattern",
        "serve_long",
    ]


class _Pattern:
    """A pattern that is compiled on first use."""

    __slots__ = ("_compiled", "_flags", "_text")

    def __init__(self, text: str, flags: int = 0) -> None:
        self._text = text
        self._flags = flags
        self._compiled: re.Pattern[str] | None = None

    def __getattr__(self, name: str) -> object:
        if self._compiled is None:
            self._compiled = _compile(self._text, self._flags)
        return getattr(self._compiled, name)

    def __repr__(self) -> str:
        return f"pattern({self._text!r})"


_compile = re.compile


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """Like `re.compile`, but compiled on first use. A mistake shows only then, so every pattern needs a test."""
    lazy: Any = _Pattern(text, flags)
    result: re.Pattern[str] = lazy
    return result


_is_own = False


def own_process() -> None:
    """Tune this process for one short command. Only the entry point of `dsops` calls it: a library has a host."""
    global _is_own  # noqa: PLW0603 - one process, one answer
    _is_own = True
    # Garbage collection over the objects of the imports and the config took 4 ms of a cold run (6 %).
    gc.set_threshold(100_000, 10, 10)


def serve_long() -> None:
    """Undo `own_process` for a process that turns out to be a server: requests leave cycles that hold their bodies."""
    gc.set_threshold(700, 10, 10)


class LazyPatterns:
    """Context manager in which `re.compile` returns lazily compiled patterns, which makes an import faster.

    It replaces a function that all threads use. So it does nothing in a process that is not the command's own, nor
    while another thread runs.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        if _is_own and _thread._count() == 0:  # noqa: SLF001 - threads besides the main one; threading has it, and costs 2 ms
            re.compile = pattern  # type: ignore[assignment]  # narrower: the modules in question pass text

    def __exit__(self, *_: object) -> None:
        re.compile = _compile


if not TYPE_CHECKING:
    try:
        # What namedtuple itself uses; reading it is as fast as reading a slot.
        from _collections import _tuplegetter
    except ImportError:  # not CPython

        def _tuplegetter(index: int, _: None) -> property:
            return property(lambda record: tuple.__getitem__(record, index))

    class _Form:
        """A stand-in for a typing form; it may be subscripted with [...] and be a base class."""

        def __class_getitem__(cls, _: object) -> type[_Form]:
            return cls

    class Generic(_Form):
        """Stand-in for typing.Generic."""

    Any = Literal = NoReturn = _Form
    Protocol = object

    def TypeVar(name: str, **_: object) -> str:  # noqa: N802 - typing's name
        """Stand-in for typing.TypeVar."""
        return name

    def NewType(_: str, base: type) -> type:  # noqa: N802 - typing's name
        """Stand-in for typing.NewType: returns the base type itself."""
        return base

    def cast(_: object, value: object) -> object:
        """Stand-in for typing.cast: returns the value unchanged."""
        return value

    class _RecordType(type):
        """Turns a class with annotated fields into a named tuple, as `typing.NamedTuple` does, but compiles nothing."""

        def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]) -> type:
            if bases != (_Blank,):  # a class derived from a record
                return type.__new__(cls, name, bases, namespace)
            fields = tuple(namespace.get("__annotations__", ()))
            defaults = {field: namespace[field] for field in fields if field in namespace}
            if tuple(defaults) != fields[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default stands after one with a default")
            for index, field in enumerate(fields):
                namespace[field] = _tuplegetter(index, None)
            namespace |= {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
            return type.__new__(cls, name, (_Record,), namespace)

    class _Record(tuple):
        """Methods of every record: the part of `typing.NamedTuple` that dsops uses."""

        __slots__ = ()
        _fields: tuple[str, ...] = ()
        _field_defaults: Mapping[str, object] = {}

        def __new__(cls, *values: object, **named: object) -> _Record:  # noqa: PYI034 - Self is of typing
            if len(values) != len(cls._fields) or named:
                values = _complete(cls, values, named)
            return tuple.__new__(cls, values)

        def _replace(self, **named: object) -> _Record:
            unknown = named.keys() - set(self._fields)
            if unknown:
                raise ValueError(f"{type(self).__name__} has no field {sorted(unknown)}")
            return tuple.__new__(
                type(self), [named.get(field, value) for field, value in zip(self._fields, self, strict=True)]
            )

        def _asdict(self) -> dict[str, object]:
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self) -> tuple[object, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            shown = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({shown})"

    def _complete(cls: type[_Record], values: tuple[object, ...], named: dict[str, object]) -> tuple[object, ...]:
        """The values of all fields, in order, with the defaults filled in."""
        fields = cls._fields
        if len(values) > len(fields):
            raise TypeError(f"{cls.__name__} takes {len(fields)} values and was given {len(values)}")
        complete = list(values)
        for field in fields[len(values) :]:
            if field in named:
                complete.append(named.pop(field))
            elif field in cls._field_defaults:
                complete.append(cls._field_defaults[field])
            else:
                raise TypeError(f"{cls.__name__} needs a value for {field}")
        if named:
            raise TypeError(f"{cls.__name__} has no field {next(iter(named))}, or has it twice")
        return tuple(complete)

    class _Base:
        """The base in a class statement; makes `_RecordType` create the class."""

        def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
            if len(bases) != 1:
                raise TypeError("a record has no other bases")
            return (_Blank,)

    # The metaclass of a class statement is found from its bases; _RecordType then swaps this one for _Record.
    _Blank = type.__new__(_RecordType, "_Blank", (_Record,), {"__slots__": ()})
    NamedTuple = _Base()
