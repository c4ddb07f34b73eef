"""Reads a configuration: parses its files, follows `include` and `extends`, checks keys and references.

The input is a folder and the store types, the output a `Config`. `load` raises one error with every problem that can
be seen without environment variables; `examine` also returns what could be read. `load` does not check whether AWS
would refuse a value, such as a duration, because the store may never be needed. `plan` checks these values for the
stores that it uses, and `limits.check_limits` for all stores. Imported by `agent`, `audit`, `aws`, `aws_config`,
`cli`, `doctor`, `guard`, `hook`, `library`, `migrate`, `node`, `pipeline`, `plan`, `resolve` and `stores`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from dsops.config.allow import HOOKED, RUNNING, check_left_out, content_digest, is_allowed, is_usable, permission_check
from dsops.config.environments import make_environments, pick_default
from dsops.config.find import find, is_found, local_path, named_path
from dsops.config.layers import (
    Layer,
    ProfileLayer,
    ProfileReader,
    displaced,
    displaced_environments,
    over,
    over_own,
    read_layer,
    read_user_layer,
    without,
)
from dsops.config.problems import Problems
from dsops.config.references import References
from dsops.config.sections import Sections, collect
from dsops.config.stores import KnownTypes, check_complete, check_graph, make_stores
from dsops.errors import ConfigNotFound
from dsops.input_file import FileCache
from dsops.model import Config, ReadFiles, SourceFile, StoreEntry
from dsops.schema import BUILTIN_TYPES, StoreType
from dsops.startup import NamedTuple

__all__ = ["HOOKED", "RUNNING", "Examined", "examine", "find", "is_found", "load", "local_path"]


class Examined(NamedTuple):
    """A configuration as far as it can be read, and its problems."""

    config: Config
    """The configuration without its invalid parts.

    Use it only if there are no problems, because a problem in one part can affect other parts.
    """
    problems: Problems
    parts: tuple[StoreEntry, ...]
    """Stores that lack inherited fields, because a store that their `extends` names can't be found."""
    bases: frozenset[str]
    """The names of stores that other stores extend and nothing else uses; they may be incomplete."""
    unusable: frozenset[str]
    """The names of stores that can't be planned: their plans would only repeat the problems."""


def load(
    *,
    folder: str,
    environ: Mapping[str, str],
    named: str = "",
    types: Mapping[str, StoreType] = BUILTIN_TYPES,
    drafts: Mapping[str, bytes] | None = None,
    is_chosen: bool = True,
    permission: str = RUNNING,
    profiles: ProfileReader | None = None,
    names: Collection[str] | None = (),
    either: str = "",
    kept: FileCache | None = None,
    is_alone: bool = False,
    left_out: tuple[SourceFile, ...] = (),
) -> Config:
    """Read the configuration that applies in `folder`.

    `named` is the file that the user named (`--config`, DSOPS_CONFIG), relative to `folder`. If it is "", the nearest
    `dsops.yaml` upward is used, no higher than the git root or the home folder (`find`). That file and the files it
    includes must belong to the user or root. A `dsops.local.yaml` beside the main file overrides fields of stores and
    variables of environments. A file whose name was saved earlier (`is_chosen` False) needs permission like a
    discovered file, because it may have changed since. `permission` is the list of permissions (`is_allowed`) for
    files that the user did not name in this run. `drafts` replace the contents of files, by real path.

    The layer below a discovered file is the user's own file (`layers.user_file`), which needs no permission. The
    lowest layer has the stores that `profiles` makes from AWS profiles:

    - the profiles in `names` (None: all profiles)
    - the profiles that a store names
    - the profile `either`, if no environment and no store has that name

    Without a `dsops.yaml`, these two layers are the configuration. With `is_alone`, the command needs only the stores
    and environments in `names` and `either`. A discovered file that the user has not allowed is then left out, with a
    note, if it defines none of them and the user's own layers define all of them. `left_out` has the files that another
    process has left out for this reason: they are left out again if they are unchanged.

    With `kept`, a configuration whose files are unchanged since an earlier call is not parsed again. A file that needs
    permission and has none is not parsed either, so `is_alone` does not leave it out. Raises ConfigError or a subclass;
    NotAllowed only with `kept` or `left_out`.
    """
    examined = examine(
        folder=folder,
        environ=environ,
        named=named,
        types=types,
        drafts=drafts,
        is_chosen=is_chosen,
        permission=permission,
        knows_all=False,
        profiles=profiles,
        names=names,
        either=either,
        kept=kept,
        is_alone=is_alone,
        left_out=left_out,
    )
    examined.problems.raise_any([file.shown for file in examined.config.all_files])
    return examined.config


