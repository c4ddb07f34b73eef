"""Environment variables that make a client use only a sandbox. Imports neither moto nor the server."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from dsops.runtime import empty_file

LOOPBACK = "127.0.0.1"
_KEPT = frozenset(
    """
    AWS_PAGER AWS_DEFAULT_OUTPUT AWS_MAX_ATTEMPTS AWS_RETRY_MODE AWS_CLI_AUTO_PROMPT AWS_CLI_FILE_ENCODING
    AWS_SDK_UA_APP_ID
    """.split()
)
"""The AWS variables that a client keeps, because they select no account, endpoint or credentials."""


GITHUB_VARIABLES = ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
"""The variables for the URL and the bearer token with which a GitHub Actions job requests an ID token."""


def client_variables(url: str, region: str, key_id: str, secret: str) -> dict[str, str]:
    """Return the variables that point a client at a sandbox.

    The variables also make the client ignore the user's own configuration files and the metadata service.
    """
    return {
        "AWS_ENDPOINT_URL": url,
        # The Go SDK (config 1.33) reads only this variable in its own role and web identity providers. Without it they
        # would send their requests, tokens included, to the real STS.
        "AWS_ENDPOINT_URL_STS": url,
        # Without these two variables, IAM Identity Center tokens would go to the real endpoints.
        "AWS_ENDPOINT_URL_SSO": url,
        "AWS_ENDPOINT_URL_SSO_OIDC": url,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SHARED_CREDENTIALS_FILE": empty_file(),
        "AWS_CONFIG_FILE": empty_file(),
        "AWS_EC2_METADATA_DISABLED": "true",
        # Turn off the keyring: an MFA device of the sandbox can have the name of a real device, but has another seed.
        "DSOPS_KEYRING": "off",
    }


def rivals(environ: Mapping[str, str]) -> list[str]:
    """Return the names of inherited variables that set another profile, endpoint or credential source."""
    return sorted(name for name in environ if name.startswith("AWS_") and name not in _KEPT)


def client_environment(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """Return the inherited variables plus `variables`, without rival variables, and with no proxy for loopback."""
    rival_names = set(rivals(environ))
    child = {name: value for name, value in environ.items() if name not in rival_names}
    for name in ("NO_PROXY", "no_proxy"):
        if name in child or name == "NO_PROXY":
            child[name] = ",".join(part for part in (child.get(name, ""), LOOPBACK, "localhost") if part)
    return child | dict(variables)


def container_variables(url: str, role: str, token: str) -> dict[str, str]:
    """Return the variables that ECS sets in a task's containers; `role` is a name or an ARN."""
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/_sandbox/container-credentials/{quote(role, safe='/')}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
    }


def pod_variables(url: str, role: str, namespace: str, service_account: str, token: str) -> dict[str, str]:
    """Return the variables that EKS Pod Identity sets in a pod's containers.

    These variables contain the token itself, whereas EKS sets the path of a file with the token.
    """
    query = urlencode({"namespace": namespace, "service_account": service_account})
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}/_sandbox/pod-credentials/{quote(role, safe='/')}?{query}",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
    }


def function_variables(session: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the variables that Lambda sets for a function: its name and the credentials of its role's session."""
    return {
        "AWS_ACCESS_KEY_ID": session["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": session["SecretAccessKey"],
        "AWS_SESSION_TOKEN": session["Token"],
        "AWS_LAMBDA_FUNCTION_NAME": name,
    }


def github_variables(url: str, repository: str, ref: str, token: str) -> dict[str, str]:
    """Return the variables that a GitHub Actions runner sets for a job that may request an ID token."""
    query = urlencode({"api-version": "2.0", "repository": repository, "ref": ref})
    return dict(zip(GITHUB_VARIABLES, (f"{url}/_sandbox/github?{query}", token), strict=True))
