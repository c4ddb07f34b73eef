"""The trusted certificates and the proxy of a connection to Trino, from the variables that all of dsops reads."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from dsops.audit.cloudtrail.trino import TrustAndProxy
from dsops.audit.cloudtrail.trino_address import TrinoAddress
from dsops.aws.http.network import Proxy, proxy_for, system_trust, trust_from
from dsops.secret import Secret


def network_of(address: TrinoAddress, environ: Mapping[str, str], folder: str) -> TrustAndProxy:
    """Return the certificates and the proxy for the address. Raises ConfigError for an unusable variable."""
    trust = trust_from(environ, folder) or system_trust()
    proxy = proxy_for(address.server, environ)
    return TrustAndProxy((trust.file or trust.folder) if trust else "", _url(proxy) if proxy else None)


def _url(proxy: Proxy) -> Secret:
    if not proxy.username:
        return Secret(proxy.url)
    password = f":{quote(proxy.password.reveal(), safe='')}" if proxy.password is not None else ""
    scheme, _, rest = proxy.url.partition("://")
    return Secret(f"{scheme}://{quote(proxy.username, safe='')}{password}@{rest}")