def examine(
    *,
    folder: str,
    environ: Mapping[str, str],
    named: str = "",
    types: Mapping[str, StoreType] = BUILTIN_TYPES,
    drafts: Mapping[str, bytes] | None = None,
    is_chosen: bool = True,
    permission: str = RUNNING,
    knows_all: bool = True,
    profiles: ProfileReader | None = None,
    names: Collection[str] | None = (),
    either: str = "",
    kept: FileCache | None = None,
    is_alone: bool = False,
    left_out: tuple[SourceFile, ...] = (),
) -> Examined:
    """Read the configuration as `load` does, but return problems instead of raising them.

    Errors are raised only if the files can't be read at all. With `knows_all`, a type that is not in `types` is a
    problem. Its store is then checked as a store of the most similar known type. `load` leaves unknown types to the
    plan, because an environment works without the stores that it does not need.
    """
    asked = {*(names or ()), *((either,) if either else ())}
    read = _read_files(
        folder,
        environ,
        named,
        asked if is_alone else (),
        left_out,
        drafts=drafts,
        is_named=bool(named) and is_chosen,
        permission=permission,
        profiles=profiles,
        kept=kept,
    )
    known_types = KnownTypes(types)

    def check_over(below: ProfileLayer, wanted: Collection[str] | None) -> Examined:
        return read.with_files(read.examined(below, wanted, known_types, knows_all=knows_all), below)

    missing = None if names is None else read.missing(names, either)
    below = ProfileLayer() if profiles is None or missing == [] else profiles(missing)
    if read.not_found is not None and not read.own.files and not below.files:
        raise read.not_found
    examined = check_over(below, missing)
    unknown = sorted(examined.problems.unknown_stores)
    if unknown and profiles is not None and missing is not None:
        return check_over(profiles(wanted := [*missing, *unknown]), wanted)
    return examined


def _read_files(
    folder: str,
    environ: Mapping[str, str],
    named: str,
    alone: Collection[str],
    left_out: tuple[SourceFile, ...],
    *,
    drafts: Mapping[str, bytes] | None,
    is_named: bool,
    permission: str,
    profiles: ProfileReader | None,
    kept: FileCache | None,
) -> _Read:
    """Read the project's files and the user's own file.

    `alone` has the names that the command needs; it is empty if the command needs more than these names. The other
    parameters are those of `load`.
    """
    problems, unused, not_found = Problems(), left_out, None
    own = Layer() if named else read_user_layer(folder, environ, problems, drafts, kept)
    without_project, project = problems.copy(), Layer()
    try:
        path = named_path(named, folder) if named else find(folder, environ)
        if left_out:
            check_left_out(left_out, path, environ)
        elif named or [path] != [file.written for file in own.files[:1]]:
            check = permission_check(path, environ, permission) if kept and not is_named else None
            project = read_layer(
                path, folder, environ, problems, is_named=is_named, drafts=drafts, kept=kept, check=check
            )
    except ConfigNotFound as error:
        if permission == HOOKED:
            raise  # The shell hook loads only the folder's dsops.yaml, so without this file there is nothing to load.
        not_found, unused = error, ()
    is_permitted = is_named or not project.files or is_allowed(project.files, environ, permission)
    # The agent never leaves a file out (`kept` is set for an agent): its client has decided which files are used, and
    # has shown the note.
    is_alone = bool(alone) and not (kept or named or is_permitted) and problems.is_empty
    if is_alone and _are_users_own(alone, project, own, profiles):
        without_project.notes.append(_not_used(project, alone))
        unused, project, problems, is_permitted = project.files, Layer(), without_project, True
    is_permitted = is_permitted and (is_named or is_usable(own.files, environ))
    return _Read(project, own, unused, problems, kept, is_permitted=is_permitted, not_found=not_found)


