"""The start URL and region of an IAM Identity Center login, from a store or the AWS config file."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dsops.aws.identity.ambient_files import config_file, section_name, sections
from dsops.errors import ConfigError, ConfigUnreadable, Where, nearest
from dsops.startup import NamedTuple

_PREFIX = "sso-session "
_REGION = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z"
_URL = r"https://[!-~]+\Z"

ACCOUNT_ACCESS = "sso:account:access"
"""The scope that GetRoleCredentials needs. It is requested when a session of the config file names no scopes."""


class SsoSession(NamedTuple):
    """The start URL and region of a login. Stores with equal sessions share one login."""

    name: str
    """The name in `[sso-session NAME]`; "" for a plain start URL."""
    start_url: str
    region: str
    scopes: tuple[str, ...] = (ACCOUNT_ACCESS,)

    @property
    def key(self) -> str:
        """The text whose hash is the token file's name, by the AWS CLI's rule."""
        return self.name or self.start_url

    @property
    def shown(self) -> str:
        """The description for messages, such as `the login of sso-session corp`."""
        return f"the login of sso-session {self.name}" if self.name else f"the login at {self.start_url}"


def start_url_problem(url: str) -> str:
    """Return a description of valid start URLs if this URL is not usable; "" for a usable start URL."""
    return "" if re.match(_URL, url) else "the https address of the access portal"


def region_problem(region: str) -> str:
    """Return a description of valid regions if this region is not usable; "" for a usable region."""
    return "" if re.match(_REGION, region) else "the region of the Identity Center instance, such as us-east-1"


def is_same_url(one: str, other: str) -> bool:
    """Whether two start URLs are equal, apart from a `/` or `#/` at the end, which browsers add."""
    return one.rstrip("#/") == other.rstrip("#/")


def named_sessions(environ: Mapping[str, str], folder: str = "") -> list[SsoSession]:
    """Return the usable `[sso-session NAME]` sections of the AWS config file. Raises ConfigUnreadable."""
    sessions: list[SsoSession] = []
    for header in sections(config_file(environ, folder), _PREFIX):
        try:
            sessions.append(named_session(section_name(header, _PREFIX), environ, folder))
        except ConfigUnreadable:
            raise
        except ConfigError:
            continue
    return sessions


def named_session(name: str, environ: Mapping[str, str], folder: str = "") -> SsoSession:
    """Read `[sso-session NAME]` from the AWS config file. Raises ConfigError when it is missing or unusable."""
    path = config_file(environ, folder)
    sessions = {section_name(header, _PREFIX): keys for header, keys in sections(path, _PREFIX).items()}
    if name not in sessions:
        sections(path)  # raises an error if the file is not a valid AWS config file
        raise ConfigError(f"there is no `[sso-session {name}]` in {path}", hint=_for_unknown(name, sessions))
    keys = sessions[name]
    start_url, region = keys.get("sso_start_url", "").strip(), keys.get("sso_region", "").strip()
    # The values are checked like a store's own keys, since the region becomes part of a host name.
    for key, value, rule, expected in (
        ("sso_start_url", start_url, _URL, "the https address of the access portal"),
        ("sso_region", region, _REGION, "the region of the Identity Center instance"),
    ):
        if not re.match(rule, value):
            problem = f"has no usable `{key}`" if value else f"has no `{key}`"
            hint = f"set `{key}` there: {expected}"
            raise ConfigError(f"`[sso-session {name}]` {problem}", hint=hint, where=Where(path))
    scopes = tuple(filter(None, (scope.strip() for scope in keys.get("sso_registration_scopes", "").split(","))))
    return SsoSession(name, start_url, region, scopes or (ACCOUNT_ACCESS,))


def _for_unknown(name: str, found: Mapping[str, object]) -> str:
    if not found:
        return "add it with `aws configure sso-session`, or set `start_url` and `sso_region` on the store"
    meant = nearest(name, found)
    return f"did you mean `{meant}`?" if meant else f"its sessions are {', '.join(found)}"
