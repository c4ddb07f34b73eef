"""Describe the source of base credentials, and explain why botocore found none and what to do next."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from dsops.aws.identity.ambient_files import config_file, credentials_file
from dsops.credentials import OF_ENVIRONMENT
from dsops.endpoint import parse_address
from dsops.errors import AmbientFailed, CredentialsError, CredentialsExpired, MfaRequired, NoCredentials, nearest
from dsops.user_folders import shown_path

# A secret key, a token or a part of one: long, with upper case, lower case and digits. Paths and URLs seldom match.
_KEY_LIKE = r"[A-Za-z0-9+/=_-]{30,}"
_KEY_ID = r"\b(AKIA|ASIA)[A-Z0-9]{8,}\b"

_OF_A_PROFILE = {
    "shared-credentials-file": "the credentials file",
    "config-file": "the config file",
    "assume-role": "a role",
    "assume-role-with-web-identity": "a web identity token",
    "sso": "IAM Identity Center",
    "login": "`aws login`",
    "custom-process": "its credential_process",
}
"""Settings of a profile that configure a source of credentials.

If a profile has none of these settings, botocore uses the role of the container or instance. That role is a different
identity from the profile that a store names.
"""

INSTANCE = "the instance's role"
_OF_NO_PROFILE = {
    "env": OF_ENVIRONMENT,
    "iam-role": INSTANCE,
    "ec2-credentials-file": "the file in AWS_CREDENTIAL_FILE",
    "boto-config": "boto's own config file",
}
_CREDENTIAL_SOURCES = {
    "Environment": OF_ENVIRONMENT,
    "EcsContainer": "the container's role",
    "Ec2InstanceMetadata": INSTANCE,
}

_RELATIVE_URI, _FULL_URI = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"
_TOKEN_FILE = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"  # noqa: S105 (a variable's name)
# EKS Pod Identity: the addresses of its agent on a node, and the folder in the path of a pod's token file ("How EKS Pod
# Identity works").
_POD_IDENTITY_HOSTS = ("169.254.170.23", "fd00:ec2::23")
_POD_IDENTITY_FOLDER = "/pods.eks.amazonaws.com/"


class CredentialLookup:
    """The inputs of a lookup of base credentials. `profile` is "" for the default chain."""

    __slots__ = ("environ", "folder", "profile")

    def __init__(self, environ: Mapping[str, str], folder: str, profile: str) -> None:
        self.environ = environ
        self.folder = folder
        self.profile = profile

    @property
    def name(self) -> str:
        """The name of the profile that botocore reads."""
        return self.profile or chosen_profile(self.environ) or "default"

    @property
    def whose(self) -> str:
        """The name of the credentials in messages: `credentials of profile ...` or `base credentials`."""
        return f"credentials of profile `{self.profile}`" if self.profile else "base credentials"


def chosen_profile(environ: Mapping[str, str]) -> str:
    """Return the profile in AWS_PROFILE or AWS_DEFAULT_PROFILE; "" when neither is set."""
    return environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or ""


def source_text(lookup: CredentialLookup, answer: Mapping[str, object]) -> str:
    """Describe the source of the child's credentials, such as `profile ada (IAM Identity Center, session corp)`.

    Raises NoCredentials when a profile was requested, but botocore used another identity.
    """
    method = str(answer.get("method"))
    source_settings = answer.get("told")
    settings = (
        {str(name): str(value) for name, value in source_settings.items()} if isinstance(source_settings, dict) else {}
    )
    is_of_profile = method in _OF_A_PROFILE and not settings.get("is_of_environment")
    if not is_of_profile:
        source = _of_no_profile(lookup.environ, method)
        if lookup.profile:
            raise _no_credentials(lookup, answer, instead=source)
        return source
    return f"profile {lookup.name} ({_OF_A_PROFILE[method]}{_more(lookup.name, method, settings)})"


def _more(name: str, method: str, settings: Mapping[str, str]) -> str:
    """Return details of the source from the profile's settings: SSO session, source profile or credential source."""
    if method == "sso" and settings.get("sso_session"):
        return f", session {settings['sso_session']}"
    if method != "assume-role":
        return ""
    base = settings.get("source_profile", "")
    if base:
        return ", from its own keys" if base == name else f", from profile {base}"
    source = settings.get("credential_source", "")
    return f", from {_CREDENTIAL_SOURCES.get(source, source)}"