class _Names(NamedTuple):
    """The names of the stores and environments in the files, without the names of AWS profiles."""

    stores: Collection[str]
    environments: Collection[str]


class _Read:
    """The layers of files that were read, which are parsed and checked unless `kept` has the result."""

    def __init__(
        self,
        project: Layer,
        own: Layer,
        left_out: tuple[SourceFile, ...],
        problems: Problems,
        kept: FileCache | None,
        *,
        is_permitted: bool,
        not_found: ConfigNotFound | None,
    ) -> None:
        self.own = own
        self.not_found = not_found
        self._project = project
        self._problems = problems
        self._is_permitted = is_permitted
        self._cache = kept
        self._kept = kept if problems.is_empty else None
        self._files = ReadFiles(content_digest((project.files, own.files, left_out)), left_out)
        self._key = [tuple([(source.shown, source.sha256) for source in layer.sources]) for layer in (project, own)]
        self._made: Sections | None = None

    def _sections(self) -> Sections:
        if self._made is None:
            self._made = _sections(self._project, self.own, self._problems)
        return self._made

    def missing(self, names: Collection[str], either: str) -> list[str]:
        """Return the names that are not stores, and `either` if it is neither a store nor an environment."""
        known = self._names()
        missing = [name for name in names if name not in known.stores]
        is_known = not either or either in known.stores or either in known.environments
        return missing if is_known else [*missing, either]

    def _names(self) -> _Names:
        key = ("names", *self._key)
        names: _Names | None = self._kept.get(key) if self._kept else None
        if names is None:
            sections = self._sections()
            names = _Names(sections.stores, sections.environments)
            if self._kept:
                self._kept.keep(key, _Names(frozenset(names.stores), frozenset(names.environments)), 0)
        return names

    def examined(
        self, below: ProfileLayer, wanted: Collection[str] | None, types: KnownTypes, *, knows_all: bool
    ) -> Examined:
        """Return the checked layers. `below` has the profiles named in `wanted` (None: all profiles)."""
        profiles = tuple([(file.shown, file.sha256) for file in below.files])
        key = ("config", *self._key, profiles, None if wanted is None else tuple(wanted), knows_all)
        examined: Examined | None = self._kept.get(key) if self._kept else None
        if examined is None:
            sections = self._sections()
            problems = self._problems.copy()
            problems.notes.extend(below.notes)
            usable = _without_displaced(sections, below.sections, wanted or (), problems)
            examined = _check(over(sections, usable), types, problems, knows_all=knows_all)
            if self._kept and problems.is_empty:
                files = (*self._project.files, *self.own.files, *below.files)
                self._kept.keep(key, examined, sum(file.size for file in files))
        return examined

    def with_files(self, examined: Examined, below: ProfileLayer) -> Examined:
        """Return the result with its files, and with whether the user has allowed them."""
        layers = (self._project, self.own, below)
        files, *others = [layer.files for layer in layers if layer.files]
        config = examined.config._replace(
            files=files,
            own_files=tuple(file for layer in others for file in layer),
            replaced=_replaced(self._project, self.own, self._cache),
            is_allowed=self._is_permitted,
            read=self._files,
        )
        return examined._replace(config=config)


def _are_users_own(names: Collection[str], project: Layer, own: Layer, profiles: ProfileReader | None) -> bool:
    """Whether the user's own file or AWS profiles define every name, and the project's files define none."""
    theirs, mine = _collect(project, Problems()), _collect(own, Problems())
    if not names or any(name in theirs.stores or name in theirs.environments for name in names):
        return False
    others = [name for name in names if name not in mine.stores and name not in mine.environments]
    stores = profiles(others).sections.stores if others and profiles is not None else {}
    return all(name in stores for name in others)


