"""IAM Roles Anywhere with real processes: AWS's own credential helper against the sandbox, and dsops beside it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from dsops.aws.apis.rolesanywhere import CertificateSigner, signed_headers
from dsops.aws.http.wire import WireRequest
from dsops.endpoint import Endpoint
from tests.anywhere import ANCHOR, ANYWHERE_PROFILE, MACHINE, ROLE, ROOT, seed
from tests.anywhere_in_memory import store, write_files
from tests.certificates import RSA_KEY, Authority
from tests.clients.sdks import credential_helper
from tests.desk import Desk
from tests.installed import OUTSIDE, ToolMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dsops.testing.local_aws import LocalAws
    from tests.certificates import Holder

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform == "win32", reason="the helper needs a C compiler, and the agent POSIX"),
]


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return seed()


@pytest.fixture(scope="module")
def helper() -> str:
    """AWS's credential helper, compiled once."""
    try:
        return credential_helper(OUTSIDE)
    except ToolMissingError as missing:
        pytest.skip(str(missing))


def helper_words(helper: str, folder: Path, url: str, *more: str) -> list[str]:
    """The command line of `credential-process` for the files in the folder."""
    arns = ["--trust-anchor-arn", ANCHOR, "--profile-arn", ANYWHERE_PROFILE, "--role-arn", ROLE]
    files = ["--certificate", f"{folder}/machine.pem", "--private-key", f"{folder}/machine.key"]
    return [helper, "credential-process", *files, *arns, "--endpoint", url, "--region", "us-east-1", *more]


