"""The user's own configuration, ~/.config/dsops/config.yaml: the audit trail, and the backends of the keyring.

A repository can't change these settings: no dsops.yaml and no environment variable affects them, except variables
that name the user's folders. `dsops allow` flags a configuration that sets such a variable.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping as MappingOf

from dsops.document import Mapping, Node, Scalar, Sequence
from dsops.errors import Problem, UserConfigInvalid, Where, nearest
from dsops.input_file import read_file, reason
from dsops.startup import TYPE_CHECKING, NamedTuple
from dsops.user_folders import config_folder, state_folder

if TYPE_CHECKING:
    from dsops.audit.sinks import Sink

ON, OFF, REQUIRED = "on", "off", "required"
_MODES = (ON, OFF, REQUIRED)
_VALUES = ("mode", "file", "max_bytes", "max_days", "keep", "keep_days", "send_sandbox")
_SINKS = ("syslog", "otlp")
_KEYS = (*_VALUES, *_SINKS)
SETTINGS = ("audit", "keyring")
"""The top-level keys of the user's configuration."""

_NUMBERS = {"max_bytes": (4096, 1 << 40), "max_days": (1, 36_500), "keep": (1, 10_000), "keep_days": (1, 36_500)}
"""The minimum and the maximum value of each numeric setting."""
_MOST_BYTES = 1 << 16
_HAS_OWNERS = hasattr(os, "geteuid")
"""Whether files have an owner and permission bits; false on Windows."""


class TrailLimits(NamedTuple):
    """When a file is rotated, and how many rotated files are kept and for how long."""

    max_bytes: int = 10 * 1024 * 1024
    max_days: int = 31
    keep: int = 20
    keep_days: int = 400


class Settings(NamedTuple):
    """The user's settings. All except `keyring` are about the audit trail."""

    mode: str = ON
    file: str = ""
    """The path of the trail; empty if there is no home folder."""
    limits: TrailLimits = TrailLimits()
    sinks: tuple[Sink, ...] = ()
    """The receivers of the trail's lines."""
    sends_sandbox: bool = False
    """Whether the receivers also get lines about acts in a sandbox."""
    keyring: tuple[str, ...] = ()
    """The keyring backends for new entries, in the user's order; () if the user has set none."""


def load_settings(environ: MappingOf[str, str]) -> Settings:
    """Read the user's configuration; defaults without one. Raises UserConfigInvalid."""
    settings = default_settings(environ)
    path = user_config_path(environ)
    content = _read(path) if path else None
    if content is None:
        return settings
    data, mode = content
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid([Problem(Where(path), "", "the text is not UTF-8", "save the file as UTF-8")]) from error
    from dsops.document import parse_yaml

    document = parse_yaml(text, path)
    if document.problems:
        raise _invalid(list(document.problems))
    return settings if document.root is None else _Reader(path, mode, environ).read(document.root, settings)


def default_settings(environ: MappingOf[str, str]) -> Settings:
    """Return the settings without a configuration file: the trail is on."""
    return Settings(file=default_file(environ))


def user_config_path(environ: MappingOf[str, str]) -> str:
    """Return the path of the user's settings, such as ~/.config/dsops/config.yaml; "" without a home folder."""
    folder = config_folder(environ)
    return os.path.join(folder, "config.yaml") if folder else ""


def default_file(environ: MappingOf[str, str]) -> str:
    """Return the default path of the trail; "" without a home folder."""
    folder = state_folder(environ)
    return os.path.join(folder, "audit.jsonl") if folder else ""


def _read(path: str) -> tuple[bytes, int] | None:
    """Read the file's bytes and mode; None without a file. Raises UserConfigInvalid if other users may write it."""

    def check(status: os.stat_result) -> None:
        why = ""
        if not stat.S_ISREG(status.st_mode):
            why = "it is not a regular file"
        elif _HAS_OWNERS and status.st_uid not in (os.geteuid(), 0):
            why = "it belongs to another user"
        elif _HAS_OWNERS and status.st_mode & 0o022:
            why = "other users can write it"
        elif status.st_size > _MOST_BYTES:
            why = f"it has more than {_MOST_BYTES // 1024} KiB"
        if why:
            hint = f"make the file yours alone: `chmod 600 {path}`"
            raise UserConfigInvalid(f"{path} is not trusted", why=why, hint=hint)

    try:
        data, status = read_file(path, _MOST_BYTES, check=check)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UserConfigInvalid(
            f"{path} can't be read", why=reason(error), hint=f"give yourself read permission: `chmod u+r {path}`"
        ) from error
    return data, status.st_mode


def _invalid(problems: list[Problem]) -> UserConfigInvalid:
    count = len(problems)
    return UserConfigInvalid(
        f"your own configuration can't be used: it has {count} problem{'s' if count > 1 else ''}",
        problems=tuple(problems),
    )


