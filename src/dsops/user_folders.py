"""The folders of dsops in the user's home: one for settings and stores, one for data, and one for state.

On Windows, settings are below %APPDATA%, and data and state below %LOCALAPPDATA%. Elsewhere the XDG base directory
specification applies, which says to ignore relative paths.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def home_folder(environ: "Mapping[str, str]", platform: str = sys.platform) -> str:
    """Return the user's home folder as the environment names it: HOME, on Windows also USERPROFILE; or ""."""
    return environ.get("HOME") or (environ.get("USERPROFILE", "") if platform == "win32" else "")


def config_folder(environ: "Mapping[str, str]", platform: str = sys.platform) -> str:
    """Return the folder of settings and stores, such as ~/.config/dsops; "" without a home folder."""
    return _folder(environ, platform, "APPDATA", "XDG_CONFIG_HOME", ".config")


def data_folder(environ: "Mapping[str, str]", platform: str = sys.platform) -> str:
    """Return the folder of permissions and lists, such as ~/.local/share/dsops; "" without a home folder."""
    return _folder(environ, platform, "LOCALAPPDATA", "XDG_DATA_HOME", ".local/share")


def state_folder(environ: "Mapping[str, str]", platform: str = sys.platform) -> str:
    """Return the folder of the audit trail and the like, such as ~/.local/state/dsops; "" without a home folder."""
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
