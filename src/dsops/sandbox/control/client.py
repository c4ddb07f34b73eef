"""The environment in which a client uses a sandbox and nothing else. Imports neither moto nor the server."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.runtime import empty_file

LOOPBACK = "127.0.0.1"
_KEPT = frozenset(
    """
    AWS_PAGER AWS_DEFAULT_OUTPUT AWS_MAX_ATTEMPTS AWS_RETRY_MODE AWS_CLI_AUTO_PROMPT AWS_CLI_FILE_ENCODING
    AWS_SDK_UA_APP_ID
    """.split()
)
"""Variables of AWS that say nothing of whose account, which endpoint or which credentials."""


def client_variables(url: str, region: str, key_id: str, secret: str) -> dict[str, str]:
    """The variables that point a client at a sandbox, and away from the user's own files and metadata service."""
    return {
        "AWS_ENDPOINT_URL": url,
        # The Go SDK (config 1.33) follows only this one in its own role and web identity providers; with the other
        # alone it would send their requests, tokens included, to the real STS.
        "AWS_ENDPOINT_URL_STS": url,
        # Tokens of IAM Identity Center go nowhere else either.
        "AWS_ENDPOINT_URL_SSO": url,
        "AWS_ENDPOINT_URL_SSO_OIDC": url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SHARED_CREDENTIALS_FILE": empty_file(),
        "AWS_CONFIG_FILE": empty_file(),
        "AWS_EC2_METADATA_DISABLED": "true",
        # The user's own keys and MFA seeds are none of a sandbox's: it has devices of the same name with other seeds.
        "DSOPS_KEYRING": "off",
    }


def rivals(environ: Mapping[str, str]) -> list[str]:
    """Inherited variables that would lead a client elsewhere: another profile, endpoint or source of credentials."""
    return sorted(name for name in environ if name.startswith("AWS_") and name not in _KEPT)


def client_environment(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """The inherited environment without rivals, with the variables; no proxy stands between it and loopback."""
    gone = set(rivals(environ))
    child = {name: value for name, value in environ.items() if name not in gone}
    for name in ("NO_PROXY", "no_proxy"):
        if name in child or name == "NO_PROXY":
            child[name] = ",".join(part for part in (child.get(name, ""), LOOPBACK, "localhost") if part)
    return child | dict(variables)
