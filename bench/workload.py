"""Measure the identities of a node: verification of tokens, and CreateSession of IAM Roles Anywhere.

    .venv/bin/python bench/workload.py

Everything runs in this process, without a network. CPU time, in microseconds for each. CreateSession is a cold
pipeline with the sandbox in this process; the sandbox's part is measured alone, and subtracted.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from cryptography.hazmat.primitives.asymmetric import ec

from dsops.cache import CredentialCache
from dsops.node.token_checks import KubernetesCheck
from tests.anywhere import ROOT, call
from tests.anywhere_in_memory import make_pipeline, store, write_files
from tests.certificates import RSA_KEY
from tests.unit.workload.test_identities import verifier_of
from tests.workload_tokens import NOW, TokenIssuer, pod_claims

COUNT = 2000
SESSIONS = 100


def microseconds(work: Callable[[int], object], count: int) -> float:
    """The CPU time of one call."""
    work(0)
    start = time.process_time()
    for number in range(count):
        work(number)
    return 1e6 * (time.process_time() - start) / count


def measure_tokens() -> None:
    """Verify many tokens once, one token many times, and tokens with a changed byte."""
    issuer = TokenIssuer()
    check = KubernetesCheck(verifier_of(issuer), "shop", "app")
    tokens = [issuer.sign(pod_claims(f"pod-{number}")).encode() for number in range(COUNT)]
    forged = [token[:-40] + bytes([token[-40] ^ 1]) + token[-39:] for token in tokens]
    if check.subject_of(tokens[0], NOW) is None or check.subject_of(forged[0], NOW) is not None:
        raise SystemExit("a token is judged wrongly, nothing is measured")
    for name, count in (
        ("token of Kubernetes, ES256, first use", microseconds(lambda n: check.subject_of(tokens[n], NOW), COUNT)),
        ("the same token again", microseconds(lambda _: check.subject_of(tokens[1], NOW), COUNT)),
        ("token with a wrong signature", microseconds(lambda n: check.subject_of(forged[n], NOW), COUNT)),
    ):
        print(f"{name:<40} {count:7.0f} us")


def measure_sessions(name: str, key: Any, folder: Path) -> None:  # Any: a private key
    """Create sessions with a certificate that has this key."""
    machine = ROOT.machine(key=key)
    write_files(folder, machine)
    pipeline, aws = make_pipeline()
    text = store(folder)

    def create(_number: int) -> None:
        pipeline.cache = CredentialCache(pipeline.clock)
        pipeline.credentials(text, "m")

    whole = microseconds(create, SESSIONS)
    request = call(machine).request()
    sandbox = microseconds(lambda _: aws.lab.sandbox.handle(request), SESSIONS)
    if len(aws.requests) < SESSIONS:
        raise SystemExit("a session came from a cache, nothing is measured")
    print(f"CreateSession, {name:<9} client and sandbox  {whole:7.0f} us; the sandbox alone {sandbox:7.0f} us")


def main() -> None:
    """Print the table."""
    measure_tokens()
    with tempfile.TemporaryDirectory() as folder:
        for name, key in (("P-256", ec.generate_private_key(ec.SECP256R1())), ("RSA 2048", RSA_KEY)):
            measure_sessions(name, key, Path(folder))


if __name__ == "__main__":
    main()
