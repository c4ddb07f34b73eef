"""The data model of a store type: its keys, rules and operations, and the types of checked values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.secret import Secret
from dsops.startup import Literal, NamedTuple

Setting = str | int | bool | Secret | tuple[str, ...] | tuple[tuple[str, str], ...] | tuple[tuple[str, Secret], ...]
"""The value of a key after all checks.

`texts` and `command` become a tuple, `map` a tuple of pairs in the order written.
"""

Settings = Mapping[str, Setting]

KeyKind = Literal[
    "text",  # any scalar, kept as written: account ids and MFA codes never become numbers
    "integer",  # a whole number, also as quoted or interpolated text
    "boolean",
    "texts",  # a list of texts; one text stands for a list of one
    "map",  # text -> text
    "policy",  # a JSON text or a YAML mapping; the setting is its compact JSON text
    "command",  # a command line (text or list), only in allowed configurations; the setting is its argv
    "url",  # an endpoint: AWS's, loopback, or any other in allowed configurations
    "store",  # the name of another store; never interpolated
    "file",  # a path, relative to the folder of the file that names it
    "page",  # an https address that a browser opens; only in allowed configurations
]


REASON_TO = "reason_to"
"""The key that says where in AWS the reason of `--reason` is recorded, in addition to the audit trail."""

SESSION_PARTS = ("access_key_id", "secret_access_key", "session_token", "expiration", "assumed_role_arn", "credentials")
"""The parts of a session that variables can read; `credentials` is all of them as JSON."""

MOST_TAGS = 50
"""The maximum number of tags of one session (AssumeRole API reference, Tags)."""


class StoreKey(NamedTuple):
    """One key that a store type takes."""

    name: str
    kind: KeyKind
    help: str
    """One sentence, shown in the reference, the JSON Schema and an editor's hover."""
    is_required: bool = False
    is_secret: bool = False
    """Whether the value is never shown, not even by `plan`. Examples are external IDs and MFA codes."""
    is_identity: bool = True
    """Whether the value affects the session's identity and therefore is part of the fingerprint."""
    is_askable: bool = False
    """Whether dsops can ask the user for the value at run time, so that an unset `${NAME}` in it is no error."""
    aliases: tuple[str, ...] = ()
    """The original tool's names for the key, which are accepted with a note."""
    choices: tuple[str, ...] = ()
    characters: str = ""
    """A regular expression for each character (AWS's own if it has one). In a map it applies to keys and values."""
    pattern: str = ""
    """A regular expression for the whole text after interpolation. In a list it applies to each text."""
    shape: str = ""
    """`characters` or `pattern` in words, such as `letters, digits and _+=,.@-`."""
    minimum: int | None = None
    """The minimum of an integer, or the minimum length of a text in code points. In a map it applies to keys."""
    maximum: int | None = None
    """The maximum of an integer, or the maximum length of a text in code points. In a map it applies to keys."""
    maximum_value: int | None = None
    """The maximum length of a map's values, in code points."""
    maximum_items: int | None = None
    """The maximum number of entries of a list or map."""
    source: str = ""
    """The source of the limits, shown in errors, such as `the AssumeRole API reference`."""


class Conflict(NamedTuple):
    """A conflict between two keys that are each valid alone. `key` is the key to report."""

    key: str
    message: str
    hint: str = ""


class KeyRule(NamedTuple):
    """A rule between the keys of a store: a check, and as data the part that a JSON Schema can express.

    In `apart` and `needs`, `name=value` stands for a key with that value, and `name` for a key with any value.
    """

    check: Callable[[Settings], list[Conflict]]
    """The check, which gets every present key.

    A key with an unknown or invalid value has the value "", unless it is in `reads`.
    """
    reads: frozenset[str] = frozenset()
    """The keys whose values the check reads. The check is skipped if one of these values is unknown."""
    apart: tuple[tuple[str, ...], ...] = ()
    """Groups of keys that exclude each other."""
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Pairs of a key and the keys of which it needs at least one."""

    @property
    def holds_in_part(self) -> bool:
        """Whether a conflict stays a conflict, whatever keys the store inherits in addition."""
        return bool(self.apart) and not self.needs


class Operation(NamedTuple):
    """An API action that issues a store's session."""

    name: str
    selected_by: tuple[str, ...] = ()
    """The keys that select this operation; the first selected operation applies. () means the default operation."""
    takes: frozenset[str] = frozenset()
    """The keys that the operation accepts, in addition to those that every operation accepts."""
    needs: tuple[str, ...] = ()
    """The keys that the operation requires."""
    is_signed: bool = True
    """Whether credentials sign the request."""
    default_seconds: int = 3600
    least_seconds: int = 900
    most_seconds: int = 43200
    reasons: Mapping[str, str] = {}
    """Why the operation does not accept a key, by key, where there is a specific reason."""


class StoreType(NamedTuple):
    """The properties of one `type:` of the configuration that the rest of the program uses."""

    name: str
    help: str
    keys: tuple[StoreKey, ...]
    gives_credentials: bool = False
    gives_long_term: bool = False
    """Whether the store issues an IAM user's long-term key.

    A role assumed with such a key is not a chained role, and the key can call GetSessionToken.
    """
    gives_secrets: bool = True
    takes_credentials: bool = False
    """Whether the store's requests are signed, so that `credentials_from`, `profile` and `region` apply."""
    is_local: bool = False
    """Whether all values come from the configuration or the environment, so that the store sends nothing."""
    service: str = ""
    """The AWS service that the store calls, as its endpoint prefix (`ssm`); "" for a store that calls none.

    The hosts of a service that is not in `endpoint.SERVICE_IDS` are not treated as AWS's own.
    """
    session_action: str = ""
    """The API action that issues the store's sessions, such as `GetRoleCredentials`, for a type without `operations`.

    The credentials that it issues are temporary.
    """
    shown_as: str = ""
    """The text that `plan` and `graph` show instead of an API action, such as `keyring`."""
    role_keys: tuple[str, ...] = ("role_arn",)
    """The keys that name the role of a session. `Step.role` joins their values by `/`."""
    session_parts: tuple[str, ...] = ()
    """The parts of a session that variables can read; () for a store without a session."""
    keyring_key: str = ""
    """The key that names a long-term key in the system's keyring."""
    read_action: str = ""
    """The API action of `service` that reads a secret, such as `GetSecretValue`."""
    read_noun: str = "secret"
    """The service's own term for a secret."""
    read_prefix: str = ""
    """The text before the name in the resource part of a secret's ARN, such as `secret:`."""
    proof_keys: tuple[str, ...] = ()
    """The keys that replace base credentials: a web identity token, SAML response, login or key in the keyring."""
    refused_keys: Mapping[str, str] = {}
    """The keys that similar types take but this type does not, each with what to do instead."""
    operations: tuple[Operation, ...] = ()
    """The API actions that can issue the session. The keys that are present determine which action does."""
    rules: tuple[KeyRule, ...] = ()
    """The rules between keys."""
    check_together: Callable[[Settings], list[Conflict]] | None = None
    """A plugin's rule between keys. It runs when every key has a valid, known value."""

    @property
    def issues_sessions(self) -> bool:
        """Whether an API action issues the store's credentials, which then are temporary.

        A plugin's type may not say so.
        """
        return bool(self.operations or self.session_action)

    @property
    def read_permission(self) -> str:
        """The IAM action of `read_action`, such as `ssm:GetParameters`; "" for a type that reads nothing from AWS."""
        return f"{self.service}:{self.read_action}" if self.read_action else ""
