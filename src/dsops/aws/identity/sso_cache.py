"""Read, write and remove IAM Identity Center tokens, in the files shared with the AWS CLI and SDKs.

The files have the AWS CLI's format: `~/.aws/sso/cache/<SHA-1 of the session's name, or start URL>.json`.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from time import sleep

from dsops.aws.http.answer import parse_json, text_in
from dsops.aws.identity.ambient_files import check_absent, located
from dsops.aws.identity.sso_session import SsoSession
from dsops.config.files import digest
from dsops.errors import FileNotWritten
from dsops.input_file import read_file
from dsops.secret import Secret
from dsops.startup import NamedTuple

try:  # `_sha1` is imported directly, because `hashlib` takes 3 ms of a cold run
    from _sha1 import sha1  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    from hashlib import sha1

_FOLDER = "~/.aws/sso/cache"
_MOST_BYTES = 256 * 1024
_REREADS, _REREAD_SECONDS = 5, 0.02
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class ClientRegistration(NamedTuple):
    """A program's registration with Identity Center. The client secret alone gives no access."""

    client_id: str
    client_secret: Secret
    expires_at: datetime


class Token(NamedTuple):
    """The tokens of a login."""

    access_token: Secret
    expires_at: datetime
    refresh_token: Secret | None
    client: ClientRegistration | None
    """The registration that the refresh token belongs to; None when the token file does not contain it."""

    @property
    def mark(self) -> str:
        """A digest of the login's refresh token, or of its access token if there is no refresh token.

        Only the user who logged in has the token, so equal digests mean the same user. A refresh of the login that
        keeps the refresh token keeps the digest.
        """
        return digest((self.refresh_token or self.access_token).reveal_bytes())

    def can_be_refreshed(self, now: datetime) -> bool:
        """Whether a new access token can be requested without a login in the browser."""
        return self.refresh_token is not None and self.client is not None and self.client.expires_at > now


class Cached(NamedTuple):
    """The result of reading a token file."""

    token: Token | None
    why: str = ""
    """Why there is no token, as the end of the sentence `...: not logged in`."""
    note: str = ""
    """A warning about a file whose token is usable."""


def cache_folder(environ: Mapping[str, str], folder: str = "") -> str:
    """Return the folder of the token files, below the client's HOME."""
    return located(_FOLDER, environ, folder)


def token_path(session: SsoSession, environ: Mapping[str, str], folder: str = "") -> str:
    """Return the path of the session's token file."""
    return os.path.join(cache_folder(environ, folder), f"{hashed(session.key)}.json")


def hashed(text: str) -> str:
    """Return the SHA-1 of a string, which is used as a file name and has no security purpose."""
    return str(sha1(text.encode("utf-8", "surrogateescape")).hexdigest())  # noqa: S324 - the AWS CLI's rule


def read_token(path: str, session: SsoSession) -> Cached:
    """Return the session's token, expired or not, or why there is none. Never raises for a file's content."""
    data, problem, note = _read(path)
    members = parse_json(data)
    for _ in range(_REREADS):
        if members is not None or problem or not os.path.exists(path):
            break
        # The AWS CLI empties the file before it writes the new token, so a reader can see an empty file or half a
        # token.
        sleep(_REREAD_SECONDS)
        data, problem, note = _read(path)
        members = parse_json(data)
    if not data:
        return Cached(None, problem or "not logged in")
    if members is None:
        return Cached(None, f"{path} is not a token file")
    access_token, expires_at = _token_in(members, "accessToken"), instant(text_in(members, "expiresAt"))
    if access_token is None or expires_at is None:
        return Cached(None, f"{path} has no token in it")
    # A user may change the start URL of a section in the config file; the name of its token file stays the same.
    for name, expected in (("startUrl", session.start_url), ("region", session.region)):
        other = text_in(members, name)
        if other and other.rstrip("#/") != expected.rstrip("#/"):
            return Cached(None, f"{path} is of a login at {_plain(other)}, not at {expected}")
    return Cached(Token(access_token, expires_at, _token_in(members, "refreshToken"), _client_in(members)), "", note)


