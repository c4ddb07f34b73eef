"""Replacements for names of `typing` that make a cold start faster.

A cold `exec` defines about 70 records. `typing.NamedTuple` compiles code for each record, which takes 19 ms of a run
of 80 ms. Importing `typing` takes another 3 ms (docs/decisions/0014-startup.md). Type checkers see the real names.
Every module that `exec` imports takes these names from this module; other modules use `typing`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Generic, Literal, NamedTuple, NewType, NoReturn, Protocol, TypeVar, cast

    __all__ = [
        "TYPE_CHECKING",
        "Any",
        "Generic",
        "Literal",
        "NamedTuple",
        "NewType",
        "NoReturn",
        "Protocol",
        "TypeVar",
        "cast",
    ]


if not TYPE_CHECKING:
    try:
        # namedtuple itself uses this getter, which is as quick to read as a slot.
        from _collections import _tuplegetter
    except ImportError:  # this interpreter is not CPython

        def _tuplegetter(index: int, _: None) -> property:
            return property(lambda record: tuple.__getitem__(record, index))

    class _Form:
        """Replaces a name of `typing` that only type checkers use. Code can subscript it and inherit from it."""

        def __class_getitem__(cls, _: object) -> type[_Form]:
            return cls

    class Generic(_Form):
        """Replaces typing.Generic, which only a type checker reads."""

    Any = Literal = NoReturn = _Form
    Protocol = object

    def TypeVar(name: str, **_: object) -> str:  # noqa: N802 - typing's name
        """Return the name; a type checker reads the real TypeVar."""
        return name

    def NewType(_: str, base: type) -> type:  # noqa: N802 - typing's name
        """Return the base type; only a type checker knows the new type."""
        return base

    def cast(_: object, value: object) -> object:
        """Return the value unchanged; a type checker treats it as the given type."""
        return value

    _new = tuple.__new__
    # The constructors of records with 0 to 12 fields. A record gets a copy with the names of its own fields, because a
    # copy takes a microsecond, and compiling a constructor takes 270.
    _CONSTRUCTORS = (
        lambda cls: _new(cls, ()),
        lambda cls, a: _new(cls, (a,)),
        lambda cls, a, b: _new(cls, (a, b)),
        lambda cls, a, b, c: _new(cls, (a, b, c)),
        lambda cls, a, b, c, d: _new(cls, (a, b, c, d)),
        lambda cls, a, b, c, d, e: _new(cls, (a, b, c, d, e)),
        lambda cls, a, b, c, d, e, f: _new(cls, (a, b, c, d, e, f)),
        lambda cls, a, b, c, d, e, f, g: _new(cls, (a, b, c, d, e, f, g)),
        lambda cls, a, b, c, d, e, f, g, h: _new(cls, (a, b, c, d, e, f, g, h)),
        lambda cls, a, b, c, d, e, f, g, h, i: _new(cls, (a, b, c, d, e, f, g, h, i)),
        lambda cls, a, b, c, d, e, f, g, h, i, j: _new(cls, (a, b, c, d, e, f, g, h, i, j)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k: _new(cls, (a, b, c, d, e, f, g, h, i, j, k)),
        lambda cls, a, b, c, d, e, f, g, h, i, j, k, m: _new(cls, (a, b, c, d, e, f, g, h, i, j, k, m)),
    )

    class _RecordType(type):
        """Makes a class with annotated fields a named tuple, as `typing.NamedTuple` does, without compiling code."""

        def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, object]) -> type:
            if bases != (_Blank,):  # The class derives from another record class
                return type.__new__(cls, name, bases, namespace)
            fields = tuple(namespace.get("__annotations__", ()))
            defaults = {field: namespace[field] for field in fields if field in namespace}
            if tuple(defaults) != fields[len(fields) - len(defaults) :]:
                raise TypeError(f"{name}: a field without a default stands after one with a default")
            for index, field in enumerate(fields):
                namespace[field] = _tuplegetter(index, None)
            namespace |= {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
            if len(fields) < len(_CONSTRUCTORS):
                code = _CONSTRUCTORS[len(fields)].__code__.replace(co_varnames=("cls", *fields))
                namespace["__new__"] = type(cast)(code, globals(), "__new__", tuple(defaults.values()))
            return type.__new__(cls, name, (_Record,), namespace)

    class _Record(tuple):
        """The methods of a record: those methods of `typing.NamedTuple` that dsops uses."""

        __slots__ = ()
        _fields: tuple[str, ...] = ()
        _field_defaults: Mapping[str, object] = {}

        def __new__(cls, *values: object, **named: object) -> _Record:  # noqa: PYI034 - Self is of typing
            if len(values) != len(cls._fields) or named:
                values = _complete(cls, values, named)
            return _new(cls, values)

        def _replace(self, **named: object) -> _Record:
            replaced = _new(type(self), map(named.pop, self._fields, self))
            if named:
                raise ValueError(f"{type(self).__name__} has no field {sorted(named)}")
            return replaced

        def _asdict(self) -> dict[str, object]:
            return dict(zip(self._fields, self, strict=True))

        def __getnewargs__(self) -> tuple[object, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            fields = ", ".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({fields})"

    def _complete(cls: type[_Record], values: tuple[object, ...], named: dict[str, object]) -> tuple[object, ...]:
        """Return the values of all fields in order: positional values, then named values and defaults."""
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
        """The base class `NamedTuple`. A class statement replaces it by `_Blank`, whose metaclass builds the record."""

        def __mro_entries__(self, bases: tuple[object, ...]) -> tuple[type, ...]:
            if len(bases) != 1:
                raise TypeError("a record has no other bases")
            return (_Blank,)

    # A class statement gets its metaclass from this base; then _RecordType replaces this base by _Record.
    _Blank = type.__new__(_RecordType, "_Blank", (_Record,), {"__slots__": ()})
    NamedTuple = _Base()
