"""Text -> Config: the file is found and read, every key and reference checked, `include` and `extends` followed.

`load` raises one error with every problem that can be seen without the environment variables, and `examine` gives what
could be read besides. What AWS would refuse of a store that may never be needed (a duration, the shape of a name) is
left to `plan`; `limits.check_limits` gives it for all stores.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.config.allow import HOOKED, RUNNING, is_allowed
from dsops.config.environments import make_environments, pick_default
from dsops.config.files import ConfigReader
from dsops.config.find import find, local_path, named_path
from dsops.config.problems import Problems
from dsops.config.references import References
from dsops.config.sections import collect
from dsops.config.stores import KnownTypes, check_complete, check_graph, make_stores
from dsops.model import Config, StoreEntry
from dsops.schema import BUILTIN_TYPES, StoreType
from dsops.startup import NamedTuple

__all__ = ["HOOKED", "RUNNING", "Examined", "examine", "find", "load", "local_path"]


class Examined(NamedTuple):
    """A configuration as far as it can be read, and everything that is wrong with it."""

    config: Config
    """Only what is right may be used: where there are problems, other parts of it can be wrong."""
    problems: Problems
    parts: tuple[StoreEntry, ...]
    """Stores that lack what they inherit, since that can't be found."""
    bases: frozenset[str]
    """Stores that are only there to be inherited: they may be incomplete."""
    unusable: frozenset[str]
    """The names of stores of which a plan would only tell again what is wrong."""


def load(
    *,
    folder: str,
    environ: Mapping[str, str],
    named: str = "",
    types: Mapping[str, StoreType] = BUILTIN_TYPES,
    drafts: Mapping[str, bytes] | None = None,
    is_chosen: bool = True,
    permission: str = RUNNING,
) -> Config:
    """The configuration that counts in `folder`.

    `named` is the file that the user named (`--config`, DSOPS_CONFIG), relative to `folder`. Where that is "", the
    nearest `dsops.yaml` upward is taken, no higher than the git root or the home folder (`find`), and refused when it
    or a file that it includes belongs to neither the user nor root. `dsops.local.yaml` beside it overrides it, store by
    store and field by field, environment by environment and variable by variable.
    A file that was named by something written down earlier (`is_chosen` False) needs permission as one that was found:
    it may have changed since. `permission` is the list that decides (`is_allowed`) for what was not named now.
    `drafts` are contents that files are about to have, by their real paths: they count instead.
    Raises ConfigError or one of its kinds.
    """
    found = examine(
        folder=folder,
        environ=environ,
        named=named,
        types=types,
        drafts=drafts,
        is_chosen=is_chosen,
        permission=permission,
        knows_all=False,
    )
    found.problems.raise_any([file.shown for file in found.config.files])
    return found.config


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
) -> Examined:
    """The same with every problem instead of an error, as far as the files can be read at all.

    `knows_all`: a type that is not among `types` is a problem, and its store is checked as one of the type that was
    probably meant. A run leaves that to the plan: an environment that does not need such a store works.
    """
    types = KnownTypes(types)
    problems = Problems()
    reader = ConfigReader(folder, environ, problems, is_named=bool(named) and is_chosen, drafts=drafts)
    reader.read(named_path(named, folder) if named else find(folder, environ))
    # Of our own types alone: to list those of plugins, all installed packages have to be looked at (15 ms).
    store_keys = frozenset(key.name for store_type in BUILTIN_TYPES.values() for key in store_type.keys)
    sections = collect(reader.sources, store_keys, problems)
    stores = make_stores(sections, types, problems, knows_all=knows_all)
    references = References(stores, types, problems)
    environments = make_environments(sections, references, problems)
    used = check_graph(stores, types, problems) | references.used
    check_complete(stores, used, types, problems)
    files = tuple(reader.files)
    config = Config(
        stores=stores.by_name,
        environments=environments,
        default_environment=pick_default(sections, environments, problems),
        files=files,
        is_allowed=(bool(named) and is_chosen) or is_allowed(files, environ, permission),
        notes=tuple(problems.notes),
    )
    unknown = {name for name, store in stores.by_name.items() if knows_all and store.type not in types}
    unusable = (stores.paths.keys() - stores.by_name.keys()) | unknown
    return Examined(config, problems, stores.parts, stores.bases - used, frozenset(unusable))