def _not_used(project: Layer, names: Collection[str]) -> str:
    """Return the note about a project's file that is left out."""
    quoted = " and ".join(f"`{name}`" for name in sorted(names))
    return (
        f"{project.files[0].shown} is not used: you have not allowed it, and {quoted} is your own; "
        "`dsops allow` shows what the file can do"
    )


def _collect(layer: Layer, problems: Problems) -> Sections:
    # Plugin types are left out: finding them takes 15 ms, because the metadata of all installed packages has to be
    # read.
    store_keys = frozenset(key.name for store_type in BUILTIN_TYPES.values() for key in store_type.keys)
    return collect(layer.sources, store_keys, problems)


def _replaced(project: Layer, own: Layer, kept: FileCache | None) -> tuple[str, ...]:
    """Return the user's own stores and environments that the project replaces; () for the agent, which shows none."""
    if kept or not project.files or not own.files:
        return ()
    above, below = _collect(project, Problems()), _collect(own, Problems())
    pairs = (("store", below.stores, above.stores), ("environment", below.environments, above.environments))
    return tuple(
        f"your own {kind} `{name}` ({parts[0].where})"
        for kind, mine, theirs in pairs
        for name, parts in mine.items()
        if name in theirs
    )


def _sections(project: Layer, own: Layer, problems: Problems) -> Sections:
    """Merge the sections of a project's files with those of the user's own file; the project takes precedence."""
    sections = _collect(own, problems)
    if not project.files:
        return sections
    above = _collect(project, problems)
    sources = displaced(above.stores, sections)
    environments = displaced_environments(above, sections, {*sources, *(above.stores.keys() & sections.stores.keys())})
    for kind, names in (("store", sources), ("environment", environments)):
        problems.notes += [
            f"your own {kind} `{name}` is left out: it uses a name that this project has, too" for name in names
        ]
    return over_own(above, without(sections, sources, environments))


def _without_displaced(above: Sections, below: Sections, wanted: Collection[str], problems: Problems) -> Sections:
    """Leave out the profiles whose credentials would come from a store of a file that takes precedence.

    If such a profile is in `wanted`, a problem is added instead.
    """
    sources = displaced(above.stores, below)
    if above.project is not None:
        # The user's own `defaults` also apply to profiles, and name stores of the user's own file.
        sources = displaced(above.project.stores, below._replace(defaults=above.defaults)) | sources
    refused = [name for name in sources if name in wanted]
    for name in refused:
        source = sources[name]
        problems.add(
            below.stores[name][0].where,
            f"secretStores.{name}",
            f"profile `{name}` gets its credentials from profile `{source}`, and a store has that name",
            f"rename the store `{source}` ({above.stores[source][0].where}): it may be another identity",
        )
    return below if refused or not sources else without(below, sources)


def _check(sections: Sections, types: Mapping[str, StoreType], problems: Problems, *, knows_all: bool) -> Examined:
    """Check the stores and environments of all layers. The caller sets `files` and `is_allowed` of the result."""
    stores = make_stores(sections, types, problems, knows_all=knows_all)
    references = References(stores, types, problems)
    environments = make_environments(sections, references, problems)
    used = check_graph(stores, types, problems) | references.used
    check_complete(stores, used, types, problems)
    config = Config(
        stores=stores.by_name,
        environments=environments,
        default_environment=pick_default(sections, environments, problems),
        files=(),
        is_allowed=False,
        notes=tuple(problems.notes),
    )
    unknown = {name for name, store in stores.by_name.items() if knows_all and store.type not in types}
    unusable = (stores.paths.keys() - stores.by_name.keys()) | unknown
    return Examined(config, problems, stores.parts, stores.bases - used, frozenset(unusable))
