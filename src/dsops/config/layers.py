"""The layers of a configuration: a project's files over the user's own file, and that over the profiles of AWS's files.

A store or environment of a higher layer replaces one of the same name below it as a whole. Merged field by field, a
project's store could get the caller or the external ID of another store by accident.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping

from dsops.config.files import ConfigReader, ConfigSource
from dsops.config.problems import Problems
from dsops.config.sections import Sections
from dsops.document import Scalar
from dsops.model import SourceFile
from dsops.startup import NamedTuple


class Layer(NamedTuple):
    """Sources that belong together, and the files that they were read from."""

    sources: tuple[ConfigSource, ...] = ()
    files: tuple[SourceFile, ...] = ()


class ProfileLayer(NamedTuple):
    """The stores made from AWS profiles, their files, and a note for each profile that became no store."""

    sections: Sections = Sections({}, {}, {}, [])
    files: tuple[SourceFile, ...] = ()
    notes: tuple[str, ...] = ()


ProfileReader = Callable[[Collection[str] | None], ProfileLayer]
"""Returns the profiles of these names, and the profiles that they use, as stores; with None, all profiles.

If one of the names is no profile, all profiles are returned, so that an error can suggest a similar name.
"""


def user_file(environ: Mapping[str, str]) -> str:
    """Return the path of the user's own stores and environments, ~/.config/dsops/dsops.yaml; "" without a home folder.

    XDG_CONFIG_HOME replaces ~/.config. The XDG base directory specification says to ignore relative paths.
    """
    folder = environ.get("XDG_CONFIG_HOME", "")
    if not folder.startswith("/"):
        home = environ.get("HOME", "")
        folder = f"{home.rstrip('/')}/.config" if home.startswith("/") else ""
    return f"{folder.rstrip('/')}/dsops/dsops.yaml" if folder else ""


def read_layer(
    path: str,
    folder: str,
    environ: Mapping[str, str],
    problems: Problems,
    *,
    is_named: bool,
    drafts: Mapping[str, bytes] | None = None,
) -> Layer:
    """Read a main file, the local file beside it, and the files that they include."""
    reader = ConfigReader(folder, environ, problems, is_named=is_named, drafts=drafts)
    reader.read(path)
    return Layer(tuple(reader.sources), tuple(reader.files))


def read_user_layer(
    folder: str, environ: Mapping[str, str], problems: Problems, drafts: Mapping[str, bytes] | None = None
) -> Layer:
    """Read the user's own file; an empty layer without one.

    Raises ConfigUnreadable if it belongs to another user.
    """
    path = user_file(environ)
    if not path or not os.path.lexists(path):
        return Layer()
    return read_layer(path, folder, environ, problems, is_named=False, drafts=drafts)


def over(above: Sections, below: Sections) -> Sections:
    """Put one layer over another.

    The `defaults` of both apply, those above last. `default_env` is that of the layer above.
    """
    defaults = {name: below.defaults.get(name, []) + parts for name, parts in above.defaults.items()}
    return Sections(
        stores={name: parts for name, parts in below.stores.items() if name not in above.stores} | above.stores,
        environments={name: parts for name, parts in below.environments.items() if name not in above.environments}
        | above.environments,
        defaults=below.defaults | defaults,
        default_environment=above.default_environment,
    )


def displaced(above: Sections, below: Sections) -> dict[str, str]:
    """Return the stores of the lower layer whose chain of `credentials_from` leads to a name that the upper layer has.

    Each is mapped to that name. The upper layer's store of that name is another one, with another identity.
    """
    sources = {}
    for name, parts in below.stores.items():
        fields = [part.entries["credentials_from"] for part in parts if "credentials_from" in part.entries]
        if name not in above.stores and fields and isinstance(fields[-1].node, Scalar):
            sources[name] = fields[-1].node.text
    ends = {name: _end_of(name, sources) for name in sources}
    return {name: end for name, end in ends.items() if end in above.stores}


def _end_of(name: str, sources: Mapping[str, str]) -> str:
    """Return the last name of a chain; a chain that is a circle ends, too."""
    passed: set[str] = set()
    while name in sources and name not in passed:
        passed.add(name)
        name = sources[name]
    return name


def without(below: Sections, names: Collection[str]) -> Sections:
    """Return the layer without these stores."""
    return below._replace(stores={name: parts for name, parts in below.stores.items() if name not in names})
