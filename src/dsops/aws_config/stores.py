"""Convert profiles to stores: each role and each permission set becomes a store with the same session.

A profile that has no exact equivalent is left out with a note. dsops does not guess: a store with a different identity
from its profile would be worse than no store.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from dsops.aws_config.profiles import SECRET_KEYS, Profile, ProfileEntry, Profiles
from dsops.document import Scalar
from dsops.errors import Where
from dsops.model import Field
from dsops.schema import PROFILE_TYPE, SSO_TYPE, STS_TYPE, StoreType, check_store, fitted
from dsops.startup import NamedTuple
from dsops.text import PROFILE_KEYS, in_profile_words


def _by_profile_key(*keys: str) -> dict[str, str]:
    """Map the name of each key in a profile to its name in a store."""
    return {PROFILE_KEYS.get(key, key): key for key in keys}


_ROLE = _by_profile_key("role_arn", "role_session_name", "external_id", "serial_number", "duration_seconds", "region")
PROVIDERS = frozenset({"credential_process", "login_session"})
"""The keys of a profile that name another source of credentials: a program, or `aws login`."""
_PROVIDED = _by_profile_key("region")
_USER = _by_profile_key("serial_number", "region")
_TOKEN = _by_profile_key("role_arn", "web_identity_token_file", "role_session_name", "region")
_SSO = _by_profile_key("sso_session", "start_url", "sso_region", "account_id", "role_name", "region")
_PLACES = frozenset({"endpoint_url", "services"})
_SOURCES = {
    "Environment": "the keys of the environment",
    "Ec2InstanceMetadata": "the instance's role",
    "EcsContainer": "the container's role",
}
_CHAINED_SECONDS = 3600
_NO_CREDENTIALS = "it has none of role_arn, aws_access_key_id, sso_account_id, credential_process and login_session"
_NO_LONG_TERM_KEY = PROVIDERS | {"aws_session_token", "aws_security_token", "sso_account_id", "sso_role_name"}
"""Keys with which botocore may get a session for a profile, although the profile has an access key."""
_DROPPED = frozenset({"duration_seconds", "region"})
"""Keys that don't affect the identity. If AWS would refuse the value of such a key, the store leaves the key out."""

UNFIT = re.compile(r"[^\w.@+=,-]+")
"""Characters that a store's name can't have: names occur in `store://NAME/KEY`, `NAME:KEY` and on the command line."""


class MadeStore(NamedTuple):
    """One store: its settings in the order in which they are written, and comments for readers of the file."""

    name: str
    profile: str
    where: Where
    settings: tuple[tuple[str, str], ...]
    comments: tuple[str, ...]


class ImportResult(NamedTuple):
    """The result of converting profiles: stores, notes, and profiles that need no store."""

    stores: tuple[MadeStore, ...]
    """The stores in dependency order: each store comes after the store whose session it uses."""
    as_they_are: tuple[Profile, ...]
    """Profiles without a role; a store refers to such a profile by its key `profile`."""
    notes: tuple[str, ...]
    variables: tuple[tuple[str, Where], ...]
    """The variables that replace external IDs, and the location of each external ID."""


def make_stores(
    profiles: Profiles, wanted: Sequence[str] = (), *, keeps_external_ids: bool = False, is_layer: bool = False
) -> ImportResult:
    """Convert the named profiles (without names, all), and the profiles that they depend on.

    Unless `keeps_external_ids`, a variable replaces each external ID, because a dsops.yaml is usually committed. With
    `is_layer`, the stores are for the layer below the user's files. Then each store has exactly the name of its
    profile, and a profile with a user's long-term key becomes a store that calls GetSessionToken.
    """
    maker = _Maker(profiles, keeps_external_ids=keeps_external_ids, is_layer=is_layer)
    for name in wanted or profiles.by_name:
        maker.make(profiles.by_name[name])
    return ImportResult(
        stores=tuple(maker.stores),
        as_they_are=tuple(maker.as_they_are.values()),
        notes=(*profiles.notes, *maker.notes),
        variables=tuple(maker.variables),
    )