class _Reader:
    """Checks every key of the configuration and collects the problems."""

    def __init__(self, path: str, mode: int, environ: MappingOf[str, str]) -> None:
        self._path = path
        self._mode = mode
        self._environ = environ
        self._problems: list[Problem] = []

    def read(self, root: Node, settings: Settings) -> Settings:
        """Parse the settings. Raises UserConfigInvalid with every problem."""
        if isinstance(root, Mapping):
            for key, node in root.entries:
                if key.text == "audit":
                    settings = self._audit(node, settings)
                elif key.text == "keyring":
                    settings = settings._replace(keyring=self._keyring(node))
                elif not self._is_of_dsops_yaml(key):
                    self._unknown(key, key.text, SETTINGS)
        elif not (isinstance(root, Scalar) and root.kind == "null"):
            self._add(root.line, "", "the file is not a mapping of keys", "it has one key: `audit: on`")
        if self._problems:
            raise _invalid(self._problems)
        return settings

    def _keyring(self, node: Node) -> tuple[str, ...]:
        from dsops.keyring.backend import parse_order

        items = node.items if isinstance(node, Sequence) else (node,)
        try:
            return parse_order([item.text if isinstance(item, Scalar) else "" for item in items])
        except ValueError as error:
            self._add(node.line, "keyring", str(error), "write for example `keyring: [desktop, pass, file]`")
            return ()

    def _audit(self, node: Node, settings: Settings) -> Settings:
        if isinstance(node, Scalar):
            return self._set(settings, "mode", node, "audit")
        if not isinstance(node, Mapping):
            self._add(node.line, "audit", "`audit` is on, off, required, or a mapping")
            return settings
        for key, value in node.entries:
            if key.text in _SINKS:
                settings = self._sink(settings, key.text, value)
            elif key.text in _VALUES:
                settings = self._set(settings, key.text, value, f"audit.{key.text}")
            else:
                self._unknown(key, f"audit.{key.text}", _KEYS)
        return settings

    def _sink(self, settings: Settings, kind: str, node: Node) -> Settings:
        from dsops.audit.sinks import read_sink

        sink = read_sink(kind, node, self._environ.get("HOME", ""), self._add)
        if sink is not None and sink.headers and self._mode & 0o077:
            message = "`headers` may be secret, and others may read this file"
            self._add(node.line, f"audit.{kind}.headers", message, f"run `chmod 600 {self._path}`")
        return settings if sink is None else settings._replace(sinks=(*settings.sinks, sink))

    def _set(self, settings: Settings, name: str, node: Node, path: str) -> Settings:
        if not isinstance(node, Scalar):
            self._add(node.line, path, f"`{name}` is one value")
            return settings
        text = node.text
        if name == "mode":
            if text.lower() in _MODES:
                return settings._replace(mode=text.lower())
            self._add(node.line, path, f"`{text}` is none of {', '.join(_MODES)}", _meant(text, _MODES))
        elif name == "send_sandbox":
            if text.lower() in (ON, OFF):
                return settings._replace(sends_sandbox=text.lower() == ON)
            self._add(node.line, path, f"`{text}` is none of {ON}, {OFF}")
        elif name == "file":
            file = self._file(node, path)
            return settings._replace(file=file) if file else settings
        else:
            least, most = _NUMBERS[name]
            if text.isascii() and text.isdigit() and len(text) <= len(str(most)) and least <= int(text) <= most:
                return settings._replace(limits=settings.limits._replace(**{name: int(text)}))
            self._add(node.line, path, f"`{name}` is a number from {least} to {most}")
        return settings

    def _file(self, node: Scalar, path: str) -> str:
        text = node.text
        home = self._environ.get("HOME", "")
        if text.startswith("~/") and home.startswith("/"):
            text = f"{home.rstrip('/')}/{text[2:]}"
        if not text.startswith("/") or text.endswith("/") or "\0" in text:
            self._add(node.line, path, "`file` is the path of a file, from `/` or `~/` on")
            return ""
        return os.path.normpath(text)

    def _is_of_dsops_yaml(self, key: Scalar) -> bool:
        """Whether the key belongs in dsops.yaml, which may be in the same folder; if so, adds a problem."""
        from dsops.config.layers import user_file
        from dsops.config.sections import meant_section
        from dsops.user_folders import shown_path

        section = meant_section(key.text)
        if section:
            file = shown_path(user_file(self._environ), self._environ)
            hint = (
                f"write it into {file} as `{section}:`; {os.path.basename(self._path)} is for {' and '.join(SETTINGS)}"
            )
            self._add(key.line, key.text, f"`{key.text}` is a key of dsops.yaml", hint)
        return bool(section)

    def _unknown(self, key: Scalar, path: str, known_keys: tuple[str, ...]) -> None:
        self._add(key.line, path, f"there is no key `{key.text}`", _meant(key.text, known_keys))

    def _add(self, line: int, path: str, message: str, hint: str = "") -> None:
        self._problems.append(Problem(Where(self._path, line), path, message, hint))


def _meant(word: str, known_words: tuple[str, ...]) -> str:
    meant = nearest(word, known_words)
    return f"did you mean `{meant}`?" if meant else f"there is {', '.join(known_words)}"
