"""Reads the configuration file of a node, and reports all problems with their lines.

Only root or the user of this process may be able to write the file: it decides which process gets which session.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from ipaddress import ip_address
from typing import Final, NamedTuple

from dsops.config.problems import Problems
from dsops.document import Mapping, Node, Scalar, Sequence, parse_yaml
from dsops.errors import ConfigError, ConfigNotFound, ConfigUnreadable, Where
from dsops.input_file import read_file, reason
from dsops.node.accounts import group_id, user_id
from dsops.node.addresses import is_of_pods
from dsops.node.token_rules import TOKEN_KEYS, TokenRules
from dsops.node.workloads import PeerRule, SecretRule, TokenCheck, Workload

_KEYS: Final = ("config", "listen", "tokens", "metrics_port", "kubernetes", "spiffe", "workloads")
_WORKLOAD_KEYS: Final = ("uid", "gid", "unit", "cgroup", "token_owner", "stores", "secrets")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_UNIT: Final = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(?:service|scope)")
_MOST_BYTES: Final = 1 << 20
_UNIX: Final = "unix:"


class ListenAddress(NamedTuple):
    """Where the node listens: an IP address with a port, or a Unix socket."""

    address: str
    """The IP address; "" for a Unix socket."""
    port: int
    path: str
    """The absolute path of a Unix socket; "" for an IP address."""


class NodeConfig(NamedTuple):
    """The checked configuration of a node."""

    file: str
    config: str
    """The absolute path of the dsops.yaml with the stores."""
    listen: tuple[ListenAddress, ...]
    tokens: str
    """The absolute path of the folder for token files."""
    metrics_port: int | None
    """The port of 127.0.0.1 for metrics; None for no metrics."""
    workloads: tuple[Workload, ...]


def load_node_config(path: str, environ: MappingOf[str, str] | None = None) -> NodeConfig:
    """Read the file. Raises ConfigError with every problem. `environ` is for the keys of token issuers."""
    try:
        data, _ = read_file(path, _MOST_BYTES + 1, check=lambda status: require_trusted(path, status))
        text = data.decode()
    except FileNotFoundError as error:
        raise ConfigNotFound(f"there is no file {path}", hint="name the file of the node: --node FILE") from error
    except OSError as error:
        hint = "check the path and the mode of the file"
        raise ConfigUnreadable(f"{path} can't be read", why=reason(error), hint=hint) from error
    except UnicodeDecodeError as error:
        raise ConfigUnreadable(f"{path} can't be read", why="it is not UTF-8", hint="save the file as UTF-8") from error
    document = parse_yaml(text, path)
    problems = Problems()
    problems.extend(document.problems)
    config = _NodeReader(path, problems, environ or {}).read(document.root) if not document.problems else None
    problems.raise_any([path])
    if config is None:
        raise ConfigError(f"{path} can't be used: it is empty", hint="docs/how-to/node.md has an example")
    return config


def require_trusted(path: str, status: os.stat_result) -> None:
    """Raise ConfigError if another user than root and this process's own can write the file."""
    why = ""
    if status.st_uid not in {0, os.geteuid()}:
        why = f"it belongs to uid {status.st_uid}"
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        why = "other users can write it"
    if why:
        hint = f"make it root's: `chown root {path}` and `chmod go-w {path}`"
        raise ConfigError(f"{path} is not trusted", why=why, hint=hint)


