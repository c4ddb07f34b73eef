"""Who signs the first hop, as far as can be told without asking anybody: a digest that differs when that may differ.

Keys in the environment are the identity. Everything else is decided by botocore from files and variables, so their
contents are: a new login, an edited profile or another variable is another identity, and no session is mixed up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from dsops.aws.http.network import TRUST_VARIABLES
from dsops.aws.identity.ambient import ambient_from_environment
from dsops.aws.identity.ambient_files import (
    check_absent,
    config_file,
    content,
    credentials_file,
    located,
    profile_region,
)
from dsops.config.files import digest
from dsops.plan import Ambient, Proof, Settings
from dsops.stores import proving_store

# What an SSO, `aws login` or other token cache holds; botocore and the AWS CLI name each file by a hash.
_SSO_CACHE = "~/.aws/sso/cache"
_LOGIN_CACHE = "~/.aws/login/cache"
_MOST_CACHE_FILES = 1000

_MARK_KEY = os.urandom(32)

_TOKEN_FILE_VARIABLES = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
_BOTO_FILES = ("/etc/boto.cfg", "~/.boto")
_TOKEN_FILE_KEY = rb"(?m)^\s*web_identity_token_file\s*=\s*(.+?)\s*$"

# Besides all AWS_*: where files and programs are looked for, and who the user is.
_OTHER_VARIABLES = ("BOTO_CONFIG", "HOME", "USERPROFILE", "PATH")


def ambient_of(environ: Mapping[str, str], key: bytes, folder: str) -> Callable[[str], Ambient]:
    """The function that `make_plan` asks for the identity of a profile, for a client in that folder.

    `key` is a secret of this process, so that a digest tells nothing about a key or token. Raises AmbientFailed for
    half a key pair, ConfigUnreadable for files that can't be read.
    """

    def ambient(profile: str) -> Ambient:
        if not profile:
            keys = ambient_from_environment(environ)
            if keys is not None:
                token = keys.session_token.reveal() if keys.session_token else ""
                parts = ("keys", keys.access_key_id, keys.secret_access_key.reveal(), token, *_ways(environ))
                endpoints = endpoints_of(environ, "", folder)
                return Ambient("environment", _keyed(key, parts), is_temporary=keys.is_temporary, endpoints=endpoints)
        name = profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or ""
        parts = ("profile", name, *_ways(environ), *_evidence(environ, folder))
        return Ambient(
            source=f"profile {name}" if name else "default chain",
            digest=_keyed(key, parts),
            is_temporary=None,
            region=profile_region(environ, name or "default", folder),
            endpoints=endpoints_of(environ, profile, folder),
            mark=_keyed(_MARK_KEY, parts),
        )

    return ambient


def is_as_planned(ambient: Ambient, environ: Mapping[str, str], profile: str, folder: str) -> bool:
    """Whether the files still say what they said when that was found; a login that was renewed counts as another."""
    return ambient.mark == ambient_of(environ, _MARK_KEY, folder)(profile).digest


def proof_of(environ: Mapping[str, str], key: bytes, folder: str = "") -> Callable[[str, Settings], Proof]:
    """The function that `make_plan` asks what stands for base credentials at a store, for a client in that folder."""

    def proof(store_type: str, settings: Settings) -> Proof:
        def digest_of(parts: Iterable[str]) -> str:
            return _keyed(key, ("proof", store_type, *parts, *_ways(environ)))

        found = proving_store(store_type).identify(settings, environ, digest_of, folder)
        return found._replace(endpoints=endpoints_of(environ, "", folder))

    return proof


def endpoints_of(environ: Mapping[str, str], profile: str, folder: str) -> tuple[tuple[str, str], ...]:
    """What the profile, or the one that the environment names, says of endpoints: variables that are not set.

    Raises ConfigUnreadable for a file that can't be read, or an address in it that can't be used.
    """
    text = content(config_file(environ, folder)) + content(credentials_file(environ, folder))
    if b"endpoint" not in text:
        return ()  # most files: to parse them costs a cold run milliseconds
    from dsops.aws.identity.profile_endpoints import profile_endpoints

    name = profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    return profile_endpoints(environ, name, folder)


def _keyed(key: bytes, parts: Iterable[str]) -> str:
    """An HMAC in all but name (RFC 2104's two passes); `hmac` and `hashlib` cost a cold run 3 ms."""
    data = b"".join(
        b"%d:%s" % (len(part), part) for part in (part.encode("utf-8", "surrogateescape") for part in parts)
    )
    inner = digest(b"inner" + key + data)
    return digest(b"outer" + key + inner.encode())


def _ways(environ: Mapping[str, str]) -> Iterator[str]:
    """Through whom AWS is asked, and who may say that he is AWS: another one could answer with another's session."""
    for name in sorted(environ):
        if name.lower().endswith("_proxy") or name in TRUST_VARIABLES:
            yield f"{name}={environ[name]}"


def _evidence(environ: Mapping[str, str], folder: str) -> Iterator[str]:
    """Everything that botocore may decide by."""
    config = content(config_file(environ, folder))
    credentials = content(credentials_file(environ, folder))
    # A credential_process may look at any variable, and at what is in the folder.
    has_process = b"credential_process" in config + credentials
    if has_process:
        yield folder
    for name in sorted(environ):
        if has_process or name.startswith("AWS_") or name in _OTHER_VARIABLES:
            yield f"{name}={environ[name]}"
    yield digest(config)
    yield digest(credentials)
    for path in (*_older_files(environ, folder), *_token_files(environ, folder, config + b"\n" + credentials)):
        yield digest(content(path))
    for cache in (_SSO_CACHE, environ.get("AWS_LOGIN_CACHE_DIRECTORY") or _LOGIN_CACHE):
        yield from _files(located(cache, environ, folder))


def _older_files(environ: Mapping[str, str], folder: str) -> Iterator[str]:
    """Of boto 2 and of the first EC2 tools: botocore still looks at them."""
    for path in (environ["BOTO_CONFIG"],) if "BOTO_CONFIG" in environ else _BOTO_FILES:
        yield located(path, environ, folder)
    if environ.get("AWS_CREDENTIAL_FILE"):
        yield located(environ["AWS_CREDENTIAL_FILE"], environ, folder)


def _token_files(environ: Mapping[str, str], folder: str, text: bytes) -> Iterator[str]:
    """Those that variables name, and those that the files with this text do; opened as they stand."""
    named = [os.fsdecode(path) for path in re.findall(_TOKEN_FILE_KEY, text)]
    for path in (*[environ.get(variable, "") for variable in _TOKEN_FILE_VARIABLES], *named):
        if path:
            yield located(path, environ, folder, has_variables=False)


def _files(folder: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(folder))[:_MOST_CACHE_FILES]
    except OSError as error:
        check_absent(folder, error)
        return
    for name in names:
        yield f"{name}={digest(content(os.path.join(folder, name)))}"