def _of_no_profile(environ: Mapping[str, str], method: str) -> str:
    if method == "assume-role-with-web-identity":
        return "the web identity token of AWS_WEB_IDENTITY_TOKEN_FILE"
    if method == "container-role":
        return f"the container's role ({_container(environ)})"
    return _OF_NO_PROFILE.get(method, method)


def _container(environ: Mapping[str, str]) -> str:
    """Return the container credential service that was used; botocore prefers the relative URI."""
    if _RELATIVE_URI in environ:
        return f"{_RELATIVE_URI}, as on ECS"
    address = parse_address(environ.get(_FULL_URI, "").partition("?")[0])
    host = address.host if address else ""
    if host in _POD_IDENTITY_HOSTS or _POD_IDENTITY_FOLDER in environ.get(_TOKEN_FILE, ""):
        return "EKS Pod Identity"
    return f"at {address.authority}" if address else _FULL_URI


def failure(lookup: CredentialLookup, error: str, answer: Mapping[str, object]) -> CredentialsError:
    """Return the error for a failure in botocore. `error` is the name of its exception class."""
    message = answer.get("message")
    why = " ".join(scrubbed(message if isinstance(message, str) else "").split())
    name = lookup.name
    if error == "NoCredentials":
        return _no_credentials(lookup, answer)
    if error == "MfaRequired":
        return MfaRequired(
            f"profile `{name}` asks for an MFA code",
            why="dsops can't pass an MFA code to a profile",
            hint="move its role_arn and mfa_serial to a store of type aws.sts: dsops then asks for the code",
        )
    if error == "ProfileNotFound":
        return _no_profile(lookup, answer)
    if "still expired" in why:
        hint = "log in again, for example with `aws sso login`, or renew what its `credential_process` prints"
        return CredentialsExpired(f"the credentials of profile `{name}` have expired", why=why, hint=hint)
    if error == "JSONDecodeError":
        why = "its `credential_process` does not print JSON"
    elif error == "CredentialRetrievalError" and why.endswith("custom-process:"):
        why = "its `credential_process` failed without an error message"
    why = re.sub(r"^\[Errno -?\d+\] N", "n", why)
    subject, hint = _blamed(lookup, why)
    return AmbientFailed(f"could not get {subject}", why=why or error, hint=hint or _hint(lookup, error))


def _blamed(lookup: CredentialLookup, why: str) -> tuple[str, str]:
    """Return what failed to load according to botocore's message, and a hint.

    If the profile's credentials failed to load, the hint is "".
    """
    environ = lookup.environ
    token_file = "" if lookup.profile else environ.get("AWS_WEB_IDENTITY_TOKEN_FILE", "")
    if "container-role" in why:
        return "the container's role", f"check what answers at {_address(environ)}, and the token that it wants"
    if "Error retrieving metadata" in why:
        # By default, the hop limit of IMDSv2 is 1 (EC2 User Guide, "Configure IMDS options").
        hint = "in a container the metadata hop limit has to be 2; AWS_EC2_METADATA_DISABLED=true leaves it out"
        return INSTANCE, hint
    if token_file and ("WithWebIdentity" in why or token_file in why):
        subject = f"the role in AWS_ROLE_ARN ({environ.get('AWS_ROLE_ARN') or 'not set'})"
        return subject, f"check the role's trust policy, and the token in AWS_WEB_IDENTITY_TOKEN_FILE ({token_file})"
    return f"the credentials of profile `{lookup.name}`", ""


def _address(environ: Mapping[str, str]) -> str:
    relative = environ.get(_RELATIVE_URI)
    return f"http://169.254.170.2{relative}" if relative else environ.get(_FULL_URI, "")


