"""Identify the signer of the first hop without a request.

The result is a digest that differs whenever the signer may differ. Keys in environment variables identify the signer
directly. Otherwise botocore finds the signer in files and variables, so the digest covers everything that botocore
reads for the profile:

- the profile's sections, and the sections that they refer to
- the profile's login and token file
- environment variables

A change of another profile, or a login of another SSO session, does not change the digest. So the user needs no new
MFA code after such a change.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from dsops.aws.http.network import TRUST_VARIABLES
from dsops.aws.identity.ambient import ambient_from_environment
from dsops.aws.identity.ambient_files import (
    at_home,
    check_absent,
    config_file,
    content,
    credentials_file,
    located,
    profile_region,
)
from dsops.config.files import digest
from dsops.plan import Ambient, Proof, Settings
from dsops.startup import TYPE_CHECKING
from dsops.stores import proving_store

if TYPE_CHECKING:
    from dsops.aws.identity.related_sections import RelatedSections

# The folders of the token caches of SSO, `aws login` and others, in which each file's name is a hash.
_SSO_CACHE = "~/.aws/sso/cache"
_LOGIN_CACHE = "~/.aws/login/cache"
_MOST_CACHE_FILES = 1000

_MARK_KEY = os.urandom(32)

_TOKEN_FILE_VARIABLES = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
_BOTO_FILES = ("/etc/boto.cfg", "~/.boto")
_TOKEN_FILE_KEY = rb"(?mi)^\s*web_identity_token_file\s*[=:]\s*(.+?)\s*$"

# Variables besides AWS_* and BOTO* that affect the identity without a credential_process: the home folder.
_OTHER_VARIABLES = ("HOME", "USERPROFILE")

# The variables that name a profile, in botocore's order. botocore ignores them if the profile is set in another way.
_PROFILE_VARIABLES = ("AWS_DEFAULT_PROFILE", "AWS_PROFILE")


def ambient_of(environ: Mapping[str, str], key: bytes, folder: str) -> Callable[[str], Ambient]:
    """Return the function that `make_plan` calls for a profile's base identity.

    - `key`: a secret of this process. It prevents digests from revealing anything about keys and tokens.
    - `folder`: the working folder of the client.

    Raises AmbientFailed for an incomplete key pair, and ConfigUnreadable for unreadable files.
    """

    def ambient(profile: str) -> Ambient:
        if not profile:
            keys = ambient_from_environment(environ)
            if keys is not None:
                token = keys.session_token.reveal() if keys.session_token else ""
                parts = (
                    "keys",
                    keys.access_key_id,
                    keys.secret_access_key.reveal(),
                    token,
                    *_network_settings(environ),
                )
                endpoints = endpoints_of(environ, "", folder)
                return Ambient(
                    "environment", _hmac_hex(key, parts), is_temporary=keys.is_temporary, endpoints=endpoints
                )
        name = profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or ""
        from dsops.aws.identity.related_sections import related_sections

        config, credentials = (content(find(environ, folder)) for find in (config_file, credentials_file))
        related = related_sections(config, credentials, [profile] if profile else _profiles_of(environ))
        if related is None or related.values("credential_process"):
            # A credential_process may use any other profile: `aws configure export-credentials --profile other`.
            token_files = related.values("web_identity_token_file") if related else set[str]()
            evidence = _evidence_of_files(environ, folder, config, credentials, token_files)
        else:
            ignored = _PROFILE_VARIABLES if profile else ()
            read = {variable: value for variable, value in environ.items() if variable not in ignored}
            evidence = _evidence(read, folder, related)
        parts = ("profile", name, *_network_settings(environ), *evidence)
        own_name = name or "default"
        return Ambient(
            source=f"profile {name}" if name else "default chain",
            digest=_hmac_hex(key, parts),
            is_temporary=None,
            region=related.region(own_name) if related else profile_region(environ, own_name, folder),
            endpoints=endpoints_of(environ, profile, folder),
            mark=_hmac_hex(_MARK_KEY, parts),
        )

    return ambient


def is_as_planned(ambient: Ambient, environ: Mapping[str, str], profile: str, folder: str) -> bool:
    """Whether the files have the same content as when the plan was made. A renewed login changes the content."""
    return ambient.mark == ambient_of(environ, _MARK_KEY, folder)(profile).digest


def proof_of(environ: Mapping[str, str], key: bytes, folder: str = "") -> Callable[[str, Settings], Proof]:
    """Return the function with which `make_plan` identifies a store's token or login.

    Paths in the settings are relative to `folder`.
    """

    def proof(store_type: str, settings: Settings) -> Proof:
        def digest_of(parts: Iterable[str]) -> str:
            return _hmac_hex(key, ("proof", store_type, *parts, *_network_settings(environ)))

        proof_of_store = proving_store(store_type).identify(settings, environ, digest_of, folder)
        return proof_of_store._replace(endpoints=endpoints_of(environ, "", folder))

    return proof


def endpoints_of(environ: Mapping[str, str], profile: str, folder: str) -> tuple[tuple[str, str], ...]:
    """Return a profile's endpoint settings in the form of environment variables.

    Variables that are already set are left out. If `profile` is "", the profile from the environment variables is
    used. Raises ConfigUnreadable for an unreadable file, or for an unusable address in it.
    """
    text = content(config_file(environ, folder)) + content(credentials_file(environ, folder))
    if b"endpoint" not in text:
        return ()  # most files name no endpoint, and parsing would add milliseconds to a cold run
    from dsops.aws.identity.profile_endpoints import profile_endpoints

    name = profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    return profile_endpoints(environ, name, folder)


def _hmac_hex(key: bytes, parts: Iterable[str]) -> str:
    """Return an HMAC (RFC 2104).

    It is implemented here, because importing `hmac` and `hashlib` would take 3 ms of a cold run.
    """
    data = b"".join(
        b"%d:%s" % (len(part), part) for part in (part.encode("utf-8", "surrogateescape") for part in parts)
    )
    inner = digest(b"inner" + key + data)
    return digest(b"outer" + key + inner.encode())


def _network_settings(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the proxy and trust settings.

    They are part of the identity, because another proxy could return another user's session.
    """
    for name in sorted(environ):
        if name.lower().endswith("_proxy") or name in TRUST_VARIABLES:
            yield f"{name}={environ[name]}"


