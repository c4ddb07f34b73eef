"""Fifty processes ask a cold node for fifty roles, while STS allows few calls: `python -m tests.throttled_node 2`."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from dsops.node.configuration import load_node_config
from dsops.node.issuer import NodeIssuer
from dsops.node.service import NodeService
from dsops.pipeline.configuration import read_config
from dsops.runtime import random_fraction, utc_now
from tests.children import SECONDS
from tests.fakes import make_runtime
from tests.nodes import Loop, RunningNode, StubIssuer
from tests.stubs.aws import assume_role_answer, sts_error
from tests.stubs.server import Answer, Seen, StubServer

ROLES = 50
_STORE = "  r{0}: {{type: aws.sts, region: us-east-1, role_arn: 'arn:aws:iam::111122223333:role/R{0}'}}\n"


class Outcome(NamedTuple):
    """What happened until all processes had a session."""

    succeeded: int
    accepted: int
    throttled: int
    seconds: float


class LimitedSts:
    """A stub of STS with a token bucket, which holds the tokens of one second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._tokens = rate
        self._filled_at = time.monotonic()
        self._lock = threading.Lock()
        self.accepted = 0
        self.throttled = 0

    def answer(self, _seen: Seen) -> Answer:
        """Issue a session, or refuse the call."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._rate, self._tokens + self._rate * (now - self._filled_at))
            self._filled_at = now
            if self._tokens < 1:
                self.throttled += 1
                return sts_error("Throttling", "Rate exceeded")
            self._tokens -= 1
            self.accepted += 1
        return assume_role_answer(expiration="2099-01-01T00:00:00Z", action="AssumeRole")


def run(folder: Path, rate: float, *, attempts: int = 40) -> Outcome:
    """Let each process ask for its session until it has it, with a pause of a second after an error."""
    sts = LimitedSts(rate)
    with StubServer(sts.answer) as server:
        (folder / "dsops.yaml").write_text("secretStores:\n" + "".join(_STORE.format(n) for n in range(ROLES)))
        stores = ", ".join(f"r{number}" for number in range(ROLES))
        text = (
            f"tokens: tokens\nlisten: ['127.0.0.1:0']\nworkloads:\n  web: {{uid: {os.geteuid()}, stores: [{stores}]}}\n"
        )
        (folder / "node.yaml").write_text(text)
        (folder / "node.yaml").chmod(0o600)
        environ = {
            "HOME": str(folder),
            "AWS_ENDPOINT_URL": server.url,
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00",
            "AWS_SECRET_ACCESS_KEY": "hush",
        }
        runtime = make_runtime(environ, now=utc_now, random=random_fraction, folder=str(folder))
        issuer = NodeIssuer(read_config(runtime, str(folder / "dsops.yaml")), runtime)
        service = NodeService(load_node_config(str(folder / "node.yaml")), issuer, runtime)
        node, loop = RunningNode(service, StubIssuer(), runtime.report, folder), Loop(service.attendants)  # type: ignore[arg-type]
        begun = time.monotonic()
        succeeded = sum(_together(lambda number: _ask(node, number, attempts)))
        seconds = time.monotonic() - begun
        loop.stop()
    return Outcome(succeeded, sts.accepted, sts.throttled, seconds)


def _ask(node: RunningNode, number: int, attempts: int) -> bool:
    for _ in range(attempts):
        if node.session("web", f"/credentials/r{number}").status == 200:
            return True
        time.sleep(1)
    return False


def _together(act: Callable[[int], bool]) -> list[bool]:
    results: list[bool] = []
    threads = [
        threading.Thread(target=lambda number=number: results.append(act(number)), daemon=True)
        for number in range(ROLES)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    return results


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        sys.stdout.write(f"{run(Path(name), float(sys.argv[1]) if sys.argv[1:] else 2.0)}\n")
