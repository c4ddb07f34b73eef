"""Benchmark of the sandbox over HTTP beside moto's own server: requests per second, start, memory.

Servers and the sender (`load.py`) are separate processes on loopback, not pinned to cores. Both servers get the same
bytes, signed beforehand by botocore: the sandbox checks signatures, moto does not. They are measured in turn; medians
and ratios within one run count.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import IO, TYPE_CHECKING, NamedTuple, cast

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from bench.run import DSOPS, machine  # noqa: E402 - the folder above is on the path only now
from tests.installed import ToolMissingError, installed  # noqa: E402
from tests.sandboxes import Keys, sign  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONNECTIONS = 16
HEALTH = "/_sandbox/health"
DISTINCT = 1000
STARTS = 9
SESSIONS = 100_000
# moto's server needs these beyond moto; its extra `server` names both.
SERVER_PACKAGES = ("flask==3.1.3", "flask-cors==6.0.5")
ALICE = Keys(access_key_id="AKIABENCHBENCHBENCH1", secret_access_key="bench" * 8)
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "User-Agent": "bench/1"}
JSON = {"Content-Type": "application/x-amz-json-1.1", "User-Agent": "bench/1"}
SEED = """\
accounts:
  "123456789012":
    users:
      alice:
        access_key_id: AKIABENCHBENCHBENCH1
        secret_access_key: benchbenchbenchbenchbenchbenchbenchbench
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}
    roles:
      Reader:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {AWS: "arn:aws:iam::123456789012:root"}
            Action: "sts:AssumeRole"
        policies:
        - Version: "2012-10-17"
          Statement:
            Effect: Allow
            Action: ["secretsmanager:GetSecretValue", "secretsmanager:CreateSecret"]
            Resource: "arn:aws:secretsmanager:*:123456789012:secret:bench/*"
"""


class Server(NamedTuple):
    """A process that serves on a port."""

    process: subprocess.Popen[str]
    port: int

    def resident_mb(self) -> float:
        """Its resident memory in megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def cpu_seconds(self) -> float:
        """Its CPU time with all threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Rate(NamedTuple):
    """A measured rate."""

    a_second: float
    server_us: float
    """The server's CPU time per request in microseconds."""
    strangers: float
    """The share of the machine that other programs used meanwhile; 1 is all of it."""


