"""Check a store's fields and convert them to settings.

`config` applies the check to strings without `${NAME}`. `plan` applies it, after interpolation, to every store that an
environment needs. There are two kinds of findings:

- A *problem* is always an error, such as a list in place of a string.
- A *limit* is a value that AWS would refuse. It is an error only if the store is needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingOf

from dsops.document import Mapping, Node, Scalar, Sequence, parse_json, to_json
from dsops.endpoint import better_address, is_loopback, parse_address
from dsops.errors import Problem, Where, nearest
from dsops.model import Field
from dsops.schema.operation import given_names
from dsops.schema.store_type import Conflict, Setting, Settings, StoreKey, StoreType
from dsops.secret import Secret
from dsops.startup import NamedTuple

_TRUE = frozenset({"true", "yes", "on"})
_FALSE = frozenset({"false", "no", "off"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")

_WANTED = {"integer": "a whole number", "boolean": "true or false", "store": "the name of a store"}

_CREDENTIAL_KEYS = frozenset({"role_arn", "assume_role", "external_id", "role_session_name", "serial_number"})
_NONE: MappingOf[str, Field] = {}
_KEY_PAIR = frozenset({"access_key_id", "secret_access_key", "session_token"})


class CheckedSetting(NamedTuple):
    """The result of checking one field.

    `setting` is None if there are problems. Violated limits do not affect `setting`.
    """

    setting: Setting | None
    problems: tuple[Problem, ...]
    limits: tuple[Problem, ...]


class CheckedStore(NamedTuple):
    """The result of checking a store: valid settings under their canonical names, problems, and violated limits."""

    settings: Settings
    problems: tuple[Problem, ...]
    limits: tuple[Problem, ...]


def check_store(
    store_type: StoreType,
    fields: MappingOf[str, Field],
    where: Where,
    path: str,
    *,
    unknown: MappingOf[str, Field] = _NONE,
    is_whole: bool = True,
) -> CheckedStore:
    """Check every field of a store after its strings were expanded.

    Missing keys are problems, and conflicts between keys are limits.

    - `unknown`: the fields whose strings can't be expanded. Their keys count as present.
    - `is_whole`: if false, missing keys are not reported, because the store's base is missing or the store itself is
      only a base.
    """
    keys = {key.name: key for key in store_type.keys}
    settings: dict[str, Setting] = {}
    problems = list(missing_keys(store_type, {**unknown, **fields}, where, path)) if is_whole else []
    limits: list[Problem] = []
    for name, field in fields.items():
        key = keys.get(name)
        if key is None:
            problems.append(unknown_key(store_type, name, field.where, path))
            continue
        checked = check_setting(key, field, f"{path}.{name}")
        problems += checked.problems
        limits += checked.limits
        if checked.setting is not None:
            settings[name] = checked.setting
    names_as_written = given_names(store_type, [*unknown, *fields])
    for conflict in _conflicts(store_type, settings, names_as_written, is_whole=is_whole):
        field = fields.get(names_as_written[conflict.key]) or unknown[names_as_written[conflict.key]]
        limits.append(Problem(field.where, f"{path}.{conflict.key}", conflict.message, conflict.hint))
    return CheckedStore(settings, tuple(problems), tuple(limits))


def _conflicts(
    store_type: StoreType, settings: Settings, names_given: MappingOf[str, str], *, is_whole: bool
) -> list[Conflict]:
    """Return the conflicts between keys; a rule is skipped if it reads a value that is not known."""
    not_known = names_given.keys() - settings.keys()
    settings_and_names = {**dict.fromkeys(not_known, ""), **settings}
    conflicts: list[Conflict] = []
    for rule in store_type.rules:
        if (is_whole or rule.holds_in_part) and not rule.reads & not_known:
            conflicts += rule.check(settings_and_names)
    if store_type.check_together and is_whole and not not_known:
        conflicts += store_type.check_together(settings)
    return conflicts


def check_setting(key: StoreKey, field: Field, path: str) -> CheckedSetting:
    """Check one field whose strings are expanded. `path` is its dotted path, such as `secretStores.prod.role_arn`."""
    findings = _Findings(key, field.where.file, path)
    if problem := check_shape(key, field, path):
        return CheckedSetting(None, (problem,), ())
    setting = findings.convert(field.node)
    if findings.problems:
        setting = None
    return CheckedSetting(setting, tuple(findings.problems), tuple(findings.limits))


def check_shape(key: StoreKey, field: Field, path: str) -> Problem | None:
    """Return the problem that the field has regardless of the values of its `${NAME}` references.

    For example, a list in place of a string is such a problem. Returns None if there is none.
    """
    node = field.node
    if key.kind == "map":
        good = isinstance(node, Mapping) and all(isinstance(value, Scalar) for _, value in node.entries)
        accepted = "a mapping of texts"
    elif key.kind in ("texts", "command"):
        good = _is_text(node) or (isinstance(node, Sequence) and all(map(_is_text, node.items)))
        accepted = "a list of texts" if key.kind == "texts" else "a command line, or a list of its words"
    elif key.kind == "policy":
        good = _is_text(node) or isinstance(node, Mapping)
        accepted = "a JSON text or a mapping"
    else:
        good = _is_text(node)
        accepted = _WANTED.get(key.kind, "one text")
    if good:
        return None
    return Problem(field.where._replace(line=node.line), path, f"`{key.name}` takes {accepted}, not {_kind(node)}")


def missing_keys(store_type: StoreType, fields: MappingOf[str, Field], where: Where, path: str) -> list[Problem]:
    """Return one problem for each required key that is missing."""
    missing = [key for key in store_type.keys if key.is_required and key.name not in fields]
    if not missing:
        return []
    # If a required key is misspelled, only the unknown key is reported, and not a missing key as well.
    meant = given_names(store_type, fields)
    return [
        Problem(where, path, f"`{key.name}` is missing", f"add `{key.name}: ...`{_explained(key)}")
        for key in missing
        if key.name not in meant
    ]


def unknown_key(store_type: StoreType, name: str, where: Where, path: str) -> Problem:
    """Return the problem for a key that the store type does not have, with the most similar key as a hint."""
    names = [key.name for key in store_type.keys]
    hint = f"its keys are {', '.join(names)}"
    if name in store_type.refused_keys:
        hint = store_type.refused_keys[name]
    elif meant := nearest(name, names):
        hint = f"did you mean `{meant}`?"
    elif store_type.takes_credentials and name in _CREDENTIAL_KEYS:
        hint = "make a store of type aws.sts with it, and name that in `credentials_from`"
    elif name in _KEY_PAIR:
        hint = "keys don't belong in a configuration: put them into the environment or a `profile`"
    return Problem(where, f"{path}.{name}", f"{store_type.name} has no key `{name}`", hint)


class _Findings:
    """Collects the problems and violated limits of one value while it is converted."""

    def __init__(self, key: StoreKey, file: str, path: str) -> None:
        self.key = key
        self.problems: list[Problem] = []
        self.limits: list[Problem] = []
        self._file = file
        self._path = path

    def convert(self, node: Node) -> Setting | None:
        """Convert a node of the right shape to a setting; return None if that is impossible."""
        if isinstance(node, Mapping):
            return self._policy(node, to_json(node)) if self.key.kind == "policy" else self._map(node)
        if isinstance(node, Sequence):
            self._check_count(len(node.items), node.line)
            texts = [item for item in node.items if isinstance(item, Scalar)]
            if self.key.kind == "command":
                return self._command([item.text for item in texts], node.line)
            return tuple([self._text(item.text, item.line) for item in texts])
        return self._scalar(node.text, node.line)

    def _scalar(self, text: str, line: int) -> Setting | None:
        kind = self.key.kind
        if kind == "integer":
            return self._integer(text, line)
        if kind == "boolean":
            return self._boolean(text, line)
        if kind == "policy":
            return self._policy_text(text, line)
        if kind == "command":
            return self._command_line(text, line)
        if kind == "texts":
            return (self._text(text, line),)
        if kind == "url":
            self._check_address(text, line)
        checked = self._text(text, line)
        return Secret(checked) if self.key.is_secret else checked

    def _text(self, text: str, line: int) -> str:
        key = self.key
        if "\0" in text:
            self._problem(line, f"`{key.name}` holds a NUL character")
        if key.choices and text not in key.choices:
            meant = nearest(text, key.choices)
            hint = f"did you mean `{meant}`?" if meant else ""
            self._problem(line, f"`{key.name}` is one of {', '.join(key.choices)}", hint)
        if text and key.pattern and not re.fullmatch(key.pattern, text):
            from dsops.schema.hints import for_shape

            value_text = "" if key.is_secret else f", not `{_shorten(text)}`"
            message = f"`{key.name}` takes {key.shape or 'another text'}{value_text}"
            self._limit(line, message, for_shape(text, key), with_source=not key.shape)
            return text
        self._check_length(text, line, key.minimum or (1 if key.pattern else None), key.maximum)
        self._check_characters(text, line)
        return text

    def _integer(self, text: str, line: int) -> int | None:
        key = self.key
        if not _INTEGER.fullmatch(text.strip()):
            from dsops.schema.hints import for_number

            message = f"`{key.name}` takes a whole number, not `{_shorten(text)}`"
            self._problem(line, message, for_number(text, key))
            return None
        number = int(text)
        hint = f"write a number from {key.minimum} to {key.maximum}"
        if key.maximum is not None and number > key.maximum:
            self._limit(line, f"`{key.name}` is {number}, and the most is {key.maximum}", hint)
        elif key.minimum is not None and number < key.minimum:
            self._limit(line, f"`{key.name}` is {number}, and the least is {key.minimum}", hint)
        return number

    def _boolean(self, text: str, line: int) -> bool | None:
        word = text.strip().lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        self._problem(line, f"`{self.key.name}` takes true or false, not `{_shorten(text)}`")
        return None

    def _map(self, node: Mapping) -> Setting:
        key = self.key
        self._check_count(len(node.entries), node.line)
        pairs = [(name, value) for name, value in node.entries if isinstance(value, Scalar)]
        for name, value in pairs:
            self._check_length(name.text, name.line, key.minimum, key.maximum)
            self._check_characters(name.text, name.line)
            text = "" if value.kind == "null" else value.text
            self._check_length(text, value.line, None, key.maximum_value)
            self._check_characters(text, value.line)
            if "\0" in name.text + text:
                self._problem(value.line, f"`{key.name}` holds a NUL character")
        texts = [(name.text, "" if value.kind == "null" else value.text) for name, value in pairs]
        return tuple([(name, Secret(text)) for name, text in texts]) if key.is_secret else tuple(texts)

    def _policy_text(self, text: str, line: int) -> Setting | None:
        if text in self.key.choices:
            return text
        if not text.lstrip().startswith("{"):
            hint = 'write the policy itself, from `{"Version": "2012-10-17",` on, or as YAML'
            hint += "".join(f"; or `{choice}`" for choice in self.key.choices)
            self._limit(line, f"`{self.key.name}` is not a JSON object", hint, with_source=False)
            return None
        document = parse_json(text, self._file)
        for problem in document.problems:
            # A block scalar starts on the line after its key, any other string on the key's line. So only the line
            # number within the policy is certain.
            place = f"line {problem.where.line} of the policy"
            message = f"`{self.key.name}` is not JSON: {problem.message} ({place})"
            self._limit(line, message, problem.hint, with_source=False)
        root = document.root
        if document.problems or not isinstance(root, Mapping):
            return None
        return self._policy(root, to_json(root), line)

    def _policy(self, root: Mapping, compact: str, line: int = 0) -> Setting:
        line = line or root.line
        # AWS's pattern refuses characters beyond U+00FF. In a policy they occur only in JSON strings, where they can be
        # escaped.
        text = re.sub(r"[^\x00-\xff]", _json_escape, compact)
        self._check_length(text, line, self.key.minimum, self.key.maximum)
        self._check_characters(text, line)
        return text

    def _command_line(self, text: str, line: int) -> Setting | None:
        import shlex

        try:
            words = shlex.split(text)
        except ValueError as error:
            message = f"`{self.key.name}` can't be split into words: {str(error).lower()}"
            self._problem(line, message, "close it, or write a list of words: `[program, argument]`")
            return None
        return self._command(words, line)

    def _command(self, words: list[str], line: int) -> Setting | None:
        if not words or not words[0]:
            self._problem(line, f"`{self.key.name}` names no command")
            return None
        if any("\0" in word for word in words):
            self._problem(line, f"`{self.key.name}` holds a NUL character")
            return None
        return tuple(words)

    def _check_address(self, text: str, line: int) -> None:
        address = parse_address(text)
        if address is None:
            self._problem(line, f"`{self.key.name}` is not an address", f"write {better_address(text)}")
        elif address.scheme == "http" and not is_loopback(address.host):
            message = f"`{self.key.name}` would send credentials unencrypted to {address.authority}"
            self._problem(line, message, f"write https://{address.authority}")

    def _check_count(self, count: int, line: int) -> None:
        most = self.key.maximum_items
        if most is not None and count > most:
            self._limit(line, f"`{self.key.name}` has {count} entries, and the most is {most}")

    def _check_length(self, text: str, line: int, minimum: int | None, maximum: int | None) -> None:
        key = self.key
        if maximum is not None and len(text) > maximum:
            hint = "shorten it, or name managed policies in `policy_arns`" if key.kind == "policy" else ""
            self._limit(line, f"`{key.name}` has {len(text)} characters, and the most is {maximum}", hint)
        elif minimum is not None and not text:
            fault = "has an empty key" if key.kind == "map" else "is empty"
            self._limit(line, f"`{key.name}` {fault}", with_source=False)
        elif minimum is not None and len(text) < minimum:
            length = f"{len(text)} character{'s' if len(text) > 1 else ''}"
            self._limit(line, f"`{key.name}` has {length}, and the least is {minimum}")

    def _check_characters(self, text: str, line: int) -> None:
        key = self.key
        if not key.characters or re.fullmatch(f"{key.characters}*", text):
            return
        for index, character in enumerate(text):
            if not re.fullmatch(key.characters, character):
                from dsops.schema.hints import for_name

                # The message shows no character of a secret, except white space, which is the usual mistake.
                character_text = f"`{character}`" if not key.is_secret else "something else"
                character_text = "white space" if character.isspace() else character_text
                message = f"`{key.name}` takes {key.shape}; {character_text} stands at position {index + 1}"
                self._limit(line, message, for_name(text, key))
                return

    def _problem(self, line: int, message: str, hint: str = "") -> None:
        self.problems.append(Problem(Where(self._file, line), self._path, message, hint))

    def _limit(self, line: int, message: str, hint: str = "", *, with_source: bool = True) -> None:
        source = f" ({self.key.source})" if with_source and self.key.source else ""
        self.limits.append(Problem(Where(self._file, line), self._path, message + source, hint))


def _is_text(node: Node) -> bool:
    return isinstance(node, Scalar) and node.kind != "null"


def _kind(node: Node) -> str:
    if isinstance(node, Mapping):
        return "this mapping"
    if isinstance(node, Sequence):
        return "this list"
    return "nothing" if node.kind == "null" else "a text"


def _explained(key: StoreKey) -> str:
    """Return the key's help text in a form that can end a sentence."""
    return f": {key.help[0].lower()}{key.help[1:].removesuffix('.')}" if key.help else ""


def _shorten(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:80]}..."


def _json_escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code > 0xFFFF:
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"
