"""Who signs the first hop, as far as can be told without asking anybody: a digest that differs when that may differ.

Keys in the environment are the identity. Everything else is decided by botocore from files and variables, so their
contents are: a new login, an edited profile or another variable is another identity, and no session is mixed up.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from dsops.aws.ambient import ambient_from_environment, profile_region
from dsops.config.files import digest
from dsops.plan import Ambient

# What an SSO, `aws login` or other token cache holds; botocore and the AWS CLI name each file by a hash.
_CACHE_FOLDERS = ("~/.aws/sso/cache", "~/.aws/login/cache")
_MOST_CACHE_FILES = 1000

_TOKEN_FILE_VARIABLES = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
_TOKEN_FILE_KEY = rb"(?m)^\s*web_identity_token_file\s*=\s*(.+?)\s*$"

# Besides all AWS_*: where files and programs are looked for, and who the user is.
_OTHER_VARIABLES = ("HOME", "USERPROFILE", "PATH")


def ambient_of(environ: Mapping[str, str], key: bytes) -> Callable[[str], Ambient]:
    """The function that `make_plan` asks for the identity of a profile.

    `key` is a secret of this process, so that a digest tells nothing about a key or token. Raises AmbientFailed for
    half a key pair, ConfigUnreadable for files that can't be read.
    """

    def ambient(profile: str) -> Ambient:
        if not profile:
            keys = ambient_from_environment(environ)
            if keys is not None:
                token = keys.session_token.reveal() if keys.session_token else ""
                parts = ("keys", keys.access_key_id, keys.secret_access_key.reveal(), token)
                return Ambient("environment", _keyed(key, parts), is_temporary=keys.is_temporary)
        name = profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or ""
        return Ambient(
            source=f"profile {name}" if name else "default chain",
            digest=_keyed(key, ("profile", name, *_evidence(environ))),
            is_temporary=None,
            region=profile_region(environ, name or "default"),
        )

    return ambient


def _keyed(key: bytes, parts: Iterable[str]) -> str:
    """An HMAC in all but name (RFC 2104's two passes); `hmac` and `hashlib` cost a cold run 3 ms."""
    data = b"".join(
        b"%d:%s" % (len(part), part) for part in (part.encode("utf-8", "surrogateescape") for part in parts)
    )
    inner = digest(b"inner" + key + data)
    return digest(b"outer" + key + inner.encode())


def _evidence(environ: Mapping[str, str]) -> Iterator[str]:
    """Everything that botocore may decide by."""
    config = _content(environ, environ.get("AWS_CONFIG_FILE") or "~/.aws/config")
    credentials = _content(environ, environ.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials")
    # A credential_process may look at any variable.
    has_process = b"credential_process" in config + credentials
    for name in sorted(environ):
        if has_process or name.startswith("AWS_") or name in _OTHER_VARIABLES:
            yield f"{name}={environ[name]}"
    yield digest(config)
    yield digest(credentials)
    for variable in _TOKEN_FILE_VARIABLES:
        if environ.get(variable):
            yield digest(_content(environ, environ[variable]))
    for path in re.findall(_TOKEN_FILE_KEY, config + b"\n" + credentials):
        yield digest(_content(environ, path.decode("utf-8", "surrogateescape")))
    for folder in _CACHE_FOLDERS:
        yield from _folder(environ, folder)


def _folder(environ: Mapping[str, str], folder: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(_expanded(environ, folder)))[:_MOST_CACHE_FILES]
    except OSError:
        return
    for name in names:
        yield f"{name}={digest(_content(environ, f'{folder}/{name}'))}"


def _content(environ: Mapping[str, str], path: str) -> bytes:
    """The file's bytes; nothing where it can't be read: what matters is that it changes when they do."""
    try:
        with open(_expanded(environ, path), "rb") as file:
            return file.read()
    except OSError:
        return b""


def _expanded(environ: Mapping[str, str], path: str) -> str:
    # os.path.expanduser would take this process's HOME, not the client's.
    home = environ.get("HOME") or environ.get("USERPROFILE", "")
    return home + path[1:] if home and path.startswith("~/") else path