class _NodeReader:
    """Checks every key of the file, and collects the problems."""

    def __init__(self, file: str, problems: Problems, environ: MappingOf[str, str]) -> None:
        self._file = file
        self._environ = environ
        self._folder = os.path.dirname(os.path.abspath(file))
        self._problems = problems

    def read(self, root: Node | None) -> NodeConfig | None:
        """Return the configuration; None if it is incomplete, with at least one problem."""
        if not isinstance(root, Mapping):
            self._add(root.line if root else 1, "", "the file is not a mapping of keys", "begin with `workloads:`")
            return None
        self._check_keys(root, _KEYS, "")
        self._rules = TokenRules(
            root, self._environ, lambda path, line, message, hint: self._add(line, path, message, hint)
        )
        workloads = self._workloads(root)
        return NodeConfig(
            self._file,
            self._path(root, "config", "dsops.yaml"),
            self._listen(root),
            self._path(root, "tokens", "/run/dsops-node/tokens"),
            self._number(root, "metrics_port", "metrics_port", 65_535),
            workloads,
        )

    def _workloads(self, root: Mapping) -> tuple[Workload, ...]:
        node = root.get("workloads")
        if not isinstance(node, Mapping) or not node.entries:
            self._add(root.line, "workloads", "there is no workload", "add one under `workloads:`")
            return ()
        return tuple(self._workload(key, value) for key, value in node.entries)

    def _workload(self, key: Scalar, node: Node) -> Workload:
        name, path = key.text, f"workloads.{key.text}"
        if not _NAME.fullmatch(name):
            self._add(key.line, path, "a name has letters, digits, `_`, `.` and `-`, and at most 64 characters")
        if not isinstance(node, Mapping):
            self._add(key.line, path, "a workload is a mapping", "it has keys such as `uid` and `stores`")
            node = Mapping((), key.line)
        self._check_keys(node, (*_WORKLOAD_KEYS, *TOKEN_KEYS), path)
        peer = self._peer(node, path)
        check = self._token_check(node, path)
        if check is None and peer == PeerRule():
            message = "nothing says which processes belong to the workload"
            self._add(key.line, path, message, f"add one of {', '.join((*PeerRule._fields, *TOKEN_KEYS))}")
        stores, secrets = self._texts(node, "stores", path), self._secrets(node, path)
        if not stores and secrets is None:
            self._add(key.line, path, "the workload gets nothing", "add `stores` or `secrets`")
        owner = self._id(node, "token_owner", path, user_id)
        if owner is None:
            owner = peer.uid if peer.uid is not None else 0
        return Workload(name, peer, check, owner, stores, secrets, Where(self._file, key.line))

    def _peer(self, node: Mapping, path: str) -> PeerRule:
        unit, cgroup = self._text(node, "unit", path), self._text(node, "cgroup", path)
        if unit and not _UNIT.fullmatch(unit):
            self._add(
                _line(node, "unit"), f"{path}.unit", "a unit ends with `.service` or `.scope`", "such as `web.service`"
            )
        if cgroup and (not cgroup.startswith("/") or cgroup.rstrip("/") == "" or ".." in cgroup.split("/")):
            self._add(_line(node, "cgroup"), f"{path}.cgroup", "a cgroup is an absolute path, and not `/`")
        uid = self._id(node, "uid", path, user_id)
        return PeerRule(uid, self._id(node, "gid", path, group_id), unit, cgroup.rstrip("/"))

    def _token_check(self, node: Mapping, path: str) -> TokenCheck | None:
        named = [name for name in TOKEN_KEYS if node.get(name) is not None]
        if len(named) > 1:
            self._add(node.line, path, f"a workload has only one of {', '.join(named)}", "make two workloads")
        value = node.get(named[0]) if named else None
        return None if value is None else self._rules.check(named[0], value, f"{path}.{named[0]}")

    def _secrets(self, node: Mapping, path: str) -> SecretRule | None:
        value = node.get("secrets")
        if value is None:
            return None
        path = f"{path}.secrets"
        if not isinstance(value, Mapping):
            self._add(value.line, path, "`secrets` is a mapping", "it has the keys `store` and `names`")
            return None
        self._check_keys(value, ("store", "names"), path)
        store, names = self._text(value, "store", path), self._texts(value, "names", path)
        if not store or not names:
            self._add(value.line, path, "`secrets` needs both `store` and `names`")
        return SecretRule(store, names)

    def _listen(self, root: Mapping) -> tuple[ListenAddress, ...]:
        texts = self._texts(root, "listen", "") or ("127.0.0.1:8484",)
        return tuple(self._address(text, root) for text in texts)

    def _address(self, text: str, root: Mapping) -> ListenAddress:
        if text.startswith(_UNIX):
            return ListenAddress("", 0, os.path.join(self._folder, text.removeprefix(_UNIX)))
        host, _, port = text.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        try:
            address = ip_address(host)
            is_local = address.is_loopback or is_of_pods(address)
        except ValueError:
            is_local = False
        if not is_local or not port.isdecimal() or int(port) > 65_535:
            hint = "such as 127.0.0.1:8484, 169.254.170.23:80 or unix:/run/dsops-node/node.sock"
            self._add(_line(root, "listen"), "listen", f"`{text}` is not an address of this machine alone", hint)
            return ListenAddress("127.0.0.1", 0, "")
        return ListenAddress(host, int(port), "")

    def _path(self, root: Mapping, key: str, default: str) -> str:
        return os.path.normpath(os.path.join(self._folder, self._text(root, key, "") or default))

    def _id(self, node: Mapping, key: str, path: str, find: Callable[[str], int | None]) -> int | None:
        """Return the id of the user or group that the value names, or None without a value."""
        text = self._text(node, key, path)
        if not text:
            return None
        found = find(text)
        if found is None:
            self._add(
                _line(node, key), f"{path}.{key}", f"there is no account `{text}`", "write its number, or its name"
            )
        return found

    def _number(self, node: Mapping, key: str, path: str, most: int) -> int | None:
        text = self._text(node, key, "")
        if not text:
            return None
        if not text.isdecimal() or int(text) > most:
            self._add(_line(node, key), path, f"`{key}` is a number up to {most}")
            return None
        return int(text)

    def _text(self, node: Mapping, key: str, path: str) -> str:
        value = node.get(key)
        if value is None:
            return ""
        if not isinstance(value, Scalar) or not value.text or value.kind == "null":
            self._add(value.line, f"{path}.{key}".lstrip("."), f"`{key}` is one value")
            return ""
        return value.text

    def _texts(self, node: Mapping, key: str, path: str) -> tuple[str, ...]:
        """Return a list of texts; one value counts as a list of one."""
        value = node.get(key)
        items = value.items if isinstance(value, Sequence) else () if value is None else (value,)
        texts = tuple(item.text for item in items if isinstance(item, Scalar) and item.text and item.kind != "null")
        if len(texts) < len(items) or (value is not None and not texts):
            self._add(_line(node, key), f"{path}.{key}".lstrip("."), f"`{key}` is a list of texts")
        return texts

    def _check_keys(self, node: Mapping, known: tuple[str, ...], path: str) -> None:
        for key, _ in node.entries:
            if key.text not in known:
                where = Where(self._file, key.line)
                message = f"there is no key `{key.text}` here"
                self._problems.add(where, f"{path}.{key.text}".lstrip("."), message, word=key.text, known_words=known)

    def _add(self, line: int, path: str, message: str, hint: str = "") -> None:
        self._problems.add(Where(self._file, line), path, message, hint)


def _line(node: Mapping, key: str) -> int:
    value = node.get(key)
    return value.line if value is not None else node.line
