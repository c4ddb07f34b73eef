"""Stubs of STS and Secrets Manager on loopback for command-line tests, and `dsops` as a real process."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.children import Child
from tests.own_agent import ask_agent
from tests.permission import allow_found
from tests.stubs.aws import STS_NAMESPACE, assume_role_answer, json_answer, json_error, parameters_of, sts_error
from tests.stubs.server import Answer, Seen, StubServer

CONFIG = """\
version: 1
secretStores:
  target:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Target
    role_session_name: test
    external_id: the-external-id
  secrets:
    type: aws.secretsmanager
    region: us-east-1
    credentials_from: target
envs:
  production:
    TOKEN: {from: {store: secrets, key: prod/token}}
    PLAIN: {literal: info}
  plain:
    PLAIN: {literal: info}
  keys:
    AWS_ACCESS_KEY_ID: {from: "target:access_key_id"}
    AWS_SECRET_ACCESS_KEY: {from: "target:secret_access_key"}
    AWS_SESSION_TOKEN: {from: "target:session_token"}
  odd:
    EMPTY: {from: {store: secrets, key: prod/empty}}
    BINARY: {from: {store: secrets, key: prod/binary}}
    QUOTED: {from: {store: secrets, key: prod/quoted}}
  broken:
    NUL: {from: {store: secrets, key: prod/nul}}
  missing:
    PRESENT: {from: {store: secrets, key: prod/token}}
    ABSENT: {from: {store: secrets, key: prod/absent}}
    OPTIONAL: {from: {store: secrets, key: prod/absent}, optional: true}
  optional:
    OPTIONAL: {from: {store: secrets, key: prod/absent}, optional: true}
    PRESENT: {from: {store: secrets, key: prod/token}}
"""

LAUNCHER = os.environ.get("DSOPS_TESTS_LAUNCHER")
PROGRAM = (
    [LAUNCHER] if LAUNCHER else [sys.executable, "-c", "import sys; from dsops.__main__ import main; sys.exit(main())"]
)
"""How tests start the program: as this checkout's Python, or by the native launcher (tests/launcher)."""

QUOTED = 'it\'s "$HOME" `id` \\ \n end'

SECRETS: Mapping[str, Mapping[str, object]] = {
    "prod/token": {"SecretString": "hush-token"},
    "prod/empty": {"SecretString": ""},
    "prod/binary": {"SecretBinary": "/v8B"},
    "prod/quoted": {"SecretString": QUOTED},
    "prod/nul": {"SecretString": "hush\0nul"},
}
BINARY = b"\xfe\xff\x01"


class StubAws:
    """A stub server for STS and Secrets Manager; with `denies` it refuses AssumeRole."""

    def __init__(self, *, denies: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self.denies = denies
        self.wrong_codes: set[str] = set()
        self.server_name = ""
        """The value of the stub's `Server` response header; empty for none."""
        self.server = StubServer(self._named_answer, tls=tls)

    def __enter__(self) -> Self:
        self.server.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.__exit__()

    @property
    def calls(self) -> list[str]:
        """The AWS actions that clients called, in order."""
        return [_action(seen) for seen in self.server.seen if seen.method != "GET"]

    def _named_answer(self, seen: Seen) -> Answer:
        answer = self._answer(seen)
        named = (("Server", self.server_name),) if self.server_name else ()
        return answer._replace(headers=(*answer.headers, *named))

    def _answer(self, seen: Seen) -> Answer:
        if seen.method == "GET":
            # Requests without credentials probe whether the server answers, and read its clock.
            return Answer(status=404)
        action = _action(seen)
        if action in {"AssumeRole", "GetSessionToken"}:
            message = self._why_not(seen)
            given = assume_role_answer(expiration="2099-01-01T00:00:00Z", action=action)
            return sts_error("AccessDenied", message) if message else given
        if action == "GetCallerIdentity":
            return Answer(
                body=f"""<GetCallerIdentityResponse xmlns="{STS_NAMESPACE}"><GetCallerIdentityResult>
                <Arn>arn:aws:iam::111122223333:user/ada</Arn><UserId>AIDAEXAMPLE</UserId>
                <Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>""".encode(),
                headers=(("Content-Type", "text/xml"),),
            )
        name = json.loads(seen.body)["SecretId"]
        if name not in SECRETS:
            return json_error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        arn = f"arn:aws:secretsmanager:us-east-1:111122223333:secret:{name}-AbCdEf"
        return json_answer({"ARN": arn, "Name": name, "VersionId": "v1", **SECRETS[name]})

    def _why_not(self, seen: Seen) -> str:
        if self.denies:
            return "User: arn:aws:iam::111122223333:user/ada is not authorized to perform: sts:AssumeRole"
        if parameters_of(seen).get("TokenCode") in self.wrong_codes:
            return "MultiFactorAuthentication failed with invalid MFA one time pass code. "
        return ""


def _action(seen: Seen) -> str:
    target = seen.header("X-Amz-Target")
    return target.rpartition(".")[2] if target else parameters_of(seen)["Action"]


class Dsops:
    """The real program as a process in its own folder, with long-term keys and a configuration."""

    def __init__(self, folder: Path, aws: StubAws | None = None) -> None:
        self.folder = folder
        self.allows = True
        """Whether `run` allows the configuration (`dsops allow`) before each run."""
        (folder / "dsops.yaml").write_text(CONFIG)
        self.environ = {
            "PATH": os.environ["PATH"],
            "DSOPS_AGENT": "off",
            "HOME": os.environ["HOME"],
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE01",
            "AWS_SECRET_ACCESS_KEY": "hush-base-key",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        if aws is not None:
            self.environ["AWS_ENDPOINT_URL"] = aws.server.url

    def command(self, *words: str) -> list[str]:
        """The command line that starts the program."""
        if self.allows:
            allow_found(self.folder, self.environ)
        return [*PROGRAM, *words]

    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[bytes]:
        """Run the program to its end, without a terminal."""
        return subprocess.run(
            self.command(*words),
            cwd=self.folder,
            env={**self.environ, **environ},
            capture_output=True,
            check=False,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
        )


class Agent(Dsops):
    """The program with its own agent, which starts on demand and ends with the block."""

    def __init__(self, folder: Path, aws: StubAws | None = None) -> None:
        super().__init__(folder, aws)
        # pytest's folder names can be longer than the maximum length of a Unix socket path.
        self.sockets = tempfile.mkdtemp(prefix="dsops-")
        self.environ["XDG_RUNTIME_DIR"] = self.sockets
        del self.environ["DSOPS_AGENT"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ask("stop")
        # The agent may still be deleting its own files.
        shutil.rmtree(self.sockets, ignore_errors=True)

    def ask(self, word: str) -> bytes:
        """What `dsops agent WORD` prints, for the words `stop` and `metrics`; nothing without an agent."""
        if LAUNCHER:
            return self.run("agent", word).stdout
        return b"".join(ask_agent(self.environ, word))

    def status(self) -> dict[str, Any]:
        """The JSON of `dsops agent status`."""
        answer: dict[str, Any] = json.loads(self.run("agent", "status", "--json", "--sandbox").stdout)
        return answer

    def start(self, *words: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start the program without a terminal, and don't wait for it."""
        return Child(
            self.command(*words),
            cwd=self.folder,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            stdin=subprocess.DEVNULL,
        )