class _Maker:
    """Creates each store once, after the store that it depends on."""

    def __init__(self, profiles: Profiles, *, keeps_external_ids: bool, is_layer: bool) -> None:
        self.stores: list[MadeStore] = []
        self.as_they_are: dict[str, Profile] = {}
        self.notes: list[str] = []
        self.variables: list[tuple[str, Where]] = []
        self._profiles = profiles
        self._keeps_external_ids = keeps_external_ids
        self._is_layer = is_layer
        self._names: dict[str, str] = {}
        self._open: list[str] = []

    def make(self, profile: Profile) -> str:
        """Create the profile's store and return its name.

        Returns "" if the profile has no equivalent store; a note then gives the reason.
        """
        if profile.name not in self._names:
            self._open.append(profile.name)
            self._names[profile.name] = self._make(profile)
            self._open.pop()
        return self._names[profile.name]

    def _make(self, profile: Profile) -> str:
        entries = profile.entries
        # botocore's order of precedence: a role without a token file, then a token file, then IAM Identity Center.
        if "role_arn" in entries and "web_identity_token_file" not in entries:
            return self._role(profile)
        if "web_identity_token_file" in entries:
            return self._store(profile, STS_TYPE, _TOKEN, (), self._token_comments(profile))
        if "sso_account_id" in entries or "sso_role_name" in entries:
            session = profile.text("sso_session")
            if session and session not in self._profiles.sso_sessions:
                return self._leave(profile, f"there is no `[sso-session {session}]`", entries["sso_session"])
            return self._store(profile, SSO_TYPE, _SSO, (), ())
        self.as_they_are[profile.name] = profile
        return self._as_it_is(profile) if self._is_layer else ""

    def _as_it_is(self, profile: Profile) -> str:
        """Create the store of a profile without a role; return "" for a profile without credentials."""
        entries, own_name = profile.entries, (("profile", _literal(profile.name)),)
        if profile.has_keys and "aws_session_token" not in entries:
            return self._store(profile, STS_TYPE, _USER, own_name, ())
        if profile.has_keys or not PROVIDERS.isdisjoint(entries):
            return self._store(profile, PROFILE_TYPE, _PROVIDED, own_name, ())
        self.notes.append(f"profile `{profile.name}` ({profile.where}) is left out: {_NO_CREDENTIALS}")
        return ""

    def _token_comments(self, profile: Profile) -> tuple[str, ...]:
        path = profile.text("web_identity_token_file")
        return () if path.startswith("/") else ("The path starts at the folder of this file.",)

    def _role(self, profile: Profile) -> str:
        source, kind = profile.entries.get("source_profile"), profile.entries.get("credential_source")
        if source is not None and kind is not None:
            return self._leave(profile, "it has both `source_profile` and `credential_source`", kind)
        if source is not None:
            return self._of_profile(profile, source)
        if kind is None:
            why = "it has neither `source_profile` nor `credential_source`"
            return self._leave(profile, why, profile.entries["role_arn"])
        if kind.text not in _SOURCES:
            source_names = ", ".join(_SOURCES)
            return self._leave(profile, f"`credential_source` is none of {source_names}", kind)
        comment = (
            f"With {_SOURCES[kind.text]} (credential_source = {kind.text}): dsops takes the first base credentials",
            "that it finds, and `dsops whoami` says which.",
        )
        return self._store(profile, STS_TYPE, _ROLE, (), comment)

    def _of_profile(self, profile: Profile, entry: ProfileEntry) -> str:
        """Create the store of a role that is assumed with another profile's credentials."""
        source = self._profiles.by_name.get(entry.text)
        if source is None:
            return self._leave(profile, f"there is no profile `{entry.text}`, its `source_profile`", entry)
        if source.has_keys:
            return self._on_keys(profile, source, entry)
        if source.name in self._open:
            loop = " -> ".join([*self._open[self._open.index(source.name) :], source.name])
            return self._leave(profile, f"its sources go round: {loop}", entry)
        before = self.make(source)
        if before and source.name not in self.as_they_are:
            return self._store(profile, STS_TYPE, _ROLE, (("credentials_from", before),), ())
        if source.name in self.as_they_are:
            return self._on_profile(profile, source)
        return self._leave(profile, f"its `source_profile` `{source.name}` became no store", entry)

    def _on_keys(self, profile: Profile, source: Profile, entry: ProfileEntry) -> str:
        """Create the store of a role whose source profile has keys.

        Returns "" if the source profile also has a role: botocore uses its keys, but a store would use the role.
        """
        if not source.text("role_arn"):
            return self._on_profile(profile, source)
        why = f"its `source_profile` `{source.name}` has keys and a role, and only the role has a name here"
        return self._leave(profile, f"{why}: move the keys into a profile of their own", entry)

    def _on_profile(self, profile: Profile, source: Profile) -> str:
        self.as_they_are[source.name] = source
        own = (("profile", _literal(source.name)),)
        is_shared = _has_long_term_key(source) and "mfa_serial" in profile.entries and not _is_long(profile)
        return self._store(profile, STS_TYPE, _ROLE, (*own, ("mfa_session", "true")) if is_shared else own, ())

    def _store(
        self,
        profile: Profile,
        store_type: StoreType,
        keys: dict[str, str],
        source: tuple[tuple[str, str], ...],
        comments: tuple[str, ...],
    ) -> str:
        """Add a store of that type, with the profile's keys renamed to the store's keys."""
        entries = {ours: profile.entries[theirs] for theirs, ours in keys.items() if theirs in profile.entries}
        if "sso_session" in entries:
            # With `sso_session`, botocore reads these keys from that section. A profile may repeat them only with the
            # same values.
            entries = {name: entry for name, entry in entries.items() if name not in {"start_url", "sso_region"}}
        if not self._check(profile, store_type, entries, source):
            return ""
        name = self._free_name(profile.name)
        settings = [("type", store_type.name), *source]
        settings += [(key, self._text(key, entry, name)) for key, entry in entries.items()]
        store = MadeStore(
            name=name, profile=profile.name, where=profile.where, settings=tuple(settings), comments=comments
        )
        self.stores.append(store)
        self._tell_others(profile, frozenset(keys) | {"source_profile", "credential_source", *SECRET_KEYS, *PROVIDERS})
        return name

    def _text(self, key: str, entry: ProfileEntry, store: str) -> str:
        if key != "external_id" or self._keeps_external_ids:
            return _literal(entry.text)
        variable = re.sub(r"\W", "_", f"{store}_EXTERNAL_ID", flags=re.ASCII).upper()
        variable = f"_{variable}" if variable[0].isdigit() else variable
        taken = {name for name, _ in self.variables}
        number = 2
        while variable in taken:
            variable, number = f"{variable.removesuffix(f'_{number - 1}')}_{number}", number + 1
        self.variables.append((variable, entry.where))
        return f"${{{variable}}}"

    def _check(
        self,
        profile: Profile,
        store_type: StoreType,
        entries: dict[str, ProfileEntry],
        source: tuple[tuple[str, str], ...],
    ) -> bool:
        """Return whether the entries form a valid store. Drops optional values that AWS would refuse."""
        is_chained = any(key == "credentials_from" for key, _ in source)
        seconds = entries.get("duration_seconds")
        if seconds is not None and is_chained and seconds.text.isdigit() and int(seconds.text) > _CHAINED_SECONDS:
            problem_text = (
                "`duration_seconds` is left out: a role that another's session assumes lives an hour at the most"
            )
            self._tell(profile, problem_text, seconds)
            del entries["duration_seconds"]
        fields = {
            name: Field(Scalar(entry.text, "text", entry.where.line), entry.where) for name, entry in entries.items()
        }
        fields |= {name: Field(Scalar(text, "text", profile.where.line), profile.where) for name, text in source}
        checked = check_store(fitted(store_type, fields), fields, profile.where, profile.name)
        for problem in (*checked.problems, *checked.limits):
            key = problem.path.rpartition(".")[2]
            if key not in _DROPPED:
                self.notes.append(
                    f"profile `{profile.name}` ({problem.where}) is left out: {in_profile_words(problem.message)}"
                )
                return False
            self.notes.append(
                f"profile `{profile.name}` ({problem.where}): {in_profile_words(problem.message)}; it is left out"
            )
            entries.pop(key, None)
        return True

    def _free_name(self, profile: str) -> str:
        """Return a valid and unused name for the profile's store."""
        if self._is_layer:
            return profile
        base_name = UNFIT.sub("-", profile).strip("-") or "profile"
        taken = {store.name for store in self.stores}
        name, number = base_name, 2
        while name in taken:
            name, number = f"{base_name}-{number}", number + 1
        if name != profile:
            self.notes.append(f"profile `{profile}` is store `{name}`: its own name can't be one, or is taken")
        return name

    def _leave(self, profile: Profile, why: str, entry: ProfileEntry) -> str:
        self.notes.append(f"profile `{profile.name}` ({entry.where}) is left out: {why}")
        return ""

    def _tell(self, profile: Profile, what: str, entry: ProfileEntry) -> None:
        self.notes.append(f"profile `{profile.name}` ({entry.where}): {what}")

    def _tell_others(self, profile: Profile, used: frozenset[str]) -> None:
        """Add notes for keys that dsops ignores, and for keys that set an endpoint only for AWS's own programs."""
        places = [key for key in profile.entries if key in _PLACES]
        if places:
            problem_text = f"`{places[0]}` is not followed: set AWS_ENDPOINT_URL, or `endpoint_url` on the store"
            self._tell(profile, problem_text, profile.entries[places[0]])
        others = _joined(key for key in profile.entries if key not in used and key not in _PLACES)
        if others:
            self.notes.append(f"profile `{profile.name}` ({profile.where}): {others} means nothing to dsops")


def _has_long_term_key(profile: Profile) -> bool:
    """Whether the profile's credentials are a user's own key, the only credentials that may call GetSessionToken."""
    return profile.has_keys and _NO_LONG_TERM_KEY.isdisjoint(profile.entries)


def _is_long(profile: Profile) -> bool:
    """Whether the role's session may last longer than AWS allows for role chaining."""
    seconds = profile.text("duration_seconds")
    return seconds.isdigit() and int(seconds) > _CHAINED_SECONDS


def _joined(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _literal(text: str) -> str:
    """Escape `${` in the text, which would begin a variable in a configuration."""
    return text.replace("${", "$${")
