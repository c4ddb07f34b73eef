"""Read the parts of the node's file about tokens of other systems: `kubernetes` and `spiffe`.

At the top of the file they say how tokens are verified; in a workload, which identity the token must prove.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from functools import partial
from typing import Final

from dsops.document import Mapping, Node, Scalar
from dsops.node.token_checks import KubernetesCheck, SpiffeCheck, trust_domain_of
from dsops.node.workloads import TokenCheck
from dsops.workload.identities import KUBERNETES_AUDIENCE, SVID_ALGORITHMS, SVID_USE
from dsops.workload.jwt import require_jwt
from dsops.workload.key_cache import KeyCache
from dsops.workload.key_sources import IssuerAddress, is_https, load_issuer_keys, load_trust_bundle
from dsops.workload.verifier import TokenVerifier

TOKEN_KEYS: Final = ("kubernetes", "spiffe")
"""The keys of a workload that name an identity in a token. A workload has at most one of them."""

SPIFFE_AUDIENCE: Final = "dsops-node"
"""The default audience of JWT-SVIDs for a node."""

Report = Callable[[str, int, str, str], None]
"""Reports a problem: path, line, message, hint."""

_CLUSTER_KEYS: Final = ("issuer", "jwks", "ca_file", "token_file", "audience", "node", "check_process")
_NODE_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
# The names that Kubernetes allows (RFC 1123 labels and subdomains).
_KUBERNETES_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_SPIFFE_ID: Final = re.compile(r"spiffe://[a-z0-9._-]{1,255}(/(?!\.{1,2}(/|$))[A-Za-z0-9._-]+)+")


class TokenRules:
    """The token rules of one file."""

    def __init__(self, root: Mapping, environ: MappingOf[str, str], report: Report) -> None:
        """Read the sections at the top of the file."""
        self._report = report
        self._environ = environ
        self._cluster = self._fields(root, "kubernetes", _CLUSTER_KEYS)
        self._spiffe = self._fields(root, "spiffe", ("audience",))
        self._pods = self._pod_verifier(root)
        self._svids: dict[str, TokenVerifier] = {}

    def check(self, name: str, value: Node, path: str) -> TokenCheck | None:
        """Return the check of a workload's key; None if the value is wrong."""
        return self._pod_check(value, path) if name == "kubernetes" else self._svid_check(value, path)

    def _pod_verifier(self, root: Mapping) -> TokenVerifier | None:
        fields = self._cluster
        if fields is None:
            return None
        require_jwt()
        line = getattr(root.get("kubernetes"), "line", root.line)
        issuer, jwks = fields.get("issuer", ""), fields.get("jwks", "")
        if not issuer.startswith("https://") or not is_https(issuer):
            self._report("kubernetes.issuer", line, "`issuer` is the https URL in the claim `iss` of the tokens", "")
        if jwks and not jwks.startswith("/") and not is_https(jwks):
            self._report("kubernetes.jwks", line, "`jwks` is an https URL or an absolute path", "")
        for name in ("ca_file", "token_file"):
            if not fields.get(name, "/").startswith("/"):
                self._report(f"kubernetes.{name}", line, f"`{name}` is an absolute path", "")
        if fields.get("check_process", "true") not in {"true", "false"}:
            self._report("kubernetes.check_process", line, "`check_process` is true or false", "")
        address = IssuerAddress(issuer, jwks, fields.get("ca_file", ""), fields.get("token_file", ""))
        keys = KeyCache(partial(load_issuer_keys, address, self._environ))
        return TokenVerifier(keys, fields.get("audience", KUBERNETES_AUDIENCE), issuer=issuer)

    def _pod_check(self, value: Node, path: str) -> TokenCheck | None:
        if self._pods is None or self._cluster is None:
            hint = "add the section `kubernetes` with `issuer` at the top of the file"
            self._report(path, value.line, "the cluster that issues the tokens is not known", hint)
            return None
        fields = self._texts(value, ("namespace", "service_account"), path)
        names = [fields.get(name, "") for name in ("namespace", "service_account")]
        if not all(_KUBERNETES_NAME.fullmatch(name) for name in names):
            hint = "such as {namespace: shop, service_account: app}"
            self._report(path, value.line, "`kubernetes` needs the names of a namespace and a service account", hint)
        checks_process = self._cluster.get("check_process", "true") == "true"
        return KubernetesCheck(self._pods, *names, node=self._node(value.line), checks_process=checks_process)

    def _svid_check(self, value: Node, path: str) -> TokenCheck | None:
        text = value.text if isinstance(value, Scalar) else ""
        if not _SPIFFE_ID.fullmatch(text):
            self._report(path, value.line, "`spiffe` is a SPIFFE ID", "such as spiffe://example.org/app")
            return None
        domain = trust_domain_of(text)
        if domain not in self._svids:
            require_jwt()
            keys = KeyCache(partial(load_trust_bundle, domain, self._environ))
            audience = (self._spiffe or {}).get("audience", SPIFFE_AUDIENCE)
            self._svids[domain] = TokenVerifier(keys, audience, algorithms=SVID_ALGORITHMS, use=SVID_USE)
        return SpiffeCheck(self._svids[domain], text)

    def _node(self, line: int) -> str:
        """Return the node's name; `${NAME}` stands for a variable, because a DaemonSet has one file for all nodes."""
        text = (self._cluster or {}).get("node", "")
        named = _NODE_VARIABLE.fullmatch(text)
        if named is None:
            return text
        found = self._environ.get(named[1], "")
        if not found:
            self._report("kubernetes.node", line, f"the variable {named[1]} is not set", "")
        return found

    def _fields(self, root: Mapping, name: str, known: tuple[str, ...]) -> dict[str, str] | None:
        value = root.get(name)
        return None if value is None else self._texts(value, known, name)

    def _texts(self, value: Node, known: tuple[str, ...], path: str) -> dict[str, str]:
        """Return the texts of a mapping; reports unknown keys and values that are no text."""
        if not isinstance(value, Mapping):
            self._report(path, value.line, "this is a mapping", f"it has the keys {', '.join(known)}")
            return {}
        fields: dict[str, str] = {}
        for key, item in value.entries:
            is_text = isinstance(item, Scalar) and item.kind != "null" and item.text
            if key.text not in known or not is_text:
                problem = f"`{key.text}` is one value" if key.text in known else f"there is no key `{key.text}` here"
                self._report(f"{path}.{key.text}", key.line, problem, f"it has the keys {', '.join(known)}")
            elif isinstance(item, Scalar):
                fields[key.text] = item.text
        return fields
