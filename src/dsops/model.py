"""The parsed configuration, with all includes, defaults and `extends` resolved; no I/O.

Strings may still contain `${NAME}`. `plan` expands only the strings of the requested environment. So variables that
only other environments need may be unset. `config` has checked everything that does not depend on environment
variables.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.document import Node, Scalar
from dsops.errors import Where
from dsops.startup import NamedTuple

MAX_VALUE_CHARACTERS = 1 << 20
"""The longest value that a configuration can produce. Linux allows 128 KiB for a variable, AWS 64 KiB for a secret."""

MAX_RUN_CHARACTERS = 1 << 26
"""The most characters that one run can produce from a configuration, including intermediate results of transforms."""


class Budget:
    """A limit on the number of characters that a run produces.

    It is needed because references can repeat a long value many times.
    """

    __slots__ = ("_left",)

    def __init__(self, characters: int = MAX_RUN_CHARACTERS) -> None:
        self._left = characters

    def take(self, characters: int) -> bool:
        """Subtract this number of characters; return whether the budget was sufficient."""
        self._left -= characters
        return self._left >= 0


class Field(NamedTuple):
    """One key of a store as written: its value, and the file and line that contain it."""

    node: Node
    where: Where


class StoreEntry(NamedTuple):
    """One entry of `secretStores` (or `providers`): its type, and its fields under their canonical names."""

    name: str
    type: str
    fields: Mapping[str, Field]
    where: Where

    def text_of(self, key: str) -> str:
        """Return a field's string as written; "" if the field is missing or is not a string."""
        field = self.fields.get(key)
        return field.node.text if field is not None and isinstance(field.node, Scalar) else ""

    @property
    def is_dangerous(self) -> bool:
        """Whether the store has `danger: true`; False for a `${NAME}`, whose value is known only in a plan."""
        return self.text_of("danger").lower() in {"true", "yes", "on", "1"}


class Text(NamedTuple):
    """A string as written, which may contain `${NAME}`, and the file and line that contain it."""

    text: str
    where: Where


class Transform(NamedTuple):
    """One step of a `transform`: its name and argument, such as `json_extract` and `.password`; "" for no argument."""

    name: str
    argument: str
    where: Where
    replacement: str = ""
    """The second argument of `replace`: the new text."""


class Reference(NamedTuple):
    """The target of a variable's `from`, in any of its four notations."""

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
    """One entry of `envs` with its `extends` resolved; variables in the order written."""

    name: str
    variables: Mapping[str, Variable]
    where: Where


class SourceFile(NamedTuple):
    """A file of the configuration: its absolute path and the SHA-256 of its bytes, in hex."""

    path: str
    sha256: str
    shown: str = ""
    """The path as errors show it: relative to the working folder."""
    written: str = ""
    """The path with symbolic links in its folder resolved. If the file itself is a link, that link is not resolved."""
    owners: tuple[int, int] = (0, 0)
    """The user ids of two owners: the owner of the path `written`, which may be a link, and the owner of the file."""
    is_shared: bool = False
    """Whether another user can write the file."""
    size: int = 0
    """The number of bytes."""


class ReadFiles(NamedTuple):
    """The files that a process has read for its plan. An agent makes a plan for that process only from the same files.

    The files of AWS profiles are not part of it.
    """

    digest: str = ""
    """A digest of the project's files, the user's own files and `left_out`."""
    left_out: tuple[SourceFile, ...] = ()
    """The project's files that are not used: the user has not allowed them, and the command needs only own names."""


class Config(NamedTuple):
    """A configuration in which every check that needs no environment variables has passed."""

    stores: Mapping[str, StoreEntry]
    environments: Mapping[str, Environment]
    default_environment: str
    files: tuple[SourceFile, ...]
    """The main file, then the local file, then the included files."""
    is_allowed: bool
    """Whether dsops may use these files: the user passed the path, or has allowed the files with this content."""
    notes: tuple[str, ...]
    """Notes for stderr, one line each: deprecated key names, for example."""
    own_files: tuple[SourceFile, ...] = ()
    """The user's own configuration files, which form a layer below the project's files. They need no permission."""
    replaced: tuple[str, ...] = ()
    """The user's own stores and environments that the project's files replace, in words."""
    read: ReadFiles = ReadFiles()

    @property
    def all_files(self) -> tuple[SourceFile, ...]:
        """The files of all layers, those of the project first."""
        return self.files + self.own_files
