"""The layers of a configuration, highest first: a project's files, the user's own file, profiles of AWS's files.

A store or environment of a higher layer replaces the whole store or environment of the same name in a lower layer. If
they were merged field by field, a project's store could get the caller or external ID of another store by accident.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from collections.abc import Mapping as MappingOf

from dsops.config.files import ConfigReader, ConfigSource
from dsops.config.problems import Problems
from dsops.config.sections import Part, ProjectParts, Sections
from dsops.document import Mapping, Node, Scalar, Sequence
from dsops.input_file import FileCache
from dsops.model import SourceFile
from dsops.startup import NamedTuple
from dsops.user_folders import config_folder


class Layer(NamedTuple):
    """A group of sources, and their files."""

    sources: tuple[ConfigSource, ...] = ()
    files: tuple[SourceFile, ...] = ()


class ProfileLayer(NamedTuple):
    """The stores made from AWS profiles, their files, and a note for each profile that can't be a store."""

    sections: Sections = Sections({}, {}, {}, [])
    files: tuple[SourceFile, ...] = ()
    notes: tuple[str, ...] = ()


ProfileReader = Callable[[Collection[str] | None], ProfileLayer]
"""Returns the named profiles, and the profiles that they depend on, as stores; with None, all profiles.

If one of the names is not a profile, all profiles are returned, so that an error can suggest a similar name.
"""


def user_file(environ: MappingOf[str, str]) -> str:
    """Return the path of the user's own dsops.yaml, such as ~/.config/dsops/dsops.yaml; "" without a home folder."""
    folder = config_folder(environ)
    return os.path.join(folder, "dsops.yaml") if folder else ""


def read_layer(
    path: str,
    folder: str,
    environ: MappingOf[str, str],
    problems: Problems,
    *,
    is_named: bool,
    drafts: MappingOf[str, bytes] | None = None,
    kept: FileCache | None = None,
    check: Callable[[SourceFile], None] | None = None,
) -> Layer:
    """Read a main file, the local file beside it, and the files that they include.

    `kept` and `check` are parameters of `ConfigReader`.
    """
    reader = ConfigReader(folder, environ, problems, is_named=is_named, drafts=drafts, kept=kept, check=check)
    reader.read(path)
    return Layer(tuple(reader.sources), tuple(reader.files))


def read_user_layer(
    folder: str,
    environ: MappingOf[str, str],
    problems: Problems,
    drafts: MappingOf[str, bytes] | None = None,
    kept: FileCache | None = None,
) -> Layer:
    """Read the user's own file; an empty layer without one.

    Raises ConfigUnreadable if it belongs to another user.
    """
    path = user_file(environ)
    if not path or not os.path.lexists(path):
        return Layer()
    return read_layer(path, folder, environ, problems, is_named=False, drafts=drafts, kept=kept)


def over_own(project: Sections, own: Sections) -> Sections:
    """Put a project's sections over those of the user's own file.

    The own `defaults` apply to all stores, the project's `defaults` only to the project's stores. `default_env` is that
    of the project.
    """
    parts = ProjectParts(frozenset(project.stores), frozenset(project.environments), project.defaults)
    return over(project._replace(defaults=own.defaults), own)._replace(project=parts)


def over(above: Sections, below: Sections) -> Sections:
    """Put one layer over another; `defaults`, `default_env` and `project` are those of the upper layer."""
    return Sections(
        stores={name: parts for name, parts in below.stores.items() if name not in above.stores} | above.stores,
        environments={name: parts for name, parts in below.environments.items() if name not in above.environments}
        | above.environments,
        defaults=above.defaults,
        default_environment=above.default_environment,
        project=above.project,
    )


def displaced(above: Collection[str], below: Sections) -> dict[str, str]:
    """Return the lower layer's stores that depend, by `credentials_from` or `extends`, on a store of the upper layer.

    `above` has the names of the upper layer's stores. The result maps each displaced store to the name on which it
    depends. The upper layer's store of that name has a different identity from the store that the lower layer meant.
    """
    uses = {name: _used(parts, below.defaults) for name, parts in below.stores.items() if name not in above}
    ends: dict[str, str] = {}
    for name, direct in uses.items():
        passed, ahead = {name}, list(direct)
        while ahead:
            used = ahead.pop()
            if used in above:
                ends[name] = used
                break
            ahead += [more for more in uses.get(used, ()) if more not in passed]
            passed.add(used)
    return ends


def displaced_environments(above: Sections, below: Sections, stores: Collection[str]) -> list[str]:
    """Return the lower layer's environments that depend on one of these stores or on an environment of the upper layer.

    They depend on a store by `from`, and on an environment by `extends`.
    """
    found: dict[str, None] = {}
    while more := [
        name
        for name, parts in below.environments.items()
        if name not in above.environments
        and name not in found
        and (
            any(_reads(field.node, stores) for part in parts for field in part.entries.values())
            or any(base in found or base in above.environments for base in _texts(parts, ("extends",)))
        )
    ]:
        found.update(dict.fromkeys(more))
    return list(found)


def _reads(node: Node, stores: Collection[str]) -> bool:
    """Whether a variable has a `from`, in any notation, that names one of the stores."""
    source = node.get("from") if isinstance(node, Mapping) else None
    values = [value for _, value in source.entries] if isinstance(source, Mapping) else [source]
    texts = [value.text for value in values if isinstance(value, Scalar)]
    return any(re.split("[:/]", text.strip().removeprefix("store://"))[0].strip() in stores for text in texts)


def _used(parts: list[Part], defaults: MappingOf[str, list[Part]]) -> list[str]:
    """Return the stores that a store may use by `extends` and by its own or a default `credentials_from`."""
    types = _texts(parts, ("type",))
    used = _texts(parts, ("credentials_from", "extends"))
    if any("credentials_from" in part.entries for part in parts):
        return used
    # A store without `type` gets its type by `extends`.
    return used + [
        name
        for type_name, entries in defaults.items()
        if not types or type_name in types
        for name in _texts(entries, ("credentials_from",))
    ]


def _texts(parts: list[Part], keys: Collection[str]) -> list[str]:
    nodes = [part.entries[key].node for part in parts for key in keys if key in part.entries]
    items = [item for node in nodes for item in (node.items if isinstance(node, Sequence) else (node,))]
    return [item.text for item in items if isinstance(item, Scalar)]


def without(below: Sections, stores: Collection[str], environments: Collection[str] = ()) -> Sections:
    """Return the layer without these stores and environments."""
    return below._replace(
        stores={name: parts for name, parts in below.stores.items() if name not in stores},
        environments={name: parts for name, parts in below.environments.items() if name not in environments},
    )
