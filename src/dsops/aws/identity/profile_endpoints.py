"""Translate a profile's endpoint settings (`endpoint_url`, `services`, FIPS, dual stack) to environment variables.

The order of precedence is that of the AWS SDKs and Tools Reference Guide, "Service-specific endpoints":

1. a service's variable
2. the general variable
3. the profile's `services` section
4. the profile's `endpoint_url`

The profile files belong to the user, as environment variables do, so they need no `dsops allow`. Only a discovered
configuration needs it.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.aws.identity.ambient_files import config_file, credentials_file, section_name, sections
from dsops.endpoint import SERVICE_IDS, better_address, is_loopback, parse_address
from dsops.errors import ConfigUnreadable, Where

_SWITCHES = {
    "use_fips_endpoint": "AWS_USE_FIPS_ENDPOINT",
    "use_dualstack_endpoint": "AWS_USE_DUALSTACK_ENDPOINT",
    "ignore_configured_endpoint_urls": "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
}
_GENERAL = "AWS_ENDPOINT_URL"


def profile_endpoints(environ: Mapping[str, str], profile: str, folder: str) -> tuple[tuple[str, str], ...]:
    """Return the variables (name, value) for the profile's settings, without variables that are already set.

    Raises ConfigUnreadable for a file that can't be parsed, or for an unusable address.
    """
    paths = {"profile ": config_file(environ, folder), "": credentials_file(environ, folder)}
    files = {prefix: sections(path) for prefix, path in paths.items()}
    settings: dict[str, tuple[str, str]] = {}
    """The value of each setting, and the file that contains it."""
    for prefix, file_sections in files.items():
        for header, keys in file_sections.items():
            if section_name(header, prefix) == profile:
                settings.update({name: (value.strip(), paths[prefix]) for name, value in keys.items()})
    found_addresses = _addresses(environ, profile, settings, files["profile "], paths["profile "])
    switches = {
        variable: settings[name][0] for name, variable in _SWITCHES.items() if name in settings and settings[name][0]
    }
    return tuple([(name, value) for name, value in {**switches, **found_addresses}.items() if not environ.get(name)])


def _addresses(
    environ: Mapping[str, str],
    profile: str,
    settings: Mapping[str, tuple[str, str]],
    config: Mapping[str, Mapping[str, str]],
    path: str,
) -> dict[str, str]:
    """Return endpoint URLs by variable name; {} when AWS_ENDPOINT_URL is set, which overrides the profile."""
    if environ.get(_GENERAL):
        return {}
    addresses: dict[str, str] = {}
    general, file = settings.get("endpoint_url", ("", ""))
    if general:
        addresses[_GENERAL] = _checked(general, f"`endpoint_url` of profile `{profile}`", file)
    name, _ = settings.get("services", ("", ""))
    own = next((keys for header, keys in config.items() if section_name(header, "services ") == name), {})
    for service_id in SERVICE_IDS.values() if name else ():
        url = _nested(own.get(service_id.lower(), "")).get("endpoint_url", "")
        if url:
            setting = f"`{service_id.lower()}` of `[services {name}]`"
            addresses[f"{_GENERAL}_{service_id}"] = _checked(url, setting, path)
    return addresses


def _nested(text: str) -> dict[str, str]:
    """Parse the nested settings of a service: indented lines of `name = value`."""
    pairs = [line.partition("=") for line in text.splitlines()]
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}


def _checked(url: str, what: str, path: str) -> str:
    address = parse_address(url)
    if address is None:
        raise ConfigUnreadable(
            f"{what} is not an address that dsops can use", hint=f"write {better_address(url)}", where=Where(path)
        )
    if address.scheme == "http" and not is_loopback(address.host):
        raise ConfigUnreadable(
            f"{what} would send credentials unencrypted to {address.authority}",
            why="http:// is allowed for loopback addresses only",
            hint=f"write https://{address.host}",
            where=Where(path),
        )
    return url
