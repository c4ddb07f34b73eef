"""What a configuration says, after every include, default and `extends` was followed; no I/O.

Texts may still hold `${NAME}`: they are expanded by `plan`, for the one environment that is asked for, so that a
variable which nobody needs may stay unset. Everything that can be checked without the environment has been checked by
`config`.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.document import Node
from dsops.errors import Where
from dsops.startup import NamedTuple

MAX_VALUE_CHARACTERS = 1 << 20
"""The longest value that is made of what a configuration says: a variable of Linux has 128 KiB, a secret of AWS 64."""

MAX_RUN_CHARACTERS = 1 << 26
"""How much a run may make of it altogether, what stands between two transforms included."""


class Budget:
    """What a run may still make of a configuration: a line of it can name the same long value a hundred times."""

    __slots__ = ("_left",)

    def __init__(self, characters: int = MAX_RUN_CHARACTERS) -> None:
        self._left = characters

    def take(self, characters: int) -> bool:
        """Whether so many more may be made; they count from then on."""
        self._left -= characters
        return self._left >= 0


class Field(NamedTuple):
    """One key of a store as written: its value, and where that stands (the file of an included or local part)."""

    node: Node
    where: Where


class StoreEntry(NamedTuple):
    """One entry of `secretStores` (or `providers`): its type and its fields under their canonical names."""

    name: str
    type: str
    fields: Mapping[str, Field]
    where: Where


class Text(NamedTuple):
    """A text as written, possibly with `${NAME}` in it, and where it stands."""

    text: str
    where: Where


class Transform(NamedTuple):
    """One step of a `transform`: its name and argument (`json_extract`, `.password`); "" where it takes none."""

    name: str
    argument: str
    where: Where
    replacement: str = ""
    """What `replace` puts where its argument stood."""


class Reference(NamedTuple):
    """What `from` points at, whichever of the four forms it was written in."""

    store: str
    key: Text
    version: Text | None
    field: Text | None
    where: Where


class Variable(NamedTuple):
    """One variable of an environment. Exactly one of `reference` and `literal` is set."""

    name: str
    reference: Reference | None
    literal: Text | None
    default: Text | None
    optional: bool
    transforms: tuple[Transform, ...]
    where: Where


class Environment(NamedTuple):
    """One entry of `envs`, its `extends` followed, variables in the order written."""

    name: str
    variables: Mapping[str, Variable]
    where: Where


class SourceFile(NamedTuple):
    """A file that the configuration was read from: its absolute path and the SHA-256 of its bytes (hex)."""

    path: str
    sha256: str
    shown: str = ""
    """How `Where` names it: from the working folder, by the way that led there."""
    written: str = ""
    """Where it stands by its own name: the folder's links are followed, its own is not."""
    owners: tuple[int, int] = (0, 0)
    """The user ids of what has that name (a link, perhaps) and of the file that was read."""
    is_shared: bool = False
    """Whether another user may write it."""


class Config(NamedTuple):
    """A configuration in which nothing can be wrong any more that can be seen without the environment variables."""

    stores: Mapping[str, StoreEntry]
    environments: Mapping[str, Environment]
    default_environment: str
    files: tuple[SourceFile, ...]
    """The main file first, then the local one and the included ones."""
    is_allowed: bool
    """Whether it may be carried out: the user named it, or has allowed these files as they were read."""
    notes: tuple[str, ...]
    """One line each, for stderr: old key names accepted, and the like."""
