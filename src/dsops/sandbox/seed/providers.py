"""Parse a seed's identity providers: OIDC providers and SAML providers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from dsops.document import Mapping, Node, Scalar, Sequence, to_json
from dsops.sandbox.federation.oidc_keys import provider_of_all
from dsops.sandbox.saml.metadata import read_metadata
from dsops.sandbox.seed.model import SeedOidcProvider, SeedSamlProvider
from dsops.sandbox.seed.nodes import Nodes

_KEYS: Final = ("url", "client_ids", "issued_by_sandbox", "jwks")
# CreateOpenIDConnectProvider's URLs (IAM API Reference): https, at most 255 characters, no port, no query.
_URL: Final = re.compile(r"https://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?:/[\w.~%/+-]*)?", re.ASCII)
_MAX_URL: Final = 255
_MAX_CLIENT_IDS: Final = 100
_SAML_KEYS: Final = ("name", "metadata", "issued_by_sandbox")
# The names that CreateSAMLProvider accepts (IAM API Reference).
_SAML_NAME: Final = re.compile(r"[\w._-]{1,128}", re.ASCII)


def read_oidc_providers(reader: Nodes, node: Node | None, path: str) -> Iterator[SeedOidcProvider]:
    """Parse the `oidc_providers` section; report problems to the reader."""
    seen: set[str] = set()
    for item, inner in _items(reader, node, path):
        provider = _read(reader, item, inner)
        if provider.url in seen:
            reader.note(item.line, f"{inner}.url", f"`{provider.url}` is in this account already")
        seen.add(provider.url)
        yield provider


def read_saml_providers(reader: Nodes, node: Node | None, path: str) -> Iterator[SeedSamlProvider]:
    """Parse the `saml_providers` section; report problems to the reader."""
    seen: set[str] = set()
    for item, inner in _items(reader, node, path):
        provider = _read_saml(reader, item, inner)
        if provider.name in seen:
            reader.note(item.line, f"{inner}.name", f"`{provider.name}` is in this account already")
        seen.add(provider.name)
        yield provider


def _items(reader: Nodes, node: Node | None, path: str) -> Iterator[tuple[Node, str]]:
    """Yield the provider nodes of a list, each with its path in the document."""
    if node is None or (isinstance(node, Scalar) and node.kind == "null"):
        return
    if not isinstance(node, Sequence):
        reader.note(node.line, path, "this must be a list")
        return
    for index, item in enumerate(node.items):
        yield item, f"{path}[{index}]"


def _read_saml(reader: Nodes, node: Node, path: str) -> SeedSamlProvider:
    keys = reader.keys(node, path, _SAML_KEYS)
    if "name" not in keys:
        reader.note(node.line, f"{path}.name", "`name` is missing: the provider's ARN ends in it")
    name = reader.matching(keys, "name", path, _SAML_NAME.fullmatch, "letters, digits and ._-")
    is_own = reader.matching(keys, "issued_by_sandbox", path, {"true", "false"}.__contains__, "true or false")
    metadata = reader.text(keys["metadata"], f"{path}.metadata") if "metadata" in keys else ""
    if bool(metadata) == (is_own == "true"):
        reader.note(
            node.line,
            path,
            "a SAML provider has either `metadata` or `issued_by_sandbox: true`",
            "the metadata document is the XML that the identity provider shows",
        )
    elif metadata:
        try:
            read_metadata(metadata)
        except ValueError as error:
            reader.note(
                keys["metadata"].line, f"{path}.metadata", f"this is not the metadata of a SAML provider: {error}"
            )
    return SeedSamlProvider(name, metadata)


def _read(reader: Nodes, node: Node, path: str) -> SeedOidcProvider:
    keys = reader.keys(node, path, _KEYS)
    if "url" not in keys:
        reader.note(node.line, f"{path}.url", "`url` is missing: tokens name their issuer by it")
    url = reader.matching(keys, "url", path, _is_url, "like https://token.actions.githubusercontent.com")
    client_ids = tuple(reader.texts(keys.get("client_ids"), f"{path}.client_ids"))
    least = 0 if provider_of_all(url) is not None else 1
    if not least <= len(client_ids) <= _MAX_CLIENT_IDS:
        line = keys["client_ids"].line if "client_ids" in keys else node.line
        reader.note(
            line, f"{path}.client_ids", "`client_ids` must name 1 to 100 audiences", "such as [sts.amazonaws.com]"
        )
    is_own = reader.matching(keys, "issued_by_sandbox", path, {"true", "false"}.__contains__, "true or false")
    if is_own == "true" and "jwks" in keys:
        reader.note(
            keys["jwks"].line,
            f"{path}.jwks",
            "`jwks` and `issued_by_sandbox` can't be combined",
            "the sandbox has keys of its own for what it issues",
        )
    return SeedOidcProvider(url, client_ids, is_own == "true", _key_set(reader, keys.get("jwks"), f"{path}.jwks"))


def _key_set(reader: Nodes, node: Node | None, path: str) -> str:
    """Return the key set as JSON text. The seed contains the key set either as YAML or as JSON text."""
    if node is None:
        return ""
    text = node.text if isinstance(node, Scalar) else to_json(node) if isinstance(node, Mapping) else ""
    key_set: dict[str, list[dict[str, object]]] = {}
    try:
        key_set = json.loads(text)
        is_valid = bool(key_set["keys"]) and all(key["kid"] and key["kty"] for key in key_set["keys"])
    except (ValueError, TypeError, KeyError, RecursionError):
        is_valid = False
    if not is_valid:
        reader.note(node.line, path, 'this must be a JSON Web Key Set: {"keys": [{"kid": ..., "kty": ...}]}')
        return ""
    if any("d" in key or "k" in key for key in key_set["keys"]):
        reader.note(node.line, path, "`jwks` contains a private key", "only the public ones, as the issuer shows them")
    return text


def _is_url(text: str) -> bool:
    return len(text) <= _MAX_URL and _URL.fullmatch(text) is not None
