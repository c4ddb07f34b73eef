"""Which found configurations may run commands and use foreign addresses: those that the user has allowed as they are.

A file that was found by walking up is somebody's repository. What it may make dsops do without being asked ends where
it would run a program of its choice, or send credentials to a host of its choice. A variable such as LD_PRELOAD runs a
program of its choice too, whatever command the user gives, and AWS_ENDPOINT_URL or HTTPS_PROXY sends that command's
credentials to a host of its choice. `dsops allow` remembers a digest of
the paths and contents of all its files: any change asks anew, and so does a copy elsewhere, since a relative command
is another program there.

`dsops hook allow` keeps a list of its own: that entering a folder loads its environment into a shell is another thing.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping

from dsops.config.files import digest
from dsops.endpoint import is_aws_host, is_loopback, parse_address
from dsops.errors import ConfigError, FileNotWritten
from dsops.model import SourceFile
from dsops.schema import Settings, StoreType

RUNNING = "allowed"
"""The list of configurations that may run commands and name endpoints, by the name of its file."""
HOOKED = "hooked"
"""The list of those whose environment a shell's hook may load."""


def needs_permission(store_type: StoreType, settings: Settings) -> tuple[str, ...]:
    """The keys of a store that only an allowed or named configuration may have: commands and foreign addresses."""
    found: list[str] = []
    # What proves who somebody is travels as it is, and whoever gets it can use it; a signature is good for one host.
    is_bearer = any(name in settings for name in store_type.proof_keys)
    for key in store_type.keys:
        setting = settings.get(key.name)
        if setting is None:
            continue
        is_address = key.kind in ("url", "page") and isinstance(setting, str)
        if key.kind == "command" or (is_address and _is_foreign(str(setting), key.kind, is_bearer=is_bearer)):
            found.append(key.name)
    return tuple(found)


# What makes a loader, a shell, an interpreter, a tool or git run something else. No list of these is ever whole.
_RUNNING = frozenset(
    """
    PATH HOME USERPROFILE SHELL ZDOTDIR XDG_CONFIG_HOME XDG_CONFIG_DIRS XDG_DATA_HOME XDG_DATA_DIRS
    BASH_ENV ENV PROMPT_COMMAND PS4 IFS SHELLOPTS BASHOPTS INPUTRC GLIBC_TUNABLES GCONV_PATH LOCPATH
    PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONBREAKPOINT PYTHONUSERBASE
    NODE_OPTIONS NODE_PATH PERL5OPT PERL5LIB PERLLIB PERL5DB RUBYOPT RUBYLIB PHPRC PHP_INI_SCAN_DIR
    BUNDLE_GEMFILE GEM_HOME GEM_PATH LUA_INIT LUA_PATH LUA_CPATH ERL_FLAGS ERL_AFLAGS ERL_ZFLAGS
    JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS JAVA_OPTS MAVEN_OPTS GRADLE_OPTS SBT_OPTS CLASSPATH
    R_PROFILE R_PROFILE_USER DOTNET_STARTUP_HOOKS GOFLAGS RUSTC RUSTC_WRAPPER CARGO_HOME MAKEFLAGS MAKEFILES
    EDITOR VISUAL PAGER MANPAGER BROWSER LESSOPEN LESSCLOSE VIMINIT EXINIT SSH_ASKPASS SUDO_ASKPASS
    GIT_SSH GIT_SSH_COMMAND GIT_ASKPASS GIT_EDITOR GIT_SEQUENCE_EDITOR GIT_PAGER GIT_EXTERNAL_DIFF GIT_EXEC_PATH
    GIT_PROXY_COMMAND GIT_TEMPLATE_DIR GIT_DIR
    LESS LESSKEY TAR_OPTIONS RSYNC_RSH CVS_RSH SVN_SSH HGRCPATH PSQLRC GNUPGHOME PYTHONWARNINGS GOENV GOROOT GOTOOLCHAIN
    RIPGREP_CONFIG_PATH FZF_DEFAULT_COMMAND FZF_DEFAULT_OPTS HELM_PLUGINS TERMINFO TERMCAP
    AWS_CONFIG_FILE AWS_SHARED_CREDENTIALS_FILE AWS_DATA_PATH KUBECONFIG DOCKER_CONFIG TF_CLI_CONFIG_FILE ANSIBLE_CONFIG
    OPENSSL_CONF OPENSSL_MODULES OPENSSL_ENGINES
    """.split()  # noqa: SIM905 (it is read as a table)
)
_RUNNING_BEGINNINGS = ("LD_", "DYLD_", "BASH_FUNC_", "GIT_CONFIG", "CORECLR_", "npm_config_", "NPM_CONFIG_")

_RUNNING_ENDS = ("_PAGER", "_EDITOR", "_BROWSER", "_ASKPASS", "_RUSTC_WRAPPER")
"""AWS_PAGER, KUBE_EDITOR, GH_BROWSER and the like name a command each."""

_RECORDING = frozenset({"XDG_STATE_HOME"})
"""A dsops that the command runs keeps its trail there; whether it keeps one is read below XDG_CONFIG_HOME and HOME."""