def _hint(lookup: CredentialLookup, error: str) -> str:
    name = lookup.name
    if "SSO" in error or error == "TokenRetrievalError":
        return f"run `aws sso login --profile {name}`"
    if error.startswith("Login"):
        return f"run `aws login --profile {name}`"
    if error == "MissingDependencyException":
        from dsops.extras import install_packages

        return f"install what botocore needs for it beside dsops: `{install_packages('botocore[crt]')}`"
    return f"see what `aws sts get-caller-identity --profile {name}` prints"


def _no_profile(lookup: CredentialLookup, answer: Mapping[str, object]) -> AmbientFailed:
    profiles = answer.get("profiles")
    names = [str(profile_name) for profile_name in profiles] if isinstance(profiles, list) else []
    meant = nearest(lookup.name, names)
    place = "`profile`" if lookup.profile else "AWS_PROFILE"
    hint = f"did you mean `{meant}`? otherwise," if meant else f"correct {place}, or"
    paths = config_file(lookup.environ), credentials_file(lookup.environ)
    files = " and ".join([shown_path(path, lookup.environ) for path in paths])
    return AmbientFailed(
        f"there is no profile `{lookup.name}`",
        why=f"{files} have {', '.join(names[:20]) or 'none'}",
        hint=f"{hint} create it with `aws configure --profile {lookup.name}`",
    )


def _no_credentials(lookup: CredentialLookup, answer: Mapping[str, object], *, instead: str = "") -> NoCredentials:
    """Return the error that lists the sources searched.

    `instead` is the identity that botocore used in place of a named profile.
    """
    profile = lookup.profile
    if instead:
        return NoCredentials(
            f"profile `{profile}` provides no credentials",
            why=f"the profile has no credentials of its own, and {instead} may be another identity",
            hint=f"leave out `profile` to use {instead}, or add keys, a role or `sso_session` to the profile",
        )
    if profile:
        return NoCredentials(
            f"profile `{profile}` provides no credentials",
            why=f"dsops looked at {_looked_at(lookup, answer)}",
            hint=f"add keys, a role or `sso_session` to it, for example with `aws configure sso --profile {profile}`",
        )
    instance = "no metadata service gives one"
    if lookup.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        instance = "switched off by AWS_EC2_METADATA_DISABLED"
    return NoCredentials(
        "no AWS credentials were found",
        why="dsops looked at AWS_ACCESS_KEY_ID and AWS_WEB_IDENTITY_TOKEN_FILE (not set), "
        f"{_looked_at(lookup, answer)}, the container's role (no AWS_CONTAINER_CREDENTIALS_*_URI is set), "
        f"{INSTANCE} ({instance})",
        hint="set AWS_PROFILE, or log in with `aws sso login` or `aws configure`; to try dsops without an account: "
        "`dsops init`, then `dsops sandbox run --from dsops.yaml -- COMMAND`",
    )


def _looked_at(lookup: CredentialLookup, answer: Mapping[str, object]) -> str:
    """Describe where the lookup searched, such as `profile x in A (no such file) and B, which has only region`."""
    paths = [find(lookup.environ, lookup.folder) for find in (config_file, credentials_file)]
    shown = [shown_path(path, lookup.environ) + ("" if os.path.isfile(path) else " (no such file)") for path in paths]
    files = " and ".join(shown)
    keys = answer.get("keys")
    names = [scrubbed(str(key)) for key in keys] if isinstance(keys, list) else []
    has = f", which has only {', '.join(names)}" if names else ""
    return f"profile `{lookup.name}` in {files}{has}"


def scrubbed(text: str) -> str:
    """Return another program's output with key IDs and long key-like words masked."""

    def mask(match: re.Match[str]) -> str:
        word = match[0]
        kinds = (str.isupper, str.islower, str.isdigit)
        return "***" if all(any(map(kind, word)) for kind in kinds) else word

    printable = "".join(character if character.isprintable() or character == "\n" else " " for character in text)
    return re.sub(_KEY_LIKE, mask, re.sub(_KEY_ID, r"\1***", printable))