def run(words: list[str], **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program with a small environment."""
    return subprocess.run(
        words,
        env={"PATH": OUTSIDE.get("PATH", ""), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("holder", [MACHINE, ROOT.intermediate().machine(key=RSA_KEY)], ids=["ECDSA", "RSA and chain"])
def test_aws_own_helper_gets_a_session(helper: str, sandbox: LocalAws, tmp_path: Path, holder: Holder) -> None:
    """The real credential helper gets a session from the sandbox, and boto3 uses it as `credential_process`."""
    write_files(tmp_path, holder)
    more = ["--intermediates", f"{tmp_path}/chain.pem"] if holder.chain else []
    words = helper_words(helper, tmp_path, sandbox.url, *more)
    done = run(words)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert (printed["Version"], printed["AccessKeyId"][:4]) == (1, "ASIA")
    config = tmp_path / "config"
    config.write_text(f"[profile machine]\nregion = us-east-1\ncredential_process = {' '.join(words)}\n")
    code = (
        "import boto3; session = boto3.Session(profile_name='machine'); "
        f"print(session.client('sts', endpoint_url='{sandbox.url}').get_caller_identity()['Arn'])"
    )
    caller = run([sys.executable, "-c", code], AWS_CONFIG_FILE=str(config), HOME=str(tmp_path))
    assert caller.returncode == 0, caller.stderr
    number = f"{holder.certificate.serial_number:x}"
    assert caller.stdout.strip() == f"arn:aws:sts::111111111111:assumed-role/Deploy/{number}"


def test_aws_own_helper_is_refused(helper: str, sandbox: LocalAws, tmp_path: Path) -> None:
    """The helper prints the sandbox's error for a certificate of another CA, with AWS's code."""
    write_files(tmp_path, Authority.root().machine())
    done = run(helper_words(helper, tmp_path, sandbox.url))
    assert done.returncode != 0
    assert "AccessDeniedException: Untrusted signing certificate" in done.stdout + done.stderr


class _Recorder(BaseHTTPRequestHandler):
    """Records a request, and refuses it."""

    def __init__(self, seen: list[tuple[str, dict[str, str], bytes]], *arguments: Any) -> None:
        self._seen = seen
        super().__init__(*arguments)

    def do_POST(self) -> None:
        """Record the request."""
        body = self._body()
        self._seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(403)
        self.send_header("x-amzn-ErrorType", "AccessDeniedException")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def _body(self) -> bytes:
        """The body, which the helper sends in chunks."""
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class's name)
        """Print nothing."""


def test_dsops_signs_as_aws_own_helper(helper: str, tmp_path: Path) -> None:
    """For the helper's recorded request, dsops makes the same Authorization header, byte for byte.

    An RSA signature (PKCS #1 v1.5) is deterministic, so the same request at the same time has the same signature.
    """
    machine = ROOT.intermediate().machine(key=RSA_KEY)
    write_files(tmp_path, machine)
    seen: list[tuple[str, dict[str, str], bytes]] = []
    server = HTTPServer(("127.0.0.1", 0), partial(_Recorder, seen))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        run(helper_words(helper, tmp_path, url, "--intermediates", f"{tmp_path}/chain.pem"))
    finally:
        server.shutdown()
        thread.join(timeout=30)
        server.server_close()
    path, headers, body = seen[0]
    names = headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    given = tuple((name, headers[name]) for name in names if not name.startswith("x-amz-") and name != "host")

    async def sign(data: bytes) -> bytes:
        return RSA_KEY.sign(data, padding.PKCS1v15(), SHA256())

    signer = CertificateSigner(
        machine.certificate.public_bytes(Encoding.DER),
        tuple(each.public_bytes(Encoding.DER) for each in machine.chain),
        machine.certificate.serial_number,
        "AWS4-X509-RSA-SHA256",
        sign,
    )
    endpoint = Endpoint(url, "rolesanywhere", "us-east-1", "us-east-1", "rolesanywhere")
    request = WireRequest("POST", f"{url}{path}", given, body)
    ours = dict(asyncio.run(signed_headers(signer, endpoint, request, headers["x-amz-date"])))
    assert ours["Authorization"] == headers["authorization"]
    assert {name: value for name, value in ours.items() if name.startswith("x-amz-")} == {
        name: value for name, value in headers.items() if name.startswith("x-amz-")
    }


def test_the_helpers_sign_string_can_not_sign_a_request(helper: str, tmp_path: Path) -> None:
    """`sign-string` signs a fixed text, so dsops refuses it as `sign_process`, and its error says so."""
    write_files(tmp_path)
    words = [
        helper,
        "sign-string",
        "--private-key",
        f"{tmp_path}/machine.key",
        "--certificate",
        f"{tmp_path}/machine.pem",
    ]
    first, second = run([*words, "--format", "text"]), run([*words, "--format", "json"])
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert len(bytes.fromhex(second.stdout.strip().strip('"'))) > 60


SECRETS = """\
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: m}
envs:
  production: {SECRET: {from: {store: secrets, key: token}}}
"""


@pytest.fixture
def desk(sandbox: LocalAws, tmp_path: Path) -> Iterator[Desk]:
    """A machine with a certificate and no other credentials; its agent is stopped when the test ends."""
    write_files(tmp_path)
    with Desk(sandbox, tmp_path, "version: 1\n" + store(tmp_path) + SECRETS) as made:
        yield made


def calls(sandbox: LocalAws) -> list[str]:
    """The CreateSession calls that the sandbox recorded, with their error codes."""
    return [each.get("errorCode", "ok") for each in sandbox.events() if each["eventName"] == "CreateSession"]


def test_a_command_runs_with_the_session_of_a_certificate(desk: Desk, sandbox: LocalAws) -> None:
    """`exec` reads a secret with the session; the agent keeps the session for further runs."""
    for _ in range(2):
        done = desk.dsops("exec", "--env", "production", "--", "printenv", "SECRET")
        assert (done.returncode, done.stdout) == (0, "value\n"), done.stderr
    assert calls(sandbox) == ["ok"]
    shown = desk.dsops("whoami", "m")
    assert "assumed-role/Deploy/" in shown.stdout, shown.stderr
    plan = desk.dsops("plan", "--env", "production")
    assert "no base credentials: the certificate in " in plan.stdout
    assert f"CreateSession {ROLE}" in plan.stdout


def test_doctor_looks_at_the_certificate(desk: Desk, tmp_path: Path) -> None:
    """`doctor` warns before the certificate expires, and about a key that others can read."""
    write_files(tmp_path, ROOT.machine(valid=(-1, 3)))
    (tmp_path / "machine.key").chmod(0o604)
    found = json.loads(desk.dsops("doctor", "--json", "--env", "production").stdout)
    outcomes = {(check["code"], check["name"].partition(" (")[0]): check["status"] for check in found["checks"]}
    statuses = {code: status for (code, _), status in outcomes.items() if status != "ok"}
    assert (statuses["doctor.certificate"], statuses["doctor.file-mode"]) == ("warning", "warning")
    assert outcomes["doctor.store", "store m"] == "failed"


def test_explain_names_the_trust_policy(desk: Desk, sandbox: LocalAws, tmp_path: Path) -> None:
    """`explain` shows which statement of the trust policy refuses the certificate."""
    del sandbox
    write_files(tmp_path, Authority.root().machine())
    explained = desk.dsops("explain", "m")
    assert "Untrusted signing certificate" in explained.stdout + explained.stderr