@contextmanager
def dsops_server(folder: Path, *more: str, environ: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The sandbox on a free port; `more` are additional options, `environ` additional variables."""
    command = [DSOPS, "sandbox", "serve", "--port", "0", "--seed", str(folder / "seed.yaml"), *more]
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(folder), **(environ or {})}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            address = cast("IO[str]", process.stdout).readline().strip()
            yield Server(process, int(address.rpartition(":")[2]))
        finally:
            process.terminate()


@contextmanager
def moto_server(packages: Path) -> Iterator[Server]:
    """moto's own server, as `moto_server -p PORT` starts it; `packages` has what it needs beyond moto."""
    port = free_port()
    environ = {**os.environ, "PYTHONPATH": str(packages)}
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            wait_for(port, "/moto-api/data.json")
            yield Server(process, port)
        finally:
            process.terminate()


@contextmanager
def answering() -> Iterator[int]:
    """The port of a server that only sends a fixed answer."""
    command = [sys.executable, str(HERE / "load.py"), "answer"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield int(cast("IO[str]", process.stdout).readline())
        cast("IO[str]", process.stdin).close()


def free_port() -> int:
    """A free port."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def wait_for(port: int, path: str) -> None:
    """Wait for the first status 200, at most twenty seconds."""
    for _ in range(400):
        try:
            if ask(port, "GET", path)[0] == 200:
                return
        except OSError:
            sleep(0.05)
    raise SystemExit(f"nothing answers at port {port}")


def ask(port: int, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and text of one answer."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


# --- requests ---------------------------------------------------------------------------------------------------


def assume_role(number: int) -> bytes:
    """The form of one AssumeRole, with a session name of its own."""
    role = "arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2FReader"
    return f"Action=AssumeRole&Version=2011-06-15&RoleArn={role}&RoleSessionName=session-{number}".encode()


def signed(keys: Keys, service: str, headers: dict[str, str], bodies: Sequence[bytes]) -> list[str]:
    """Complete signed HTTP requests."""
    requests = []
    for body in bodies:
        request = sign(keys, service, "us-east-1", "POST", "/", headers, body)
        lines = [f"{name}: {value}" for name, value in request.headers.items()]
        requests.append("\r\n".join(["POST / HTTP/1.1", *lines, "", body.decode()]))
    return requests


def send_one(port: int, keys: Keys, service: str, headers: dict[str, str], body: bytes) -> str:
    """The answer to one request, which must be 200."""
    request = sign(keys, service, "us-east-1", "POST", "/", headers, body)
    status, text = ask(port, "POST", "/", body, dict(request.headers))
    if status != 200:
        raise SystemExit(f"port {port} answered {status}: {text}")
    return text


def reader(port: int) -> Keys:
    """A session of the role that may read secrets."""
    text = send_one(port, ALICE, "sts", FORM, assume_role(0))
    found = {
        name: text.partition(f"<{name}>")[2].partition("<")[0]
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
    }
    return Keys.of(found)


# --- measurements ----------------------------------------------------------------------------------------------


def load(port: int, file: Path, *options: str) -> dict[str, float]:
    """The sender's counts; any status but 200 ends the benchmark."""
    command = [
        sys.executable,
        str(HERE / "load.py"),
        "send",
        str(port),
        str(file),
        "--connections",
        str(CONNECTIONS),
        *options,
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    counted = json.loads(done.stdout)
    if list(counted["statuses"]) != ["200"]:
        raise SystemExit(f"port {port} answered {counted['statuses']}")
    return cast("dict[str, float]", counted)


def rate(server: Server, file: Path, seconds: float) -> Rate:
    """The rate after half a second of warm-up."""
    load(server.port, file, "--seconds", "0.5")
    before, (busy, whole) = server.cpu_seconds(), machine_seconds()
    counted = load(server.port, file, "--seconds", str(seconds))
    used, (busy_now, whole_now) = server.cpu_seconds() - before, machine_seconds()
    strangers = busy_now - busy - used - counted["all_cpu_seconds"]
    answers = counted["answers"]
    return Rate(answers / counted["seconds"], 1e6 * used / answers, max(0, strangers / (whole_now - whole)))


def machine_seconds() -> tuple[float, float]:
    """CPU seconds of all cores since they started: used, and available."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = ticks[3] + ticks[4]
    return (sum(ticks) - idle) / os.sysconf("SC_CLK_TCK"), sum(ticks) / os.sysconf("SC_CLK_TCK")


def one_round(folder: Path, packages: Path | None, seconds: float, found: dict[str, list[Rate]]) -> None:
    """Start both servers and measure each kind of request at both in turn."""
    with ExitStack() as stack:
        servers = {"dsops": stack.enter_context(dsops_server(folder))}
        if packages is not None:
            servers["moto"] = stack.enter_context(moto_server(packages))
        keys = reader(servers["dsops"].port)
        create = json.dumps({"Name": "bench/db", "SecretString": "invented", "ClientRequestToken": "0" * 32}).encode()
        for server in servers.values():
            target = {"X-Amz-Target": "secretsmanager.CreateSecret"}
            send_one(server.port, keys, "secretsmanager", JSON | target, create)
        target = {"X-Amz-Target": "secretsmanager.GetSecretValue"}
        # Blanks make the requests different, so each has its own signature.
        bodies = [b'{"SecretId": "bench/db"%s}' % (b" " * number) for number in range(DISTINCT // 4)]
        kinds = {
            "GetSecretValue": signed(keys, "secretsmanager", JSON | target, bodies),
            "AssumeRole": signed(ALICE, "sts", FORM, [assume_role(number) for number in range(DISTINCT)]),
        }
        for kind, requests in kinds.items():
            file = folder / f"{kind}.json"
            file.write_text(json.dumps(requests))
            for name, server in servers.items():
                found.setdefault(f"{kind} {name}", []).append(rate(server, file, seconds))
    # Alone, since it writes records in the background.
    with dsops_server(folder, "--trail", str(folder / "trail")) as server:
        found.setdefault(WITH_TRAIL, []).append(rate(server, folder / "AssumeRole.json", seconds))


def ceiling(folder: Path) -> float:
    """Requests per second of the sender against a server that only answers."""
    with answering() as port:
        counted = load(port, folder / "AssumeRole.json", "--seconds", "2")
    return counted["answers"] / counted["seconds"]


def starts(folder: Path) -> list[tuple[float, float]]:
    """Seconds and CPU seconds from start to the first 200, after two runs that compile the bytecode."""
    taken = []
    for _ in range(STARTS + 2):
        begin = perf_counter()
        with dsops_server(folder) as server:
            wait_for(server.port, HEALTH)
            taken.append((perf_counter() - begin, server.cpu_seconds()))
    return taken[2:]


def memory(folder: Path, sessions: int) -> tuple[float, float]:
    """Resident megabytes at the first answer, and after this many AssumeRole requests."""
    with dsops_server(folder) as server:
        wait_for(server.port, HEALTH)
        before = server.resident_mb()
        file = folder / "AssumeRole.json"
        requests = signed(ALICE, "sts", FORM, [assume_role(number) for number in range(DISTINCT)])
        file.write_text(json.dumps(requests))
        load(server.port, file, "--total", str(sessions))
        return before, server.resident_mb()


# --- the table --------------------------------------------------------------------------------------------------

WITH_TRAIL = "AssumeRole dsops --trail"
PROMISED = {"AssumeRole": 5.0, "GetSecretValue": 0.9}


def rate_rows(found: dict[str, list[Rate]]) -> Iterator[tuple[str, str, str]]:
    """Rows for both kinds of request."""
    for kind, limit in PROMISED.items():
        for name in ("dsops", "moto"):
            rates = found.get(f"{kind} {name}", [])
            if rates:
                a_second = median(one.a_second for one in rates)
                cpu = median(one.server_us for one in rates)
                yield f"{kind}: {name}", f"{a_second:,.0f} a second, {cpu:,.0f} us CPU of the server each", ""
        pairs = list(zip(found[f"{kind} dsops"], found.get(f"{kind} moto", []), strict=False))
        if pairs:
            ratio = median(ours.a_second / theirs.a_second for ours, theirs in pairs)
            yield "  dsops / moto", f"{ratio:.1f} x", f"at least {limit:g} x"
            ratio = median(theirs.server_us / ours.server_us for ours, theirs in pairs)
            yield "  the same by CPU, whatever else the machine does", f"{ratio:.1f} x", ""
    pairs = list(zip(found[WITH_TRAIL], found["AssumeRole dsops"], strict=True))
    cpu = median(entry.server_us for entry in found[WITH_TRAIL])
    a_second = median(entry.a_second for entry in found[WITH_TRAIL])
    yield "AssumeRole: dsops with --trail", f"{a_second:,.0f} a second, {cpu:,.0f} us CPU of the server each", ""
    ratio = median(with_trail.server_us / without.server_us for with_trail, without in pairs)
    yield "  with --trail / without, by CPU", f"{ratio:.2f} x", "at most 1.15 x"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="measure the sandbox beside moto's own server")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--seconds", type=float, default=3, help="for how long each time (3)")
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="how many for the memory (100,000)")
    options = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", "packages", *SERVER_PACKAGES]
    packages: Path | None = None
    try:
        packages = installed("moto-server", [], [pip], os.environ) / "packages"
    except ToolMissingError as missing:
        print(f"without moto's server: {missing}", file=sys.stderr)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "seed.yaml").write_text(SEED)
        started = starts(folder)
        collected: dict[str, list[Rate]] = {}
        for _ in range(options.rounds):
            one_round(folder, packages, options.seconds, collected)
        most = ceiling(folder)
        before, after = memory(folder, options.sessions)
    fastest = max(one.a_second for rates in collected.values() for one in rates)
    start, start_cpu = (median(column) for column in zip(*started, strict=True))
    rows = [
        *rate_rows(collected),
        (
            "the sender of the requests, at a server that does nothing",
            f"{most:,.0f} a second",
            f"more than {fastest:,.0f}",
        ),
        ("from start to first answer", f"{start:.2f} s, {start_cpu:.2f} s of them CPU", "at most 1.5 s"),
        ("memory when it has started", f"{before:.1f} MB", ""),
        (f"  more after {options.sessions:,} AssumeRole over the wire", f"{after - before:.1f} MB", "at most 60 MB"),
    ]
    strangers = median(one.strangers for rates in collected.values() for one in rates)
    print(f"{machine()}; medians of {options.rounds} rounds, {CONNECTIONS} connections;")
    print(f"other programs took {strangers:.0%} of the machine while requests were counted\n")
    print("| | measured | promised |\n|---|---|---|")
    print("\n".join(f"| {name} | {value} | {limit} |" for name, value, limit in rows))


if __name__ == "__main__":
    main()