_SENDING = frozenset(
    """
    HTTP_PROXY HTTPS_PROXY ALL_PROXY FTP_PROXY AWS_EC2_METADATA_SERVICE_ENDPOINT DOCKER_HOST VAULT_ADDR
    AWS_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE NODE_EXTRA_CA_CERTS SSLKEYLOGFILE
    NODE_TLS_REJECT_UNAUTHORIZED PYTHONHTTPSVERIFY PIP_CONFIG_FILE PIP_INDEX_URL PIP_EXTRA_INDEX_URL
    CURL_HOME WGETRC GOPROXY GH_HOST
    """.split()  # noqa: SIM905 (the same)
)
"""What sends a command's requests, and the credentials in them, to another host, or has it believe one."""
_SENDING_BEGINNINGS = ("AWS_ENDPOINT_URL", "GIT_SSL_")


def steering(variable: str) -> str:
    """What an environment variable of that name decides for the command; "" for all that need no leave."""
    if variable in _RUNNING or variable.startswith(_RUNNING_BEGINNINGS) or variable.endswith(_RUNNING_ENDS):
        return "which code a command runs"
    if variable in _RECORDING:
        return "where a command's audit trail is"
    if variable.upper() in _SENDING or variable.startswith(_SENDING_BEGINNINGS):
        return "where a command's requests go"
    return ""


def is_allowed(files: tuple[SourceFile, ...], environ: Mapping[str, str], what: str = RUNNING) -> bool:
    """Whether the user has allowed these files with this content."""
    path = permissions_path(environ, what)
    if not path:
        return False
    wanted = _digest(files).encode()
    return any(line.split(b" ", 1)[0] == wanted for line in _read_lines(path))


def allow(files: tuple[SourceFile, ...], environ: Mapping[str, str], what: str = RUNNING) -> None:
    """Remembers these files as they are; what was allowed before stays, for those who switch branches.

    Raises ConfigError where there is no home folder to remember it in, FileNotWritten where it can't be remembered.
    """
    path = permissions_path(environ, what)
    if not path:
        raise ConfigError(
            "there is no folder to remember it in",
            why="neither XDG_DATA_HOME nor HOME is set",
            hint="name the file: --config" if what == RUNNING else "set HOME to your home folder",
        )
    if is_allowed(files, environ, what):
        return
    line = f"{_digest(files)} ".encode() + _quote(files[0].path) + b"\n"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        _append(path, line)
    except OSError as error:
        raise _not_written(path, error) from error
    if not is_allowed(files, environ, what):
        raise FileNotWritten(
            f"{path} can't be relied on",
            why="it belongs to another user, or others may write it",
            hint=f"remove it, or make it yours alone: chmod 600 {path}",
        )


def disallow(files: tuple[SourceFile, ...], environ: Mapping[str, str], what: str = RUNNING) -> bool:
    """Forgets every content that was allowed for the main file; whether there was any."""
    path = permissions_path(environ, what)
    lines = _read_lines(path) if path else []
    kept = [line for line in lines if line.split(b" ", 1)[-1] != _quote(files[0].path)]
    if len(kept) == len(lines):
        return False
    new = f"{path}.{os.getpid()}"
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"".join([line + b"\n" for line in kept]))
        os.replace(new, path)
    except OSError as error:
        raise _not_written(path, error) from error
    return True


def permissions_path(environ: Mapping[str, str], what: str = RUNNING) -> str:
    """The file of one list of what is allowed, by the XDG base directory specification; "" where there is no home."""
    data = environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(data):  # the specification: relative paths are to be ignored
        home = environ.get("HOME") or environ.get("USERPROFILE", "")
        data = os.path.join(home, ".local", "share") if os.path.isabs(home) else ""
    return os.path.join(data, "dsops", what) if data else ""


_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def _is_foreign(url: str, kind: str, *, is_bearer: bool) -> bool:
    """Whether somebody else may answer there: a port of this machine may be a container's."""
    address = parse_address(url)
    if address is None:
        return True
    if kind == "page":
        return not is_loopback(address.host)
    return not is_aws_host(address.host) and (is_bearer or not is_loopback(address.host))


def _digest(files: tuple[SourceFile, ...]) -> str:
    lines = sorted(b"%s %s\n" % (file.sha256.encode(), _quote(file.path)) for file in files)
    return digest(b"".join(lines))


def _quote(path: str) -> bytes:
    """The path on one line."""
    return os.fsencode(path).replace(b"\\", b"\\\\").replace(b"\n", b"\\n")


def _read_lines(path: str) -> list[bytes]:
    """The lines of the file; none where it isn't there, or where others could have written it."""
    try:
        # A pipe's other end may never come.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0))
        status = os.fstat(descriptor)
        is_ours = stat.S_ISREG(status.st_mode) and (not hasattr(os, "geteuid") or status.st_uid == os.geteuid())
        if not is_ours or (os.name == "posix" and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            os.close(descriptor)
            return []
        with os.fdopen(descriptor, "rb") as file:
            return file.read().splitlines()
    except OSError:
        return []


def _append(path: str, line: bytes) -> None:
    """One write of one line at the end: two processes don't lose each other's."""
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | _NO_FOLLOW, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        os.lseek(descriptor, max(size - 1, 0), os.SEEK_SET)
        if size and os.read(descriptor, 1) != b"\n":
            line = b"\n" + line  # a part of one, of a disk that was full
        if os.write(descriptor, line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        os.close(descriptor)


def _not_written(path: str, error: OSError) -> FileNotWritten:
    return FileNotWritten(f"{path} can't be written: {(error.strerror or 'unknown reason').lower()}")
