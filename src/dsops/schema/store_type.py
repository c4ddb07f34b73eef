"""The data model of a store type: its keys, rules and operations, and the types of checked values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.secret import Secret
from dsops.startup import Literal, NamedTuple

Setting = str | int | bool | Secret | tuple[str, ...] | tuple[tuple[str, str], ...] | tuple[tuple[str, Secret], ...]
"""A key's value after all checks. `texts` and `command` become a tuple, `map` a tuple of pairs in the order written."""

Settings = Mapping[str, Setting]

KeyKind = Literal[
    "text",  # any scalar, kept as written: account ids and MFA codes never become numbers
    "integer",  # a whole number, also as quoted or interpolated text
    "boolean",
    "texts",  # a list of texts; one text stands for a list of one
    "map",  # text -> text
    "policy",  # a JSON text or a YAML mapping; a setting is its compact JSON text
    "command",  # a command line (text or list), a setting is its argv: only in allowed configurations
    "url",  # an endpoint: AWS's, loopback, or only in allowed configurations
    "store",  # the name of another store; never interpolated
    "file",  # a path, relative to the folder of the file that names it
    "page",  # an https address that a browser opens; only in allowed configurations
]


REASON_TO = "reason_to"
"""The key that says where AWS gets the reason of `--reason`, besides the audit trail."""

SESSION_PARTS = ("access_key_id", "secret_access_key", "session_token", "expiration", "assumed_role_arn", "credentials")
"""The parts of a session that variables can read; `credentials` is all of them as JSON."""

MOST_TAGS = 50
"""The most tags that one session can have (AssumeRole API reference, Tags)."""


class StoreKey(NamedTuple):
    """One key that a store type takes."""

    name: str
    kind: KeyKind
    help: str
    """One sentence, shown in the reference, the JSON Schema and an editor's hover."""
    is_required: bool = False
    is_secret: bool = False
    """Whether the value is never shown, not even by `plan`: external IDs, MFA codes."""
    is_identity: bool = True
    """Whether the value changes whose session it is, and therefore belongs in the fingerprint."""
    is_askable: bool = False
    """Whether dsops can ask the user for the value at run time: then an unset `${NAME}` in it is no error."""
    aliases: tuple[str, ...] = ()
    """The original tool's names for the key; accepted, with a note."""
    choices: tuple[str, ...] = ()
    characters: str = ""
    """A regular expression for each character, AWS's own where AWS has one; in a map, for keys and values."""
    pattern: str = ""
    """A regular expression for the whole text after interpolation; in a list, for each text."""
    shape: str = ""
    """`characters` or `pattern` in words: `letters, digits and _+=,.@-`."""
    minimum: int | None = None
    """The smallest integer, or the length of the shortest text in code points; in a map, of the shortest key."""
    maximum: int | None = None
    """The largest integer, or the length of the longest text in code points; in a map, of the longest key."""
    maximum_value: int | None = None
    """The length of a map's longest value, in code points."""
    maximum_items: int | None = None
    """The most entries of a list or map."""
    source: str = ""
    """The source of the limits, named in errors: `the AssumeRole API reference`."""


class Conflict(NamedTuple):
    """A conflict between two keys that are each valid alone; `key` is the one to blame."""

    key: str
    message: str
    hint: str = ""


class KeyRule(NamedTuple):
    """A rule between the keys of a store: a check, and the part of it that a JSON Schema can express, as data.

    In `apart` and `needs` a key stands as its name, or as `name=value` to mean only that value.
    """

    check: Callable[[Settings], list[Conflict]]
    """Gets every key that is present; one with an unknown or wrong value has the value "", unless it is in `reads`."""
    reads: frozenset[str] = frozenset()
    """The keys whose values the check reads. The check is skipped when one of them is unknown."""
    apart: tuple[tuple[str, ...], ...] = ()
    """Groups of keys that exclude each other."""
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """A key, and the keys of which it needs at least one."""

    @property
    def holds_in_part(self) -> bool:
        """Whether a conflict remains whatever else the store inherits."""
        return bool(self.apart) and not self.needs


class Operation(NamedTuple):
    """An API action that issues a store's session."""

    name: str
    selected_by: tuple[str, ...] = ()
    """The keys that select this operation; of several operations the first one counts. (): the fallback."""
    takes: frozenset[str] = frozenset()
    """The keys that the operation accepts, besides those that every operation accepts."""
    needs: tuple[str, ...] = ()
    """The keys that the operation requires."""
    is_signed: bool = True
    """Whether credentials sign the request."""
    default_seconds: int = 3600
    least_seconds: int = 900
    most_seconds: int = 43200
    reasons: Mapping[str, str] = {}
    """Key -> why the operation does not accept it, where there is a specific reason."""


class StoreType(NamedTuple):
    """What the rest of the program knows about one `type:` of the configuration."""

    name: str
    help: str
    keys: tuple[StoreKey, ...]
    gives_credentials: bool = False
    gives_long_term: bool = False
    """Whether the store gives an IAM user's long-term key: a role assumed with it is not a chained role, and it can
    call GetSessionToken."""
    gives_secrets: bool = True
    takes_credentials: bool = False
    """Whether the store's calls are signed, so that `credentials_from`, `profile` and `region` apply."""
    is_local: bool = False
    """Whether values come from the configuration or the environment alone: such a store sends nothing."""
    service: str = ""
    """The AWS service that the store calls, by its endpoint prefix (`ssm`); "" for a store that calls none.

    The hosts of a service beside `endpoint.SERVICE_IDS` don't count as AWS's own."""
    session_action: str = ""
    """The API action that issues the store's sessions, for a type without `operations`: `GetRoleCredentials`. What it
    issues counts as temporary."""
    shown_as: str = ""
    """What `plan` and `graph` show instead of an action, for credentials that no API call issues: `keyring`."""
    role_keys: tuple[str, ...] = ("role_arn",)
    """The keys that name the role of a session; `Step.role` joins their values by `/`."""
    session_parts: tuple[str, ...] = ()
    """The parts of a session that variables can read; () for a store without a session."""
    keyring_key: str = ""
    """The key that names a long-term key in the system's keyring."""
    read_action: str = ""
    """The API action of `service` that reads a secret: `GetSecretValue`."""
    read_noun: str = "secret"
    """What `service` calls a secret that it keeps."""
    read_prefix: str = ""
    """What stands before the name in the resource part of a secret's ARN: `secret:`."""
    proof_keys: tuple[str, ...] = ()
    """Keys that replace base credentials: a web identity token, a SAML response, a login, a key of the keyring."""
    refused_keys: Mapping[str, str] = {}
    """Keys that similar types take and this one does not -> what to do instead."""
    operations: tuple[Operation, ...] = ()
    """The API actions that can issue its session; the keys decide which one does."""
    rules: tuple[KeyRule, ...] = ()
    """Rules between keys."""
    check_together: Callable[[Settings], list[Conflict]] | None = None
    """A plugin's rule between keys. It runs once every key has a valid, known value."""

    @property
    def issues_sessions(self) -> bool:
        """Whether an API action issues its credentials, which are temporary then; a plugin's type may not say so."""
        return bool(self.operations or self.session_action)

    @property
    def read_permission(self) -> str:
        """The IAM action of `read_action`, such as `ssm:GetParameters`; "" for a type that reads nothing from AWS."""
        return f"{self.service}:{self.read_action}" if self.read_action else ""
