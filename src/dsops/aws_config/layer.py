"""Turn profiles into stores of the same name, as the lowest layer of a configuration."""

from __future__ import annotations

from collections.abc import Collection

from dsops.aws_config.profiles import Profiles
from dsops.aws_config.stores import MadeStore, make_stores
from dsops.config.sections import Part, Sections
from dsops.document import Scalar
from dsops.model import Field


def profile_sections(profiles: Profiles, names: Collection[str] | None) -> tuple[Sections, tuple[str, ...]]:
    """Convert the named profiles, and the profiles that they use, to stores; return these with their notes.

    Only notes about the named profiles are returned.

    All profiles are returned if `names` is None, or if one of the names is not a profile. An error can then suggest a
    similar name. A store has exactly the name of its profile, even if a dsops.yaml could not use that name.
    """
    is_all = names is None or any(name not in profiles.by_name for name in names)
    result = make_stores(profiles, () if is_all else tuple(names or ()), keeps_external_ids=True, is_layer=True)
    # A note about a profile begins with its name or with its section header (a header without the word `profile`).
    starts = tuple(start for name in names or () for start in (f"profile `{name}` ", f"`[{name}]` "))
    notes = tuple(note for note in result.notes if starts and note.startswith(starts))
    return Sections({store.name: [_part(store)] for store in result.stores}, {}, {}, []), notes


def _part(store: MadeStore) -> Part:
    line = store.where.line
    entries = {key: Field(Scalar(value, "text", line), store.where) for key, value in store.settings}
    return Part(store.where, f"secretStores.{store.name}", entries)
