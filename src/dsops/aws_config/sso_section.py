"""The section `[sso-session NAME]` of ~/.aws/config for a new login. The AWS CLI and SDKs read the section, too."""

from __future__ import annotations

import re
from collections.abc import Collection

from dsops.aws_config.profiles import SourceText, read_profiles

_UNFIT = re.compile(r"[^A-Za-z0-9_-]+")
_USUAL_PATHS = ("", "start")


def session_name(start_url: str, taken: Collection[str]) -> str:
    """Return a free name for the session, made from the distinctive part of the start URL, such as `my-company`."""
    host, *path = start_url.partition("://")[2].split("#", maxsplit=1)[0].strip("/").split("/")
    label = host.partition(".")[0]
    base = label if not path or path[-1] in _USUAL_PATHS else path[-1]
    base = _UNFIT.sub("-", base).strip("-") or "sso"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    return name


def section_lines(name: str, start_url: str, region: str, scopes: Collection[str]) -> tuple[str, ...]:
    """Return the lines of the section, as `aws configure sso-session` writes them."""
    return (
        f"[sso-session {name}]",
        f"sso_start_url = {start_url}",
        f"sso_region = {region}",
        f"sso_registration_scopes = {','.join(scopes)}",
    )


def with_section(old: SourceText, lines: Collection[str]) -> str:
    """Return the config file's text with the section at its end; all other text stays unchanged.

    Raises ConfigUnreadable for a file that AWS's programs can't read.
    """
    ending = "\r\n" if "\r\n" in old.text else "\n"
    text = old.text if not old.text or old.text.endswith("\n") else f"{old.text}{ending}"
    between = ending if text else ""
    new = f"{text}{between}{''.join(f'{line}{ending}' for line in lines)}"
    read_profiles(SourceText(text=new, shown=old.shown), SourceText(text="", shown=""))
    return new