def write_token(path: str, session: SsoSession, token: Token) -> None:
    """Write the token to its file. Raises FileNotWritten."""
    members = {
        "startUrl": session.start_url,
        "region": session.region,
        "accessToken": token.access_token.reveal(),
        "expiresAt": _written(token.expires_at),
    }
    if token.client is not None:
        members["clientId"] = token.client.client_id
        members["clientSecret"] = token.client.client_secret.reveal()
        members["registrationExpiresAt"] = _written(token.client.expires_at)
    if token.refresh_token is not None:
        members["refreshToken"] = token.refresh_token.reveal()
    write_file(path, json.dumps(members))


def remove_file(path: str) -> None:
    """Delete the file if it exists. Raises FileNotWritten when it can't be deleted."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        why = (error.strerror or "").lower()
        raise FileNotWritten(
            f"{path} can't be removed", why=why, hint="remove the file yourself: it contains a login token"
        ) from error


def write_file(path: str, text: str) -> None:
    """Write a file with mode 0600 atomically, so that a concurrent reader sees the old or the new content.

    A symlink at the path is replaced, not followed. Raises FileNotWritten.
    """
    folder = os.path.dirname(path)
    part = f"{path}.{os.getpid()}-{os.urandom(6).hex()}.tmp"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise FileNotWritten(
            f"{path} can't be written", why=reason, hint="check the owner and mode of its folder"
        ) from error


def read_client(path: str) -> ClientRegistration | None:
    """Return the client registration in a file; None when it is missing or unusable."""
    members = parse_json(_read(path)[0]) or {}
    return _client(members, "expiresAt")


def write_client(path: str, client: ClientRegistration, scopes: tuple[str, ...]) -> None:
    """Save a registration for later logins. Raises FileNotWritten."""
    members = {
        "clientId": client.client_id,
        "clientSecret": client.client_secret.reveal(),
        "expiresAt": _written(client.expires_at),
        "scopes": list(scopes),
    }
    write_file(path, json.dumps(members))


def instant(text: str) -> datetime | None:
    """Parse a time as the AWS CLI and SDKs write it; the CLI's first versions wrote `2020-06-17T10:02:08UTC`."""
    try:
        parsed = datetime.fromisoformat(text.removesuffix("UTC"))
        return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(path: str) -> tuple[bytes, str, str]:
    """Return the file's bytes, the reason why it can't be used, and a warning. Files of other users are not used."""
    try:
        data, status = read_file(path, _MOST_BYTES + 1)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EISDIR):
            return b"", f"{path} is not a regular file", ""
        check_absent(path, error)
        is_there = isinstance(error, PermissionError)
        return b"", f"{path} can't be read: permission denied" if is_there else "", ""
    if len(data) > _MOST_BYTES:
        return b"", f"{path} is not a token file", ""
    if os.name == "nt":
        return data, "", ""
    if status.st_uid not in (os.geteuid(), 0) and os.geteuid() != 0:
        return b"", f"{path} belongs to another user", ""
    is_open = bool(status.st_mode & _OF_OTHERS)
    return data, "", f"others can get at the token in {path}: run `chmod 600 {path}`" if is_open else ""


def _token_in(members: Mapping[str, object], name: str) -> Secret | None:
    """Return a token that is safe to send in a header; None for anything else."""
    text = text_in(members, name)
    return Secret(text) if text and text.isascii() and text.isprintable() and " " not in text else None


def _client_in(members: Mapping[str, object]) -> ClientRegistration | None:
    return _client(members, "registrationExpiresAt")


def _client(members: Mapping[str, object], expiry: str) -> ClientRegistration | None:
    client_id, secret = text_in(members, "clientId"), _token_in(members, "clientSecret")
    expires_at = instant(text_in(members, expiry))
    return ClientRegistration(client_id, secret, expires_at) if client_id and secret and expires_at else None


def _plain(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:200])
