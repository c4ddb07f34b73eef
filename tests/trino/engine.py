"""Starts a Trino in one Java process: a coordinator and workers, with tables in a local folder.

The server comes from Maven's artifacts (server/pom.xml), which are resolved once into ~/.m2. Trino needs a JDK of
version 25 or newer: the one of JAVA_HOME, or one in the system's folder of JDKs.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.children import Child
from tests.installed import OUTSIDE, ToolMissingError, installed, tool
from tests.stubs.authority import Authority, make_authority

SERVER = Path(__file__).parent / "server"
NEWEST_NEEDED = 25
"""The lowest major version of Java that Trino's classes accept."""
PASSWORD = "right"
JWT_KEY = b"0123456789abcdef" * 4
_JDK_FOLDERS = ("/usr/lib/jvm", "/opt/java", "/opt")
_START_SECONDS = 300
_END_SECONDS = 30
_FLAGS = (
    "-XX:+UseSerialGC",
    "-Duser.timezone=UTC",
    "--enable-native-access=ALL-UNNAMED",
    "--add-modules=jdk.incubator.vector",
)


_SHORT_FLAGS = ("-XX:TieredStopAtLevel=1",)
"""For a process that runs for a minute or two: the second compiler would only cost time."""


class Engine(NamedTuple):
    """A running Trino."""

    http: str
    """`HOST:PORT` without TLS, where each user name is accepted."""
    https: str
    """`HOST:PORT` with TLS, where a user needs a password, a JWT or a certificate."""
    authority: Authority
    """The signer of the server's certificate, and of the certificates that the server trusts."""
    tables: Path
    """The folder that the address `local:///` means."""
    temporary: Path
    """The folder of the server's temporary files."""
    process: Child[bytes]

    def address(self, user: str = "ada", catalog: str = "hive", schema: str = "default") -> str:
        """The value of `--engine` without TLS."""
        return f"trino+http://{user}@{self.http}/{catalog}/{schema}"


def java_home(environ: Mapping[str, str]) -> Path:
    """The folder of a JDK that is new enough. Raises ToolMissingError."""
    named = [Path(environ["JAVA_HOME"])] if environ.get("JAVA_HOME") else []
    found = [home for folder in _JDK_FOLDERS if os.path.isdir(folder) for home in sorted(Path(folder).iterdir())]
    for home in (*named, *found):
        if (home / "bin" / "javac").is_file() and _version(home) >= NEWEST_NEEDED:
            return home
    raise ToolMissingError(f"there is no JDK {NEWEST_NEEDED} here: set JAVA_HOME")


def _version(home: Path) -> int:
    """The major version of a JDK, from its file `release`; 0 if it has none."""
    try:
        text = (home / "release").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    match = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return int(match[1]) if match else 0


def server_command(environ: Mapping[str, str] = OUTSIDE) -> list[str]:
    """The command that starts the server, without its memory limit and arguments; installs it first.

    Raises ToolMissingError.
    """
    home = java_home(environ)
    commands = [
        [tool("mvn", environ), "--batch-mode", "--quiet", "dependency:build-classpath", "-Dmdep.outputFile=classpath"],
        ["sh", "-c", '"$JAVA_HOME/bin/javac" -classpath "$(cat classpath)" -d classes Engine.java'],
    ]
    sources = [SERVER / "pom.xml", SERVER / "Engine.java"]
    own = {**environ, "JAVA_HOME": str(home)}
    folder = installed("trino", sources, commands, own)
    classpath = (folder / "classpath").read_text(encoding="utf-8").strip()
    if not all(os.path.isfile(jar) for jar in classpath.split(os.pathsep)):
        # Maven's own folder was emptied since.
        shutil.rmtree(folder)
        folder = installed("trino", sources, commands, own)
        classpath = (folder / "classpath").read_text(encoding="utf-8").strip()
    return [str(home / "bin" / "java"), *_FLAGS, "-classpath", f"{folder / 'classes'}{os.pathsep}{classpath}", "Engine"]


@contextmanager
def running_engine(folder: Path, *, workers: int = 1, memory_mb: int = 1500, is_short: bool = True) -> Iterator[Engine]:
    """Start a server in an empty folder; end it afterwards, and remove its temporary files.

    `is_short` is for a server that runs for a minute or two. Raises ToolMissingError, and RuntimeError with its log.
    """
    java, *rest = server_command()
    authority = make_authority(folder)
    tables, temporary, addresses, log = (folder / name for name in ("tables", "temporary", "addresses", "log"))
    tables.mkdir()
    temporary.mkdir()
    settings = folder / "settings.properties"
    settings.write_text(_settings(folder, authority), encoding="utf-8")
    flags = [f"-Xmx{memory_mb}m", f"-Djava.io.tmpdir={temporary}", *(_SHORT_FLAGS if is_short else ())]
    command = [java, *flags, *rest, str(tables), str(workers), str(settings), str(addresses)]
    with log.open("wb") as output:
        process = Child(command, cwd=folder, stdin=subprocess.PIPE, stdout=output, stderr=output)
    try:
        _await(process, addresses, log)
        http, https = addresses.read_text(encoding="utf-8").split()
        yield Engine(http, https, authority, tables, temporary, process)
    finally:
        _end(process)
        shutil.rmtree(temporary)


def _settings(folder: Path, authority: Authority) -> str:
    """Further settings of the coordinator: TLS, and all three ways to authenticate there."""
    key = folder / "jwt.key"
    key.write_bytes(base64.b64encode(JWT_KEY))
    unused = folder / "password-authenticator.properties"
    unused.touch()
    values = {
        "http-server.https.enabled": "true",
        "http-server.https.port": "0",
        "http-server.https.keystore.path": authority.server_file("127.0.0.1", "localhost"),
        "http-server.https.truststore.path": authority.bundle,
        "http-server.authentication.type": "CERTIFICATE,JWT,PASSWORD",
        "http-server.authentication.jwt.key-file": key,
        "http-server.authentication.allow-insecure-over-http": "true",
        "password-authenticator.config-files": unused,
    }
    return "".join(f"{name}={value}\n" for name, value in values.items())


def _await(process: Child[bytes], addresses: Path, log: Path) -> None:
    """Wait until the server has written its addresses."""
    end = time.monotonic() + _START_SECONDS
    while not addresses.exists():
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"Trino did not start: {log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.1)


def _end(process: Child[bytes]) -> None:
    """End the server: it ends when its standard input is closed."""
    if process.stdin is not None and not process.stdin.closed:
        process.stdin.close()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_END_SECONDS)
