"""The environment variables through which a command's AWS clients reach AWS only through the guard."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.guard.placeholder import PlaceholderKeys
from dsops.secret import Secret

ENDPOINT = "AWS_ENDPOINT_URL"
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy")
CERTIFICATES = (
    "AWS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "NODE_EXTRA_CA_CERTS",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_FILE",
)
"""Variables with a file of trusted certificates: of AWS's SDKs, curl, git, Node, requests, and OpenSSL and Go."""

_NO_PROXY = ("NO_PROXY", "no_proxy")
_LOOPBACK = "127.0.0.1,localhost,::1"


def guarded_variables(
    url: str, ca_file: str, keys: PlaceholderKeys, empty_file: str, environ: Mapping[str, str]
) -> dict[str, Secret]:
    """Return the variables that give a command placeholder keys and the guard's address.

    - `url`: the address of the guard
    - `ca_file`: the path of a file with the certificates that the command trusts, the guard's among them
    - `empty_file`: the path of an empty file, in place of the files with profiles, where an SDK might find other keys
    - `environ`: the variables that the command would inherit

    An SDK that reads AWS_ENDPOINT_URL sends its requests to the guard; all other programs use the guard as a proxy.
    """
    endpoints = [name for name in environ if name.startswith(f"{ENDPOINT}_")]
    variables = {
        "AWS_ACCESS_KEY_ID": Secret(keys.access_key_id),
        "AWS_SECRET_ACCESS_KEY": keys.secret_access_key,
        "AWS_SESSION_TOKEN": keys.session_token,
        "AWS_SHARED_CREDENTIALS_FILE": Secret(empty_file),
        "AWS_CONFIG_FILE": Secret(empty_file),
        "AWS_EC2_METADATA_DISABLED": Secret("true"),
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": Secret("false"),
        "NODE_USE_ENV_PROXY": Secret("1"),
    }
    variables |= dict.fromkeys((ENDPOINT, *endpoints, *PROXIES), Secret(url))
    variables |= dict.fromkeys(_NO_PROXY, Secret(_LOOPBACK))
    return variables | dict.fromkeys(CERTIFICATES, Secret(ca_file))
