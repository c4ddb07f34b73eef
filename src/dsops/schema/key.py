"""The shape of a key, of a store type, and of a checked value."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.secret import Secret
from dsops.startup import Literal, NamedTuple

Setting = str | int | bool | Secret | tuple[str, ...] | tuple[tuple[str, str], ...] | tuple[tuple[str, Secret], ...]
"""A key's value after every check: `texts` and `command` are a tuple, `map` a tuple of pairs, order kept."""

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
"""The key that says where the reason of `--reason` goes besides the audit trail."""

SESSION_PARTS = ("access_key_id", "secret_access_key", "session_token", "expiration", "assumed_role_arn", "credentials")
"""The parts of a session that variables can read; `credentials` is all of them as JSON."""

MOST_TAGS = 50
"""Of one session (the AssumeRole API reference, Tags)."""


class StoreKey(NamedTuple):
    """One key that a store type takes."""

    name: str
    kind: KeyKind
    help: str
    """One sentence for the reference, the JSON Schema and an editor's hover."""
    is_required: bool = False
    is_secret: bool = False
    """Never shown, also not in `plan`: external IDs, MFA codes."""
    is_identity: bool = True
    """Whether it decides whose session it is, and so belongs in the fingerprint."""
    is_askable: bool = False
    """Whether a person can be asked for it at run time: an unset `${NAME}` in it is no error."""
    aliases: tuple[str, ...] = ()
    """The original tool's names for it, accepted with a note."""
    choices: tuple[str, ...] = ()
    characters: str = ""
    """A regular expression for each character, AWS's own where AWS has one; in a map, of keys and values."""
    pattern: str = ""
    """A regular expression for the whole text (of `texts`, each one) after interpolation."""
    shape: str = ""
    """What `characters` or `pattern` ask for, in words: `letters, digits and _+=,.@-`."""
    minimum: int | None = None
    """The smallest integer, or the shortest text in code points; of a map, the shortest key."""
    maximum: int | None = None
    """The largest integer, or the longest text in code points; of a map, the longest key."""
    maximum_value: int | None = None
    """The longest value of a map, in code points."""
    maximum_items: int | None = None
    """How many `texts`, or entries of a map, there may be."""
    source: str = ""
    """Where the limits come from, named in the error: `the AssumeRole API reference`."""


class Conflict(NamedTuple):
    """Something wrong with a key's value only because of another key's."""

    key: str
    message: str
    hint: str = ""


class KeyRule(NamedTuple):
    """What has to hold between the keys of a store: the check, and as data what of it the JSON Schema can say.

    In `apart` and `needs` a key stands as its name, or as `name=value` where only that value is meant.
    """

    check: Callable[[Settings], list[Conflict]]
    """Gets every key that is written; a key whose value is not known or wrong is "" there, unless it is in `reads`."""
    reads: frozenset[str] = frozenset()
    """The keys whose values it looks at: it is left out where one of them is not known."""
    apart: tuple[tuple[str, ...], ...] = ()
    """Groups of keys of which at most one may be written."""
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """A key, and those of which it needs at least one."""

    @property
    def holds_in_part(self) -> bool:
        """Whether what it finds stays wrong whatever else the store inherits."""
        return bool(self.apart) and not self.needs


class Operation(NamedTuple):
    """An API action by which a store gets its session."""

    name: str
    told_by: tuple[str, ...] = ()
    """The keys any of which mean it; of several operations the first counts. None: where nothing means another."""
    takes: frozenset[str] = frozenset()
    """The keys that go with it, besides those that go with every operation."""
    needs: tuple[str, ...] = ()
    """Those of them that have to be there."""
    is_signed: bool = True
    """Whether credentials sign the call."""
    default_seconds: int = 3600
    least_seconds: int = 900
    most_seconds: int = 43200
    reasons: Mapping[str, str] = {}
    """Why a key does not go with it, where there is more to say than that it is not taken."""


class StoreType(NamedTuple):
    """One `type:` of the config."""

    name: str
    help: str
    keys: tuple[StoreKey, ...]
    gives_credentials: bool = False
    gives_long_term: bool = False
    """Whether what it issues is a user's own key and no session: a role assumed with it is no chained one, and a
    session of GetSessionToken can be had with it."""
    gives_secrets: bool = True
    takes_credentials: bool = False
    """Whether `credentials_from`, `profile` and `region` make sense on it."""
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
    """Keys any of which names what stands where base credentials stand elsewhere: a token, a login."""
    refused_keys: Mapping[str, str] = {}
    """Keys that others of its kind take and this one does not, each with what to do instead."""
    operations: tuple[Operation, ...] = ()
    """By which actions it gets sessions, where there is a choice."""
    rules: tuple[KeyRule, ...] = ()
    """What has to hold between keys that are right by themselves."""
    check_together: Callable[[Settings], list[Conflict]] | None = None
    """The same as one function, for plugins: called once the value of every key is known and right."""

    @property
    def read_permission(self) -> str:
        """The IAM action of `read_action`, such as `ssm:GetParameters`; "" for a type that reads nothing from AWS."""
        return f"{self.service}:{self.read_action}" if self.read_action else ""
