"""`dsops sandbox serve` as a process: its output, its limits, and how it ends."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import urlsplit

import boto3
import pytest

from dsops.sandbox.control.running_sandboxes import ask
from tests.children import Child

DSOPS = [sys.executable, "-c", "import sys; from dsops.cli import main; sys.exit(main())"]
HEALTH = b"GET /_sandbox/health HTTP/1.1\r\nHost: localhost\r\n\r\n"


def environment(folder: Path) -> dict[str, str]:
    """An environment without the user's variables, whose state files are in that folder."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
    }


@contextmanager
def serving(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a sandbox on a free port; yield its process and URL, and end it after the block."""
    with Child(
        [*DSOPS, "sandbox", "serve", "--port", "0", *words],
        env=environment(folder),
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def dsops(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a dsops command to its end."""
    return subprocess.run(
        [*DSOPS, *words], env=environment(folder), cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def connect(url: str) -> socket.socket:
    """A connection with a timeout of twenty seconds."""
    where = urlsplit(url)
    return socket.create_connection((where.hostname, where.port), timeout=20)


def whoami(url: str) -> str:
    """The ARN of the sandbox's default user, as boto3 reads it from STS."""
    given = ask(url, "identity")
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], region_name="us-east-1")
    arn: str = session.client("sts", endpoint_url=url).get_caller_identity()["Arn"]
    return arn


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_when_it_is_told_to(tmp_path: Path, how: signal.Signals) -> None:
    """Ctrl-C and `kill` end the server at once with exit code 0, even with connected clients.

    The server prints only its start message. Before it ends, it delivers the rest of its trail and removes its
    announcement.
    """
    with serving(tmp_path, "--trail", "trail") as (process, url), connect(url) as silent, connect(url) as halfway:
        halfway.sendall(HEALTH[:30])
        arn = whoami(url)
        assert ask(url, "health")["status"] == "ok"
        assert list((tmp_path / "dsops").iterdir())

        process.send_signal(how)
        _, told = process.communicate(timeout=60)

        assert process.returncode == 0
        started, link = told.splitlines()
        assert started == 'in another terminal: eval "$(dsops sandbox env)"; Ctrl-C ends it'
        assert link.startswith(f"its page, which shows why each call is allowed or denied: {url}/_sandbox/ui#")
        assert not list((tmp_path / "dsops").iterdir())
        assert silent.recv(1) == b""
        (file,) = (tmp_path / "trail").rglob("*.json.gz")
        (record,) = json.loads(gzip.decompress(file.read_bytes()))["Records"]
        assert record["userIdentity"]["arn"] == arn


def test_open_hands_the_pages_link_to_the_browser(tmp_path: Path) -> None:
    """`--open` starts the browser with an address without the token, which redirects it to the page's link."""
    browser = tmp_path / "browser"
    browser.write_text(
        f"""#!{sys.executable}
import http.client, pathlib, sys, urllib.parse
parts = urllib.parse.urlsplit(sys.argv[1])
connection = http.client.HTTPConnection(parts.netloc, timeout=60)
connection.request("GET", parts.path + "?" + parts.query)
location = connection.getresponse().getheader("Location")
told = pathlib.Path(__file__).with_name("opening")
told.write_text(sys.argv[1] + " " + location)
told.rename(told.with_name("opened"))
"""
    )
    browser.chmod(0o700)
    words = [*DSOPS, "sandbox", "serve", "--port", "0", "--open"]
    environ = {**environment(tmp_path), "BROWSER": f"{browser} %s"}
    with Child(words, env=environ, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            end = monotonic() + 60
            while not (tmp_path / "opened").exists():
                assert monotonic() < end, "the browser has not fetched the link"
                sleep(0.05)
            assert ask(url, "health")["status"] == "ok"
        finally:
            process.terminate()
            _, told = process.communicate(timeout=60)
    address, location = (tmp_path / "opened").read_text().split()
    assert location.startswith(f"{url}/_sandbox/ui#")
    assert location in told
    assert location.rpartition("#")[2] not in address
    assert "was not opened" not in told


def test_a_trail_that_can_not_be_written_starts_nothing(tmp_path: Path) -> None:
    """An unwritable trail, or `--data-events` without a trail, prevents the start."""
    (tmp_path / "file").write_text("no folder")

    refused = dsops(tmp_path, "sandbox", "serve", "--port", "0", "--trail", "file")
    without = dsops(tmp_path, "sandbox", "serve", "--port", "0", "--data-events")

    assert (refused.returncode, without.returncode) == (2, 2)
    assert "the trail can't be written to the folder ~/file" in refused.stderr
    assert "hint: add --trail DIR" in without.stderr


def test_a_thousand_connections_are_served(tmp_path: Path) -> None:
    """The server keeps a thousand connections open, even if the shell's limit was 256 descriptors."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2000:
        pytest.skip(f"this system lets a process have {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        with serving(tmp_path) as (_, url), ExitStack() as stack:
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2000), hard))
            connections = [stack.enter_context(connect(url)) for _ in range(1000)]
            for connection in connections:
                connection.sendall(HEALTH)
            assert {connection.recv(15) for connection in connections} == {b"HTTP/1.1 200 OK"}
            assert ask(url, "health")["status"] == "ok"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_two_sandboxes_know_nothing_of_each_other(tmp_path: Path) -> None:
    """Two sandboxes do not accept each other's keys; while both run, a command must select one with `--port`."""
    with serving(tmp_path) as (_, first), serving(tmp_path) as (_, second):
        assert first != second
        own, other = ask(first, "identity"), ask(second, "identity")
        assert own["AccessKeyId"] != other["AccessKeyId"]

        unclear = dsops(tmp_path, "sandbox", "env")
        ports = sorted(str(urlsplit(url).port) for url in (first, second))
        chosen = dsops(tmp_path, "sandbox", "env", "--port", str(urlsplit(second).port))

        assert unclear.returncode == 2
        assert "several sandboxes are running" in unclear.stderr
        assert all(f"--port {port}" in unclear.stderr for port in ports)
        assert f"AWS_ACCESS_KEY_ID={other['AccessKeyId']}" in chosen.stdout
        assert own["AccessKeyId"] not in chosen.stdout


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    """A port in use is an error with a hint, and the process that uses the port is not affected."""
    with serving(tmp_path) as (_, url):
        port = str(urlsplit(url).port)

        refused = dsops(tmp_path, "sandbox", "serve", "--port", port)

        assert refused.returncode == 2
        assert refused.stdout == ""
        assert f"the sandbox can't listen on 127.0.0.1:{port}" in refused.stderr
        assert "hint: choose another port with --port; 0 takes a free one" in refused.stderr
        assert ask(url, "health")["status"] == "ok"


def test_a_seed_with_errors_starts_nothing(tmp_path: Path) -> None:
    """All errors in a seed are reported at once with their lines, and no sandbox is started."""
    seed = tmp_path / "seed.yaml"
    seed.write_text(
        'accounts:\n  "1":\n    usres: {}\n  "111111111111":\n    roles:\n      R: {}\n    users:\n      "a b": {}\n'
        "    secrets: [1]\nregion: nowhere\n"
    )

    refused = dsops(tmp_path, "sandbox", "serve", "--port", "0", "--seed", str(seed))

    assert refused.returncode == 2
    assert refused.stdout == ""
    lines = sorted({int(line.split(":")[1]) for line in refused.stderr.split() if line.startswith(f"{seed}:")})
    assert lines == [2, 3, 6, 8, 9, 10]