def _profiles_of(environ: Mapping[str, str]) -> list[str]:
    """Return the profiles that botocore may use without a named profile. An empty variable means `default`."""
    named = [environ[name] for name in _PROFILE_VARIABLES if name in environ]
    return [name or "default" for name in named] or ["default"]


def _evidence(environ: Mapping[str, str], folder: str, related: RelatedSections) -> Iterator[str]:
    """Yield what botocore reads for the profile, if its credentials need no program."""
    yield from (f"{name}={environ[name]}" for name in sorted(environ) if _is_read(name))
    yield related.text
    token_files = sorted(related.values("web_identity_token_file"))
    for path in _other_files(environ, folder, token_files):
        yield digest(content(path))
    sso, login = _caches(environ, folder)
    # botocore's names for the files: the SHA-1 of the SSO session's name, or else of its start URL; and a SHA-256.
    sso_names = related.values("sso_session") | related.values("sso_start_url")
    if sso_names:
        from dsops.aws.identity.sso_cache import hashed

        yield from (_file(f"{sso}/{hashed(name)}.json") for name in sorted(sso_names))
    for name in sorted(related.values("login_session")):
        yield _file(f"{login}/{digest(name.encode())}.json")


def _evidence_of_files(
    environ: Mapping[str, str], folder: str, config: bytes, credentials: bytes, token_files: set[str]
) -> Iterator[str]:
    """Yield everything that botocore or a credential_process may read for any profile, such as these token files."""
    # A credential_process may read any variable and any file in its folder, so both are part of the identity.
    has_process = b"credential_process" in (config + credentials).lower()
    if has_process:
        yield folder
    yield from (f"{name}={environ[name]}" for name in sorted(environ) if has_process or _is_read(name))
    yield digest(config)
    yield digest(credentials)
    written = {os.fsdecode(path) for path in re.findall(_TOKEN_FILE_KEY, config + b"\n" + credentials)}
    for path in _other_files(environ, folder, sorted(token_files | written)):
        yield digest(content(path))
    for cache in _caches(environ, folder):
        yield from _files(cache)


def _is_read(variable: str) -> bool:
    """Whether the variable affects which credentials botocore finds."""
    return variable.startswith(("AWS_", "BOTO")) or variable in _OTHER_VARIABLES


def _caches(environ: Mapping[str, str], folder: str) -> tuple[str, str]:
    """Return the folders that contain SSO tokens and `aws login` tokens."""
    login = environ.get("AWS_LOGIN_CACHE_DIRECTORY", _LOGIN_CACHE)  # in botocore, "" is the working folder
    return located(_SSO_CACHE, environ, folder), located(login, environ, folder)


def _other_files(environ: Mapping[str, str], folder: str, token_files: Iterable[str]) -> Iterator[str]:
    """Yield the files of boto 2 and the first EC2 tools, which botocore still reads, and all token files."""
    for path in (environ["BOTO_CONFIG"],) if "BOTO_CONFIG" in environ else _BOTO_FILES:
        yield located(path, environ, folder)
    if environ.get("AWS_CREDENTIAL_FILE"):
        # In this path, botocore expands `~`, but no `$NAME`.
        yield os.path.join(folder, at_home(environ["AWS_CREDENTIAL_FILE"], environ))
    for path in (*[environ.get(variable, "") for variable in _TOKEN_FILE_VARIABLES], *token_files):
        if path:
            yield os.path.join(folder, path)  # botocore opens these paths as they are written


def _files(folder: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(folder))[:_MOST_CACHE_FILES]
    except OSError as error:
        check_absent(folder, error)
        return
    yield from (_file(os.path.join(folder, name)) for name in names)


def _file(path: str) -> str:
    return f"{path}={digest(content(path))}"
