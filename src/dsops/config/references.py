"""Reads the `from` of a variable, in each of its forms.

from: {store: NAME, key: KEY, version: V, field: F}   `provider` is an alias of `store`
from: store://NAME/KEY#FIELD?version=V                also as {store: store://...}
from: NAME:KEY
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf

from dsops.config.problems import Problems
from dsops.config.stores import Stores
from dsops.document import Mapping, Node, Scalar, Sequence
from dsops.errors import Where
from dsops.interpolate import mask
from dsops.model import Reference, Text
from dsops.schema import StoreType

_SCHEME = "store://"
_KEYS = ("store", "provider", "key", "version", "field")
_HINTS = dict.fromkeys(("name", "path", "secret"), "did you mean `key`?") | {
    "service": "a service of the original dsops holds no secrets: name a store"
}
_UNKNOWN_HINTS = {
    "arn": "an ARN is a key: write `{store: NAME, key: ARN}`",
    "store": "write `store://NAME/KEY`, with two slashes",
}
_FORM = "write `{store: NAME, key: KEY}`, `store://NAME/KEY` or `NAME:KEY`"


class References:
    """Reads references and checks them against the stores; `used` has the names of the referenced stores."""

    def __init__(self, stores: Stores, types: MappingOf[str, StoreType], problems: Problems) -> None:
        self.used: set[str] = set()
        self._stores = stores
        self._types = types
        self._problems = problems

    def read(self, node: Node, file: str, path: str) -> Reference | None:
        """Read a reference. For an invalid reference, add a problem and return None."""
        where = Where(file, node.line)
        if isinstance(node, Mapping):
            reference = self._mapping(node, file, path)
        elif isinstance(node, Scalar) and node.text and node.kind != "null":
            reference = self._text(node.text, where, path)
        else:
            problem = "takes one text or mapping, not a list" if isinstance(node, Sequence) else "says nothing"
            self._problems.add(where, path, f"`from` {problem}", _FORM)
            return None
        if reference is not None:
            self._check_store(reference.store, reference.where, path)
        return reference

    def _mapping(self, node: Mapping, file: str, path: str) -> Reference | None:
        texts: dict[str, Text] = {}
        is_good = True
        for key, value in node.entries:
            where = Where(file, key.line)
            if key.text not in _KEYS:
                hint = _HINTS.get(key.text, f"it takes {', '.join(_KEYS)}")
                message = f"`from` has no key `{key.text}`"
                self._problems.add(where, f"{path}.{key.text}", message, hint, word=key.text, known_words=_KEYS)
                is_good = False
            elif not isinstance(value, Scalar):
                self._problems.add(where, f"{path}.{key.text}", f"`{key.text}` takes one text")
                is_good = False
            elif value.kind != "null":
                texts[key.text] = Text(value.text, Where(file, value.line))
        store = texts.get("store") or texts.get("provider")
        if not is_good:
            # A required key that is misspelled is reported once, as an unknown key, and not a second time as missing.
            if store is not None and not store.text.startswith(_SCHEME):
                self._check_store(store.text, Where(file, node.line), path)
            return None
        return self._of_texts(texts, Where(file, node.line), path)

    def _of_texts(self, texts: dict[str, Text], where: Where, path: str) -> Reference | None:
        if "store" in texts and "provider" in texts:
            message = "`store` and `provider` are two words for the same"
            self._problems.add(texts["provider"].where, f"{path}.provider", message, "remove one")
        store = texts.get("store") or texts.get("provider")
        if store is None:
            self._problems.add(where, path, "`from` names no store", _FORM)
            return None
        if store.text.startswith(_SCHEME):
            return self._with_url(store, texts, path)
        if "key" not in texts or not texts["key"].text:
            self._problems.add(where, path, "`from` names no key", f"add `key:`, what to read from `{store.text}`")
            self._check_store(store.text, where, path)
            return None
        return Reference(store.text, texts["key"], texts.get("version"), texts.get("field"), where)

    def _with_url(self, store: Text, texts: dict[str, Text], path: str) -> Reference | None:
        """Read `{store: store://NAME/KEY}`, which may also have `version` and `field`."""
        reference = self._text(store.text, store.where, path)
        if reference is None:
            return None
        version, field = texts.get("version"), texts.get("field")
        for name, beside, inside in (
            ("key", texts.get("key"), reference.key),
            ("version", version, reference.version),
            ("field", field, reference.field),
        ):
            if beside is not None and inside is not None:
                message = f"`{name}` stands in `{store.text}` and beside it"
                self._problems.add(beside.where, f"{path}.{name}", message, "remove one")
                return None
        return reference._replace(version=version or reference.version, field=field or reference.field)

    def _text(self, text: str, where: Where, path: str) -> Reference | None:
        # Separators inside `${NAME:-...}` are part of the default value, so they are masked.
        masked = mask(text)
        if text.startswith(_SCHEME):
            return self._url(text, masked, where, path)
        name, colon, _ = masked.partition(":")
        if not colon or len(name) + 1 == len(text):
            self._problems.add(where, path, *self._without_key(text))
            return None
        return Reference(text[: len(name)].strip(), Text(text[len(name) + 1 :].strip(), where), None, None, where)

    def _without_key(self, text: str) -> tuple[str, str]:
        """Return the message and hint for a reference without a key.

        A string that names no store is not shown, because it may be a secret.
        """
        name, slash, rest = text.rstrip(":").partition("/")
        if name not in self._stores.paths:
            return "`from` names no store and key", f"{_FORM}; a value itself is written `literal: ...`"
        if slash and rest:
            return f"`{text}` is not a reference", f"write `{name}:{rest}`"
        return f"`{text}` names no key", f"add it: `{name}:KEY`"

    def _url(self, text: str, masked: str, where: Where, path: str) -> Reference | None:
        slash = masked.find("/", len(_SCHEME))
        ends = [at for mark in "?#" if (at := masked.find(mark, len(_SCHEME))) >= 0]
        end = min(ends, default=len(text))
        if slash < 0 or slash >= end - 1:
            self._problems.add(where, path, f"`{text}` names no key", "write `store://NAME/KEY`")
            return None
        version = field = None
        while end < len(text):
            after = [at for mark in "?#" if (at := masked.find(mark, end + 1)) >= 0]
            following = min(after, default=len(text))
            piece = text[end + 1 : following]
            if masked[end] == "#" and field is None:
                field = Text(piece, where)
            elif masked[end] == "?" and version is None and piece.startswith("version=") and "&" not in piece:
                version = Text(piece.removeprefix("version="), where)
            else:
                message = f"`{text[end:following]}` means nothing in a reference"
                self._problems.add(where, path, message, "write `store://NAME/KEY#FIELD?version=VERSION`")
                return None
            end = following
        end = min(ends, default=len(text))
        return Reference(text[len(_SCHEME) : slash], Text(text[slash + 1 : end], where), version, field, where)

    def _check_store(self, name: str, where: Where, path: str) -> None:
        if "${" in name:
            message = "`from` names a store as it is written: `${...}` is not replaced in its name"
            self._problems.add(where, path, message)
        elif name not in self._stores.paths:
            hint = _UNKNOWN_HINTS.get(name, "")
            self._problems.add_unknown_store(where, path, name, self._stores.paths, hint)
        elif name in self._stores.by_name:
            self.used.add(name)
            type_name = self._stores.by_name[name].type
            if type_name in self._types and not self._types[type_name].gives_secrets:
                self._problems.add(where, path, f"`{name}` is of type {type_name}, which gives no secrets")
