"""The data model of a store type: its keys, rules and operations, and the types of checked values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dsops.secret import Secret
from dsops.startup import Literal, NamedTuple

Setting = str | int | bool | Secret | tuple[str, ...] | tuple[tuple[str, str], ...] | tuple[tuple[str, Secret], ...]
"""The value of a key after all checks.

For the kinds `texts` and `command` it is a tuple. For `map` it is a tuple of pairs in the order written.
"""

Settings = Mapping[str, Setting]

KeyKind = Literal[
    "text",  # a string as it is written: an account id or MFA code never becomes a number
    "integer",  # a whole number, which may be quoted or the value of a variable
    "boolean",
    "texts",  # a list of strings; a single string stands for a list of one
    "map",  # a mapping from text to text
    "policy",  # a JSON string or a YAML mapping, stored as compact JSON
    # a command line (string or list), stored as its list of words; a configuration needs permission to set it
    "command",
    "url",  # an endpoint: AWS's, loopback or, with permission, any other
    "store",  # the name of another store; variables in it are not replaced
    "file",  # a path, relative to the folder of the file that names it
    "page",  # an https address that a browser opens; a configuration needs permission to set it
]


REASON_TO = "reason_to"
"""The key that determines how AWS receives the text of `--reason`: as source identity or as session tag."""

SESSION_PARTS = ("access_key_id", "secret_access_key", "session_token", "expiration", "assumed_role_arn", "credentials")
"""The parts of a session that variables can read. `credentials` means all parts as JSON."""

MOST_TAGS = 50
"""The maximum number of tags of one session (AssumeRole API reference, Tags)."""


class StoreKey(NamedTuple):
    """One key that a store type takes."""

    name: str
    kind: KeyKind
    help: str
    """One sentence about the key, shown in the reference, in the JSON Schema and on hover in an editor."""
    is_required: bool = False
    is_secret: bool = False
    """Whether the value must never be shown, not even by `plan`: external IDs and MFA codes, for example."""
    is_identity: bool = True
    """Whether the value affects the session's identity and therefore is part of the fingerprint."""
    is_askable: bool = False
    """Whether dsops can prompt for the value at run time, so that an unset `${NAME}` in it is no error."""
    aliases: tuple[str, ...] = ()
    """The key's names in the original dsops, which are accepted with a note."""
    choices: tuple[str, ...] = ()
    characters: str = ""
    """The regular expression that each character must match; AWS's own if AWS defines one.

    In a map it applies to keys and values.
    """
    pattern: str = ""
    """The regular expression for the whole string after interpolation. In a list it applies to each string."""
    shape: str = ""
    """A description of `characters` or `pattern`, such as `letters, digits and _+=,.@-`."""
    minimum: int | None = None
    """The minimum of an integer, or the minimum length of a string in code points. In a map it applies to keys."""
    maximum: int | None = None
    """The maximum of an integer, or the maximum length of a string in code points. In a map it applies to keys."""
    maximum_value: int | None = None
    """The maximum length of a map's values, in code points."""
    maximum_items: int | None = None
    """The maximum number of entries of a list or map."""
    source: str = ""
    """The source of the limits, to show in errors, such as `the AssumeRole API reference`."""


class Conflict(NamedTuple):
    """A conflict between two keys that are each valid alone. The error is reported at `key`."""

    key: str
    message: str
    hint: str = ""


class KeyRule(NamedTuple):
    """A rule between the keys of a store: a check, and the part of the rule that a JSON Schema can express.

    In `apart` and `needs`, `name=value` stands for a key with that value, and `name` for a key with any value.
    """

    check: Callable[[Settings], list[Conflict]]
    """The check, which receives all keys that are present.

    A key whose value is unknown or invalid has the value "". If `reads` contains such a key, the check does not run.
    """
    reads: frozenset[str] = frozenset()
    """The keys whose values the check reads. The check does not run if one of these values is unknown."""
    apart: tuple[tuple[str, ...], ...] = ()
    """Groups of keys that exclude each other."""
    needs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Pairs of a key and a list of keys: the key needs at least one key of the list."""

    @property
    def holds_in_part(self) -> bool:
        """Whether a conflict in a store persists if the store inherits more keys."""
        return bool(self.apart) and not self.needs


class Operation(NamedTuple):
    """An API action that issues a store's session."""

    name: str
    selected_by: tuple[str, ...] = ()
    """The keys that select this operation. The first selected operation is used. () means the default operation."""
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
    """Key -> why the operation does not accept it, for keys that have a specific reason."""


class StoreType(NamedTuple):
    """The properties of one `type:` of the configuration."""

    name: str
    help: str
    keys: tuple[StoreKey, ...]
    gives_credentials: bool = False
    gives_long_term: bool = False
    """Whether the store issues an IAM user's long-term key.

    A role assumed with such a key is not a chained role. The key can also call GetSessionToken.
    """
    gives_secrets: bool = True
    takes_credentials: bool = False
    """Whether the store's requests are signed. Then `credentials_from`, `profile` and `region` apply."""
    is_local: bool = False
    """Whether all values come from the configuration or environment variables: the store sends no request."""
    service: str = ""
    """The AWS service that the store calls, as its endpoint prefix (`ssm`); "" if the store calls no AWS service.

    If `endpoint.SERVICE_IDS` does not contain the service, its hosts are not treated as AWS's own.
    """
    session_action: str = ""
    """The API action that issues the store's sessions, for a type without `operations`: `GetRoleCredentials`.

    The credentials that this action issues are temporary.
    """
    shown_as: str = ""
    """The text that `plan` and `graph` show for a type that calls no API to issue credentials, such as `keyring`."""
    role_keys: tuple[str, ...] = ("role_arn",)
    """The keys that name the role of a session. `Step.role` joins their values by `/`."""
    session_parts: tuple[str, ...] = ()
    """The parts of a session that variables can read; () for a store that has no session."""
    keyring_key: str = ""
    """The key that names a long-term key in the keyring."""
    read_action: str = ""
    """The API action of `service` that reads a secret, such as `GetSecretValue`."""
    read_noun: str = "secret"
    """What the service calls a secret, for messages."""
    read_prefix: str = ""
    """The text before the name in the resource part of a secret's ARN, such as `secret:`."""
    is_writable: bool = False
    """Whether secrets can be written. If so, the type's store is a `WritableStore` (`stores/interface.py`)."""
    proof_keys: tuple[str, ...] = ()
    """The keys that make base credentials unnecessary.

    They name a web identity token, a SAML response, a login, or a key in the keyring.
    """
    refused_keys: Mapping[str, str] = {}
    """Keys that similar store types accept and this type refuses -> advice for the user."""
    operations: tuple[Operation, ...] = ()
    """The API actions that can issue the session. The store's keys select one of them."""
    rules: tuple[KeyRule, ...] = ()
    """The rules between keys of the store."""
    check_together: Callable[[Settings], list[Conflict]] | None = None
    """A plugin's rule between keys. It runs only if every key has a valid, known value."""

    @property
    def issues_sessions(self) -> bool:
        """Whether an API action issues the store's credentials. If so, they are temporary.

        For a plugin's type, False can also mean that this is unknown.
        """
        return bool(self.operations or self.session_action)

    @property
    def read_permission(self) -> str:
        """The IAM action for `read_action`, such as `ssm:GetParameters`; "" for a type that reads nothing from AWS."""
        return f"{self.service}:{self.read_action}" if self.read_action else ""
