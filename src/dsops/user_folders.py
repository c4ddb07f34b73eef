"""The user's dsops folders (configuration, data and state), and paths in the form that messages show.

On Windows, settings are below %APPDATA%, and data and state below %LOCALAPPDATA%. Elsewhere the XDG base directory
specification applies, which says to ignore relative paths.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def home_folder(environ: "Mapping[str, str]", platform: str = sys.platform) -> str:
    """Return the user's home folder from HOME, or on Windows also from USERPROFILE; "" if neither is set."""
    return environ.get("HOME") or (environ.get("USERPROFILE", "") if platform == "win32" else "")


def shown_path(path: str, environ: "Mapping[str, str]", folder: str = "") -> str:
    """Return the path as messages show it: `~/...` in the home folder, relative to `folder` if that is shorter."""
    home = home_folder(environ).rstrip(_SEPARATORS)
    shown = f"~{path[len(home) :]}" if home and path.startswith(home) and path[len(home) :][:1] in _ENDS else path
    if len(folder) <= 1:
        return shown
    inner = path[len(folder) + 1 :]
    if path == f"{folder}/{inner}" and os.path.normpath(path) == path:
        return min(inner, shown, key=len)
    return min(os.path.relpath(path, folder), shown, key=len)


def with_tilde(text: str, environ: "Mapping[str, str]") -> str:
    """Return a message in which `~` replaces the home folder at the start of each path.

    The folder is replaced only where a shell would expand the `~`. A path before a line number (`FILE:3: message`) is
    not changed, because editors and CI systems open it.
    """
    home = home_folder(environ).rstrip(_SEPARATORS)
    if not home or home not in text:
        return text
    import re

    return re.sub(rf"(?:^|(?<=[\s`(])){re.escape(home)}(?=[/\s`).,:;]|$)(?!\S*:\d+:)", "~", text)


def config_folder(environ: "Mapping[str, str]", platform: str = sys.platform) -> str:
    """Return the folder of settings and stores, such as ~/.config/dsops; "" without a home folder."""
    return _folder(environ, platform, "APPDATA", "XDG_CONFIG_HOME", ".config")


def data_folder(environ: "Mapping[str, str]", platform: str = sys.platform) -> str:
    """Return the folder of permissions and of the keyring's list, such as ~/.local/share/dsops.

    Returns "" without a home folder.
    """
    return _folder(environ, platform, "LOCALAPPDATA", "XDG_DATA_HOME", ".local/share")


def state_folder(environ: "Mapping[str, str]", platform: str = sys.platform) -> str:
    """Return the folder of the audit trail and other state, such as ~/.local/state/dsops.

    Returns "" without a home folder.
    """
    return _folder(environ, platform, "LOCALAPPDATA", "XDG_STATE_HOME", ".local/state")


def _folder(environ: "Mapping[str, str]", platform: str, of_windows: str, of_xdg: str, below_home: str) -> str:
    if platform == "win32":
        folder = environ.get(of_windows, "")
        return f"{folder.rstrip(_SEPARATORS)}\\dsops" if folder[1:3] in (":\\", ":/") or folder[:2] == "\\\\" else ""
    folder = environ.get(of_xdg, "")
    if folder.startswith("/"):
        return f"{folder.rstrip('/')}/dsops"
    home = environ.get("HOME", "")
    return f"{home.rstrip('/')}/{below_home}/dsops" if home.startswith("/") else ""


_SEPARATORS = "\\/"
_ENDS = ("", *_SEPARATORS)
