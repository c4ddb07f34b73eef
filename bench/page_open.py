"""What the sandbox's open page costs: frames a second, and calls a second with the page open and closed.

    .venv/bin/python -m bench.page_open        # needs chromium

Runs `dsops sandbox serve`, and replays one signed call that is denied. A browser shows the page or nothing, in turn.
Prints the time to the first answer, frames at 1,000 calls a second, the server's rate and CPU time for each call, and
the median of the ratios of neighbouring slices, in which the load of other programs counts little.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import monotonic, sleep
from urllib.request import urlopen

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.browser import Browser, browser

PAIRS, SECONDS, PACE, FRAME_SECONDS, STARTS = 40, 0.7, 1000, 15, 5
KEY, SECRET = "AKIAINVENTED00000001", "invented"
SEED = f"""accounts: {{"123456789012": {{users: {{carol: {{access_key_id: {KEY}, secret_access_key: {SECRET}}}}}}}}}"""
FRAMES = """(() => { const seen = globalThis.seen = { frames: 0, longest: 0, last: performance.now() };
  const frame = (now) => { seen.frames += 1; seen.longest = Math.max(seen.longest, now - seen.last); seen.last = now;
    requestAnimationFrame(frame); };
  requestAnimationFrame(frame); return 1; })()"""


class Server:
    """`dsops sandbox serve` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        seed = folder / "seed.yaml"
        seed.write_text(SEED, encoding="utf-8")
        begun = monotonic()
        words = [sys.executable, "-m", "dsops", "sandbox", "serve", "--port", "0", "--seed", str(seed)]
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        told, notes = self.process.stdout, self.process.stderr
        if told is None or notes is None:
            raise SystemExit("no output")
        self.url = told.readline().strip()
        with urlopen(f"{self.url}/_sandbox/health", timeout=60) as answer:
            answer.read()
        self.first_answer = monotonic() - begun
        self.link = ""
        while not self.link:
            self.link = "".join(re.findall(r"http://\S+#\S+", notes.readline()))

    @property
    def cpu(self) -> float:
        """CPU seconds of all threads, user and system."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text(encoding="utf-8").split()[0]) for each in threads) / 1e9

    def close(self) -> None:
        """End the server."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)


@contextmanager
def serving() -> Iterator[Server]:
    """A server that has answered."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            yield server
        finally:
            server.close()


def request_to(url: str) -> bytes:
    """Return the bytes of a signed call that the sandbox denies."""
    body = "Action=ListUsers&Version=2010-05-08"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    request = AWSRequest("POST", f"{url}/", data=body, headers=headers)
    SigV4Auth(Credentials(KEY, SECRET), "iam", "us-east-1").add_auth(request)
    host = url.removeprefix("http://")
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    head = "\r\n".join(["POST / HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *lines])
    return f"{head}\r\n\r\n{body}".encode()


def call(server: Server, seconds: float, pace: float = 0) -> tuple[float, float]:
    """Send the call again and again; return calls a second, and the server's CPU milliseconds for each."""
    request, host = request_to(server.url), server.url.removeprefix("http://").split(":")
    with socket.create_connection((host[0], int(host[1])), timeout=60) as connection:
        stream = connection.makefile("rb")
        begun, used, count = monotonic(), server.cpu, 0
        while (now := monotonic() - begun) < seconds:
            if pace and count >= now * pace:
                sleep(0.001)
                continue
            connection.sendall(request)
            status, length = stream.readline(), 0
            if b" 403 " not in status:
                raise SystemExit(status.decode())
            while (line := stream.readline().lower()) != b"\r\n":
                if line.startswith(b"content-length:"):
                    length = int(line.partition(b":")[2])
            stream.read(length)
            count += 1
        stream.close()
        return count / (monotonic() - begun), (server.cpu - used) / count * 1000


def show(page: Browser, url: str) -> None:
    """Open the sandbox's page, or an empty page."""
    page.open(url)
    if url != "about:blank":
        page.wait_for("document.querySelector('#status').innerText === 'connected'")


def print_frames(server: Server, page: Browser) -> None:
    """Print the frames a second of the open page at 1,000 calls a second."""
    page.value(FRAMES)
    rate, _ = call(server, FRAME_SECONDS, PACE)
    frames, longest = (float(str(page.value(f"seen.{name}"))) for name in ("frames", "longest"))
    print(f"{rate:.0f} calls/s: {frames / FRAME_SECONDS:.0f} frames/s, longest gap {longest:.0f} ms (goal 30 frames/s)")


def main() -> int:
    """Measure, and print."""
    starts = []
    for _ in range(STARTS):
        with serving() as server:
            starts.append(server.first_answer)
    print(f"first answer of `serve`: {median(starts):.2f} s (median of {STARTS}; goal 0.5 s)")
    closed, opened = [], []
    with serving() as server, tempfile.TemporaryDirectory() as folder, browser(Path(folder), has_scripts=True) as page:
        call(server, SECONDS)
        for _ in range(PAIRS):
            show(page, "about:blank")
            closed.append(call(server, SECONDS))
            show(page, server.link)
            opened.append(call(server, SECONDS))
        print_frames(server, page)
    for name, rounds in (("closed", closed), ("open", opened)):
        rate, used = (median(column) for column in zip(*rounds, strict=True))
        print(f"page {name}: {rate:.0f} calls/s, {used:.3f} ms of the server's CPU for each call")
    pairs = list(zip(opened, closed, strict=True))
    lost, more = (
        median(1 - ours[0] / base[0] for ours, base in pairs),
        median(ours[1] / base[1] for ours, base in pairs),
    )
    print(
        f"median of {PAIRS} pairs: with the page open, calls/s change by {-100 * lost:+.1f} % (goal: at least -10 %),"
    )
    print(f"and the server's CPU for each call changes by {100 * (more - 1):+.1f} % (goal: at most +10 %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
