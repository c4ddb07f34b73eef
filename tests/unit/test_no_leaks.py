"""No output of dsops contains a secret: recognisable values are planted as every kind of secret.

Real processes run against a server that answers correctly, incorrectly and maliciously. The tests search both
streams, all files left behind, the arguments of all started processes, and the environment of those that need no
secret.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.groups import one_in
from tests.permission import allow_found
from tests.stubs.aws import assume_role_answer, json_answer, json_error, parameters_of, sts_error
from tests.stubs.server import Answer, Seen, StubServer

SAML = """<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:a="urn:oasis:names:tc:SAML:2.0:assertion"
 ><a:Assertion><a:AttributeStatement><a:Attribute Name="https://aws.amazon.com/SAML/Attributes/Role"><a:AttributeValue
 >arn:aws:iam::111122223333:role/Company,arn:aws:iam::111122223333:saml-provider/Idp</a:AttributeValue></a:Attribute
 ></a:AttributeStatement></a:Assertion><!-- PLANTEDsaml19 --></p:Response>"""
PLANTED = {
    "base key": "PLANTEDbase/key+1",
    "base token": "PLANTEDbase/token+2==",
    "session key": "PLANTEDsession/key+3",
    "session token": "PLANTEDsession/token+4==",
    "external ID": "PLANTED:external-id/5",
    "MFA code": "493817",
    "code of a process": "618204",
    "text": "PLANTED secret 'text' 6",
    "JSON field": "PLANTEDfield7",
    "JSON key": "PLANTED-key-sk_live_51H8xyz9081726354098172",
    "broken JSON": "PLANTEDbroken8",
    "binary": "PLANTEDbinary9",
    "parameter": "PLANTEDparameter10",
    "password of a proxy": "PLANTEDproxy11",
    "literal": "PLANTEDliteral12",
    "default": "PLANTEDdefault13",
    "value of a literal store": "PLANTEDvalue14",
    "variable of an env store": "PLANTEDvariable15",
    "key of a profile": "PLANTEDprofile/key+16",
    "web identity token": "PLANTEDhead17.eyJpc3MiOiJodHRwczovL2kuZXhhbXBsZSIsInN1YiI6InMiLCJhdWQiOiJhIn0.PLANTEDsign17",
    "token of a job": "PLANTEDjob18",
    "SAML response": b64encode(SAML.encode()).decode(),
    "word of a context provider": "PLANTEDcontext20",
}

PROFILE_KEY = PLANTED["key of a profile"]
PROXY = f"ada:{PLANTED['password of a proxy']}@127.0.0.1"

CONFIG = """
version: 1
secretStores:
  jump: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111122223333:role/Jump", role_session_name: jump}
  target:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::444455556666:role/Target
    role_session_name: target
    external_id: ${EXTERNAL_ID}
    credentials_from: jump
  mfa:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Mfa
    role_session_name: mfa
    serial_number: arn:aws:iam::111122223333:mfa/ada
    token_code: ${MFA_TOKEN}
  process:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Process
    role_session_name: process
    serial_number: arn:aws:iam::111122223333:mfa/bob
    mfa_process: ./code.sh
  federated:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Federated
    role_session_name: federated
    web_identity_token: ${ID_TOKEN}
  job: {extends: federated, web_identity_token: null, web_identity: github}
  printed: {extends: federated, web_identity_token: null, web_identity_process: ./token.sh}
  company: {type: aws.sts, region: us-east-1, saml_process: ./response.sh}
  known:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111122223333:role/Known
    provided_contexts: {"arn:aws:iam::aws:contextProvider/IdentityCenter": "${CONTEXT}"}
  guest: {type: aws.sts, region: us-east-1, federated_user_name: guest}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: target}
  parameters: {type: aws.ssm, region: us-east-1, credentials_from: target}
  profiled: {type: aws.secretsmanager, region: us-east-1, profile: work}
  values: {type: literal, values: {one: "PLANTEDvalue14"}}
  variables: {type: env}
envs:
  good:
    TEXT: {from: "secrets:text"}
    FIELD: {from: {store: secrets, key: json, field: password}}
    BINARY: {from: "secrets:binary"}
    PARAMETER: {from: "parameters:/p"}
    LITERAL: {literal: "PLANTEDliteral12"}
    DEFAULT: {from: "secrets:absent", default: "PLANTEDdefault13"}
    VALUE: {from: "values:one"}
    VARIABLE: {from: "variables:PLANTED_VARIABLE"}
    SESSION: {from: "target:credentials"}
  codes:
    ONE: {from: "mfa:access_key_id"}
    TWO: {from: "process:access_key_id"}
  tokens:
    TEXT: {from: "federated:access_key_id"}
    JOB: {from: "job:access_key_id"}
    PRINTED: {from: "printed:access_key_id"}
    COMPANY: {from: "company:access_key_id"}
  contexts:
    KNOWN: {from: "known:access_key_id"}
  profile:
    TEXT: {from: "profiled:text"}
  bad:
    NO_JSON: {from: {store: secrets, key: text, field: password}}
    NO_FIELD: {from: {store: secrets, key: json, field: passwort}}
    NO_KEY: {from: {store: secrets, key: keys, field: passwort}}
    BROKEN: {from: {store: secrets, key: broken, field: a}}
    NO_LIST: {from: {store: secrets, key: json, field: "password[0].x"}}
    NO_BASE64: {from: "secrets:text", transform: base64_decode}
    NO_JSON_EITHER: {from: "secrets:text", transform: "json_extract:.a"}
    NO_YAML: {from: "secrets:broken", transform: "yaml_extract:.a"}
    NO_YAML_FIELD: {from: "secrets:yaml", transform: "yaml_extract:.b"}
    NUL_AS_FIELD: {from: {store: secrets, key: nul, field: x}}
    SURROGATE: {from: "secrets:surrogate"}
    NO_VALUE: {from: "secrets:empty-answer"}
    NO_BINARY: {from: "secrets:bad-binary"}
    NUMBER: {from: "secrets:number"}
    DENIED: {from: "secrets:denied"}
    DELETED: {from: "secrets:deleted"}
    NO_PARAMETER: {from: "parameters:/absent"}
    NO_VARIABLE: {from: "variables:absent"}
    NO_LITERAL: {from: "values:two"}
    NO_LITERAL_FIELD: {from: {store: values, key: one, field: x}}
    LITERAL_NO_JSON: {literal: "PLANTEDliteral12", transform: "json_extract:.a"}
  nul:
    NUL: {from: "secrets:nul"}
  encoding:
    LONE: {from: {store: secrets, key: json, field: lone}}
    HALF: {from: "secrets:binary-bytes"}
"""

BROKEN = f"""{{"a": "{PLANTED["broken JSON"]}", *{PLANTED["broken JSON"]}\t: ["""

SECRETS: Mapping[str, Mapping[str, object]] = {
    "text": {"SecretString": PLANTED["text"]},
    "json": {"SecretString": json.dumps({"password": PLANTED["JSON field"], "lone": f"\ud800{PLANTED['text']}"})},
    "keys": {"SecretString": json.dumps({PLANTED["JSON key"]: 1, "password": 2})},
    "broken": {"SecretString": BROKEN},
    "yaml": {"SecretString": f"{PLANTED['broken JSON']}: x\n"},
    "nul": {"SecretString": f"{PLANTED['text']}\0"},
    "binary": {"SecretBinary": base64.b64encode(PLANTED["binary"].encode()).decode()},
    "binary-bytes": {"SecretBinary": base64.b64encode(PLANTED["binary"].encode() + b"\xff").decode()},
    "surrogate": {"SecretString": f"\ud800{PLANTED['text']}"},
    "empty-answer": {"Other": PLANTED["text"]},
    "bad-binary": {"SecretBinary": f"!!{PLANTED['text']}"},
    "number": {"SecretString": {"x": PLANTED["text"]}},
}

# Records arguments and environment of every started process, from within the process.
WATCHED = """
import json, os, sys
def text(value):
    return os.fsdecode(value) if isinstance(value, (str, bytes, os.PathLike)) else str(value)
def see(event, arguments):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.exec"):
        words, environ = arguments[1], arguments[3] if event == "subprocess.Popen" else arguments[2]
        words = [text(each) for each in words] if isinstance(words, (list, tuple)) else [text(words)]
        environ = {text(name): text(value) for name, value in (environ or {}).items()}
        with open(os.environ["WATCH_FILE"], "a") as file:
            file.write(json.dumps([event, words, environ]) + "\\n")
sys.addaudithook(see)
from dsops.cli import main
sys.exit(main())
"""

Malice = Callable[[Seen], Answer | None]


class Started(NamedTuple):
    """A process that dsops started, or by which it was replaced."""

    how: str
    words: list[str]
    environ: dict[str, str]


class Run(NamedTuple):
    """Everything that one command line left behind."""

    code: int
    stdout: str
    stderr: str
    started: list[Started]
    files: dict[str, str]
    trail: str
    """The audit trail, which every reading run leaves."""


def planted_in(text: str, *, but: tuple[str, ...] = ()) -> list[str]:
    """Return the names of planted values that a text contains, plain or in a usual encoding."""
    return [
        name for name, value in PLANTED.items() if name not in but and any(form in text for form in _disguises(value))
    ]


def _disguises(value: str) -> set[str]:
    raw = value.encode()
    encoded = base64.b64encode(raw).decode()[:-4]
    percent = "".join(chr(byte) if chr(byte).isalnum() or byte in b"-_.~" else f"%{byte:02X}" for byte in raw)
    return {value, repr(value)[1:-1], json.dumps(value)[1:-1], encoded, percent} | (
        {value[:12], value[-12:]} if len(value) > 12 else set()
    )


class World:
    """A folder, a home, and an AWS that can be made to misbehave."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.malice: Malice = lambda _: None
        self.server = StubServer(self._answer)
        (folder / "dsops.yaml").write_text(CONFIG)
        (folder / "code.sh").write_text(f"#!/bin/sh\necho {PLANTED['code of a process']}\n")
        (folder / "code.sh").chmod(0o755)
        (folder / "token.sh").write_text(f"#!/bin/sh\necho {PLANTED['web identity token']}\n")
        (folder / "token.sh").chmod(0o755)
        (folder / "response.sh").write_text(f"#!/bin/sh\necho {PLANTED['SAML response']}\n")
        (folder / "response.sh").chmod(0o755)
        (home / ".aws").mkdir()
        (home / ".aws" / "credentials").write_text(
            f"[work]\naws_access_key_id = AKIAPROFILE\naws_secret_access_key = {PROFILE_KEY}\n"
        )
        self._home = home
        self._trail = str(home / ".local" / "state" / "dsops")
        self._before: dict[str, bytes] = {}

    def run(self, *words: str, **environ: str) -> Run:
        """Run dsops until it ends and return the result.

        `environ` adds variables; an empty value removes one.
        """
        watch = self.folder.parent / "watch.jsonl"
        watch.write_text("")
        variables = {
            "PATH": os.environ["PATH"],
            "DSOPS_AGENT": "off",
            "HOME": str(self._home),
            "TMPDIR": str(self.folder),
            "AWS_ENDPOINT_URL": self.server.url,
            "AWS_ACCESS_KEY_ID": "AKIABASE",
            "AWS_SECRET_ACCESS_KEY": PLANTED["base key"],
            "AWS_SESSION_TOKEN": PLANTED["base token"],
            "AWS_EC2_METADATA_DISABLED": "true",
            "EXTERNAL_ID": PLANTED["external ID"],
            "MFA_TOKEN": PLANTED["MFA code"],
            "PLANTED_VARIABLE": PLANTED["variable of an env store"],
            "ID_TOKEN": PLANTED["web identity token"],
            "CONTEXT": PLANTED["word of a context provider"],
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{self.server.url}/token?a=b",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": PLANTED["token of a job"],
            "HTTPS_PROXY": f"http://{PROXY}:9",
            "WATCH_FILE": str(watch),
            **environ,
        }
        allow_found(self.folder, variables)
        before = self._contents()
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, *words],
            cwd=self.folder,
            env={name: value for name, value in variables.items() if value},
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            timeout=60,
        )
        after = self._contents()
        trail = "".join(text for name, text in after.items() if name.startswith(self._trail))
        return Run(
            done.returncode,
            done.stdout.decode("utf-8", "backslashreplace"),
            done.stderr.decode("utf-8", "backslashreplace"),
            [Started(*json.loads(line)) for line in watch.read_text().splitlines()],
            {
                name: text
                for name, text in after.items()
                if before.get(name) != text and not name.startswith(self._trail)
            },
            trail,
        )

    def _contents(self) -> dict[str, str]:
        places = (self.folder, self._home)
        files = [path for place in places for path in place.rglob("*") if path.is_file()]
        return {str(path): path.read_bytes().decode("utf-8", "backslashreplace") for path in files}

    def _answer(self, seen: Seen) -> Answer:
        malicious = self.malice(seen)
        if malicious is not None:
            return malicious
        if seen.method == "GET":
            return json_answer({"value": PLANTED["web identity token"]})
        action = action_of(seen)
        if action in {"AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithSAML", "GetSessionToken"}:
            return session(action)
        if action == "GetCallerIdentity":
            return Answer(
                body=b"<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::1:user/a</Arn>"
                b"<UserId>AIDA</UserId><Account>1</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"
            )
        if action == "GetParameters":
            found = [{"Name": "/p", "Value": PLANTED["parameter"], "Version": 1, "Type": "SecureString"}]
            return json_answer({"Parameters": found, "InvalidParameters": ["/absent"]})
        return self._secrets(seen, action)

    def _secrets(self, seen: Seen, action: str) -> Answer:
        body = json.loads(seen.body)
        if action == "BatchGetSecretValue":
            return json_error("AccessDeniedException", f"not batches, with {seen.header('X-Amz-Security-Token')}")
        name = body["SecretId"]
        if name == "denied":
            return json_error("AccessDeniedException", f"no, not with {seen.header('X-Amz-Security-Token')}")
        if name == "deleted":
            return json_error("InvalidRequestException", "it was marked for deletion")
        if name not in SECRETS:
            return json_error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        arn = f"arn:aws:secretsmanager:us-east-1:444455556666:secret:{name}-AbCdEf"
        return json_answer({"ARN": arn, "Name": name, "VersionId": "v1", **SECRETS[name]})


def action_of(seen: Seen) -> str:
    """Return the AWS action of a request."""
    target = seen.header("X-Amz-Target")
    return target.rpartition(".")[2] if target else parameters_of(seen)["Action"]


def session(action: str) -> Answer:
    """Return an answer with a session of the planted keys."""
    return assume_role_answer(
        action=action,
        expiration="2099-01-01T00:00:00Z",
        arn="arn:aws:sts::444455556666:assumed-role/Target/target",
        secret_access_key=PLANTED["session key"],
        session_token=PLANTED["session token"],
    )


@pytest.fixture
def world(tmp_path: Path, home: Path) -> Iterator[World]:
    """A world for each test."""
    folder = tmp_path / "project"
    folder.mkdir()
    world = World(folder, home)
    with world.server:
        yield world


NAMED = ("--config", "dsops.yaml")
LOUD = ("--verbose", "--debug")


def assert_tight(
    run: Run, *, shown: tuple[str, ...] = (), written: tuple[str, ...] = (), started: Sequence[str] = ()
) -> None:
    """Assert that no planted value appears except as stated; `started` is the command that receives the values."""
    assert planted_in(run.stdout, but=shown) == []
    assert planted_in(run.stderr) == []
    assert planted_in(run.trail) == []
    assert [planted_in(text, but=written) for text in run.files.values()] == [[] for _ in run.files]
    for each in run.started:
        assert planted_in("\n".join(each.words)) == []
        if each.words != list(started) and each.how != "os.exec":
            # The process may have the user's own environment, but no fetched value.
            assert planted_in("\n".join(each.environ.values()), but=INHERITED) == []


INHERITED = (
    "base key",
    "base token",
    "external ID",
    "MFA code",
    "variable of an env store",
    "password of a proxy",
    "web identity token",
    "token of a job",
    "word of a context provider",
)


# --- successful commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "--env", "good"),
        ("plan", "--env", "good", "--json"),
        ("plan", "--env", "codes", "--json"),
        ("validate",),
        ("validate", "--json", "--env", "good"),
        ("stores",),
        ("stores", "--json"),
        ("graph",),
        ("graph", "--format", "mermaid"),
        ("graph", "--format", "svg"),
        ("graph", "--env", "good", "--check"),
        ("graph", "--env", "good", "--check", "--json"),
        ("allow",),
        ("allow", "--json"),
        ("schema",),
        ("whoami",),
        ("whoami", "--json", "target"),
        ("doctor", "--env", "good"),
        ("doctor", "--env", "good", "--json"),
        ("doctor", "--env", "codes"),
        ("complete", "--", "get", "--config", "dsops.yaml", "--env", "good", ""),
        ("completion", "bash"),
        ("help", "exec"),
    ],
    ids=" ".join,
)
def test_what_shows_no_values_holds_none(world: World, words: tuple[str, ...]) -> None:
    """Commands that display no values leak none, in tables, JSON and progress output."""
    flags = () if words[0] in {"complete", "completion", "help", "schema"} else (*NAMED, *LOUD)
    run = world.run(*words[:1], *flags, *words[1:])
    assert run.code == 0, run.stderr
    assert_tight(run)


@pytest.mark.parametrize(
    "flags",
    [(), ("--timeout", "20"), ("--mask",), ("--credentials", "target"), ("--credentials", "target", "--serve")],
    ids=["replaced", "watched", "masked", "with a session", "served"],
)
def test_only_the_command_gets_the_values(world: World, flags: tuple[str, ...]) -> None:
    """Only the command that `exec` runs gets the values, in its environment.

    No argument and no other process has them.
    """
    run = world.run("exec", *NAMED, *LOUD, *flags, "--env", "good", "--", "true")
    assert (run.code, run.stdout, run.files) == (0, "", {})
    assert_tight(run, started=["true"])
    assert all(f'"eventName":"{name}"' in run.trail for name in ("AssumeRole", "GetSecretValue", "Exec"))
    (started,) = run.started
    assert started.words == ["true"]
    assert set(planted_in("\n".join(started.environ.values()))) >= {
        "text",
        "JSON field",
        "binary",
        "parameter",
        "literal",
        "default",
        "value of a literal store",
        "session token",
    }


def test_codes_and_profiles_pass_by_pipes(world: World) -> None:
    """MFA codes from `mfa_process` and keys from a credential_process are passed only through pipes."""
    for environment, how in (("codes", "./code.sh"), ("profile", "-c")):
        run = world.run("exec", *NAMED, *LOUD, "--env", environment, "--", "true")
        assert run.code == 0, run.stderr
        assert_tight(run)
        assert any(how in started.words for started in run.started)


@pytest.mark.parametrize("environment", ["tokens", "contexts"])
def test_what_aws_repeats_of_a_proof_is_not_shown(world: World, environment: str) -> None:
    """If AWS repeats an assertion or a token in a refusal, dsops masks it."""

    def refuse(seen: Seen) -> Answer:
        sent = [value for name, value in parameters_of(seen).items() if name.endswith(("Assertion", "Token"))]
        place = "providedContexts.1.member.contextAssertion"
        result_text = "; ".join(f"{entry} is no good; Value '{entry}' at '{place}'" for entry in sent)
        return sts_error("ValidationError", result_text, 400)

    world.malice = lambda seen: None if seen.method == "GET" else refuse(seen)
    run = world.run("exec", *NAMED, *LOUD, "--env", environment, "--", "true")
    assert run.code != 0
    assert "***" in run.stderr
    assert_tight(run)


def test_tokens_go_to_aws_alone(world: World) -> None:
    """Identity tokens are sent to AWS only; a GitHub job's request token is sent to GitHub only."""
    run = world.run("exec", *NAMED, *LOUD, "--env", "tokens", "--", "true")
    assert run.code == 0, run.stderr
    assert_tight(run)
    get_requests = [seen for seen in world.server.seen if seen.method == "GET"]
    calls = [seen for seen in world.server.seen if seen.method == "POST"]
    assert [seen.header("Authorization") for seen in get_requests] == [f"Bearer {PLANTED['token of a job']}"]
    sent = [parameters_of(seen) for seen in calls]
    assert {entry["SAMLAssertion"] for entry in sent if "SAMLAssertion" in entry} == {PLANTED["SAML response"]}
    tokens = {entry.get("WebIdentityToken") for entry in sent if "SAMLAssertion" not in entry}
    assert tokens == {PLANTED["web identity token"]}
    assert all(PLANTED["token of a job"] not in everything_sent(seen) for seen in calls)


@pytest.mark.parametrize("format_name", ["dotenv", "shell", "powershell", "fish", "json", "yaml"])
def test_a_file_holds_what_was_asked_for(world: World, format_name: str) -> None:
    """`render --out` writes values only into the requested file, which only its owner can read."""
    run = world.run("render", *NAMED, *LOUD, "--env", "good", "--format", format_name, "--out", "out")
    assert (run.code, run.stdout) == (0, "")
    assert list(run.files) == [str(world.folder / "out")]
    assert (world.folder / "out").stat().st_mode & 0o777 == 0o600
    assert_tight(run, written=tuple(PLANTED))
    shown_kinds = set(planted_in(run.files[str(world.folder / "out")]))
    assert not {"base key", "base token", "external ID", "MFA code"} & shown_kinds


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("get", "--env", "good", "FIELD"), ("JSON field",)),
        (("get", "--env", "good", "--json", "FIELD"), ("JSON field",)),
        (("credentials", "target"), ("session key", "session token")),
        (("credentials", "target", "--format", "env"), ("session key", "session token")),
        *(
            (("credentials", "target", "--format", name), ("session key", "session token"))
            for name in ("powershell", "fish", "ini", "process", "gitlab")
        ),
    ],
    ids=" ".join,
)
def test_what_is_asked_for_is_shown_and_no_more(world: World, words: tuple[str, ...], shown: tuple[str, ...]) -> None:
    """Commands that print a value or a session print only this, and no part of the session's source credentials."""
    run = world.run(*words[:1], *NAMED, *LOUD, *words[1:])
    assert run.code == 0, run.stderr
    assert set(planted_in(run.stdout)) == set(shown)
    assert_tight(run, shown=shown)


def test_a_file_of_profiles_and_a_steps_file_hold_the_session_and_no_more(world: World) -> None:
    """A profile file and a CI step's file contain only the session.

    The step also prints the values on stdout as masking commands, which the CI runner hides.
    """
    shown_kinds = ("session key", "session token")
    run = world.run("credentials", *NAMED, *LOUD, "target", "--format", "ini", "--out", "profiles")
    assert (run.code, run.stdout) == (0, "")
    assert list(run.files) == [str(world.folder / "profiles")]
    assert set(planted_in(run.files[str(world.folder / "profiles")])) == set(shown_kinds)
    assert_tight(run, written=shown_kinds)

    step = world.folder / "set_env"
    step.touch()
    run = world.run(
        "credentials", *NAMED, *LOUD, "target", "--format", "github", GITHUB_ACTIONS="true", GITHUB_ENV=str(step)
    )
    assert run.code == 0, run.stderr
    assert list(run.files) == [str(step)]
    assert set(planted_in(run.files[str(step)])) == set(shown_kinds)
    assert_tight(run, shown=shown_kinds, written=shown_kinds)


def test_a_link_to_the_console_holds_no_part_of_the_session(world: World) -> None:
    """A console link contains no part of the session, which is sent only to the federation endpoint."""
    endpoint = f"{world.server.url}/federation"
    for status, body in ((200, b'{"SigninToken": "token"}'), (400, None)):

        def answer(seen: Seen, status: int = status, body: bytes | None = body) -> Answer | None:
            is_asked = seen.target.startswith("/federation?")
            return Answer(status, seen.target.encode() if body is None else body) if is_asked else None

        world.malice = answer
        run = world.run("console", *NAMED, *LOUD, "target", "--endpoint", endpoint)
        assert run.code == (0 if status == 200 else 3), run.stderr
        assert_tight(run)
    get_requests = [seen for seen in world.server.seen if seen.method == "GET"]
    assert len(get_requests) == 2
    for seen in get_requests:
        assert set(planted_in(seen.target)) == {"session key", "session token"}


# --- failures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (("exec", "--env", "bad", "--", "true"), "bad"),
        (("exec", "--env", "nul", "--", "true"), "nul"),
        (("exec", "--env", "encoding", "--", "true"), "encoding"),
        (("render", "--env", "bad", "--json"), "bad"),
        (("render", "--env", "nul"), "nul"),
        (("render", "--env", "encoding", "--format", "yaml"), "encoding"),
        (("get", "--env", "encoding", "--json", "HALF"), "encoding"),
        (("doctor", "--env", "bad"), "bad"),
        (("doctor", "--env", "bad", "--json"), "bad"),
    ],
)
def test_a_value_that_can_not_be_used_is_not_told(world: World, words: tuple[str, ...], environment: str) -> None:
    """If a value cannot be decoded or stored in a variable, the error does not show it."""
    run = world.run(words[0], *NAMED, *LOUD, *words[1:])
    assert run.code != 0
    assert_tight(run)
    if environment == "bad" and words[0] == "exec":
        assert all(name in run.stderr for name in ("NO_JSON", "NO_YAML", "SURROGATE", "DENIED", "NO_LITERAL_FIELD"))


def everything_sent(seen: Seen) -> str:
    """Return everything in a request that a server could repeat in a message."""
    pairs = parameters_of(seen).values() if not seen.header("X-Amz-Target") else ()
    return " | ".join([*pairs, *[value for _, value in seen.headers], seen.body.decode()])


def refuse_with_everything(seen: Seen) -> Answer:
    """Refuse a request and repeat all of it, as AWS does for a signature mismatch."""
    if seen.header("X-Amz-Target"):
        return json_error("ValidationException", everything_sent(seen))
    return sts_error("ValidationError", everything_sent(seen), 400)


def constraint(seen: Seen) -> Answer:
    """Refuse a request with AWS's message that repeats a value."""
    if seen.header("X-Amz-Target"):
        return json_error("ValidationException", f"Value '{seen.body.decode()}' at 'secretId' failed to satisfy")
    sent = parameters_of(seen)
    texts = [f"Value '{value}' at '{name[0].lower()}{name[1:]}' failed to satisfy" for name, value in sent.items()]
    return sts_error("ValidationError", f"{len(sent)} validation errors detected: {'; '.join(texts)}", 400)


def denied(seen: Seen) -> Answer:
    """Deny a request in AWS's words."""
    message = f"User: arn:aws:iam::1:user/a is not authorized ({everything_sent(seen)})"
    if seen.header("X-Amz-Target"):
        return json_error("AccessDeniedException", message)
    return sts_error("AccessDenied", message)


def expired(_: Seen) -> Answer:
    """Answer with a session that is not in AWS's format."""
    body = session("AssumeRole").body.replace(b"2099-01-01T00:00:00Z", b"soon")
    return Answer(body=body)


MALICE: dict[str, Malice] = {
    "refused with everything": refuse_with_everything,
    "constraint": constraint,
    "denied": denied,
    "no expiry": expired,
    "not XML": lambda _: Answer(body=b"<html>" + " ".join(PLANTED.values()).encode()),
    "half an answer": lambda _: Answer(body=session("AssumeRole").body, cut_after=300),
    "another action's answer": lambda _: Answer(body=session("Other").body),
    "a server error": lambda _: Answer(status=500, body=" ".join(PLANTED.values()).encode()),
    "a redirect": lambda _: Answer(status=302, body=" ".join(PLANTED.values()).encode(), headers=(("Location", "/x"),)),
    "rubbish": lambda _: Answer(raw=" ".join(PLANTED.values()).encode()),
}


STAGES: dict[str, tuple[str, Callable[[Seen], bool]]] = {
    "the first hop": ("good", lambda _: True),
    "the external ID": ("good", lambda seen: b"ExternalId" in seen.body),
    "the code": ("codes", lambda seen: b"TokenCode" in seen.body),
    "GitHub's token": ("tokens", lambda seen: seen.method == "GET"),
    "the token": ("tokens", lambda seen: b"WebIdentityToken" in seen.body),
    "the secrets": ("good", lambda seen: bool(seen.header("X-Amz-Target"))),
}


# One in five of them has each answer and each stage.
@pytest.mark.parametrize("case", one_in(5, list(product(MALICE, STAGES)), "-".join))
def test_whatever_a_server_says_is_told_without_what_it_was_sent(world: World, case: tuple[str, str]) -> None:
    """Whatever a server repeats of the request, or sends as an incomplete session, dsops shows no secret value."""
    malice, stage = case
    environment, is_met = STAGES[stage]
    world.malice = lambda seen: MALICE[malice](seen) if is_met(seen) else None
    run = world.run("exec", *NAMED, *LOUD, "--env", environment, "--", "true")
    assert run.code == 125
    assert any(is_met(seen) for seen in world.server.seen)
    assert_tight(run)


@pytest.mark.parametrize("malice", ["refused with everything", "denied"])
def test_a_list_of_what_is_broken_holds_no_value(world: World, malice: str) -> None:
    """The tables and JSON of `doctor` show no value."""
    world.malice = lambda seen: MALICE[malice](seen) if re.search(b"ExternalId|TokenCode", seen.body) else None
    for words in (("--env", "good"), ("--env", "codes", "--json")):
        run = world.run("doctor", *NAMED, *LOUD, *words)
        assert run.code == 6
        assert_tight(run)


@pytest.mark.parametrize("transport", ["pycurl", pytest.param("urllib3", marks=pytest.mark.nightly)])
@pytest.mark.parametrize(
    "environ",
    [
        {"AWS_ENDPOINT_URL": ""},
        {"AWS_ENDPOINT_URL": "", "HTTPS_PROXY": f"socks5://{PROXY}:9"},
        {"AWS_ENDPOINT_URL": "", "HTTPS_PROXY": f"http://{PROXY}:nine"},
        {"AWS_ENDPOINT_URL": f"https://ada:{PLANTED['base key']}@127.0.0.1:9"},
        {"AWS_ENDPOINT_URL": f"https://127.0.0.1:9/?{PLANTED['base key']}"},
        {"AWS_SECRET_ACCESS_KEY": f"{PLANTED['base key']}\n{PLANTED['base key']}"},
        {"AWS_ACCESS_KEY_ID": ""},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_CREDENTIAL_EXPIRATION": PLANTED["base token"]},
        {"EXTERNAL_ID": f"{PLANTED['external ID']} with spaces"},
        {"MFA_TOKEN": f"{PLANTED['MFA code']}0"},
    ],
    ids=str,
)
def test_a_setting_that_can_not_be_used_is_not_told(world: World, environ: dict[str, str], transport: str) -> None:
    """If a setting is unusable, no error shows the setting's value.

    The cases include proxies, a login in a URL, half a key pair, and a key with a line break.
    """
    for environment in ("good", "codes"):
        run = world.run("exec", *NAMED, *LOUD, "--env", environment, "--", "true", DSOPS_TRANSPORT=transport, **environ)
        assert_tight(run)
    run = world.run("doctor", *NAMED, *LOUD, "--env", "good", DSOPS_TRANSPORT=transport, **environ)
    assert_tight(run)


@pytest.mark.parametrize("transport", ["pycurl", "urllib3"])
def test_only_a_proxy_that_refuses_learns_its_password(world: World, transport: str) -> None:
    """A proxy that refuses (407) receives its own password and no other secret."""
    world.malice = lambda seen: Answer(status=407, body=b"no") if seen.method == "CONNECT" else None
    proxy = f"http://{PROXY}:{world.server.port}"
    run = world.run(
        "exec",
        *NAMED,
        *LOUD,
        "--env",
        "good",
        "--",
        "true",
        HTTPS_PROXY=proxy,
        AWS_ENDPOINT_URL="",
        DSOPS_TRANSPORT=transport,
    )
    assert run.code == 125
    assert {seen.method for seen in world.server.seen} == {"CONNECT"}
    assert_tight(run)


@pytest.mark.parametrize(
    "body",
    [
        f'echo {{"Version": 1, "SecretAccessKey": "{PROFILE_KEY}"}}',
        f'echo "{PROFILE_KEY}"',
        f'echo "\\"{PROFILE_KEY}\\""',
        f"printf '\\377{PROFILE_KEY}'",
        f'echo "[1, {PROFILE_KEY}]"',
    ],
)
def test_a_profiles_process_that_prints_rubbish_is_not_quoted(world: World, body: str) -> None:
    """If a profile's credential_process prints malformed output, the error does not quote it."""
    (world.folder / "keys.sh").write_text(f"#!/bin/sh\n{body}\n")
    (world.folder / "keys.sh").chmod(0o755)
    config = world.folder / "aws-config"
    config.write_text(f"[profile work]\ncredential_process = {world.folder}/keys.sh\n")
    run = world.run(
        "exec",
        *NAMED,
        *LOUD,
        "--env",
        "profile",
        "--",
        "true",
        AWS_CONFIG_FILE=str(config),
        AWS_SHARED_CREDENTIALS_FILE="/dev/null",
    )
    assert run.code == 125
    assert_tight(run)


@pytest.mark.parametrize(
    ("script", "is_shown"),
    [("echo 12345", False), ("echo 'PLANTEDcode 493817'", False), ("echo 493817 >&2; exit 3", True), ("exit 3", False)],
)
def test_what_a_code_process_prints_is_its_own_affair(world: World, script: str, is_shown: bool) -> None:  # noqa: FBT001
    """The stdout of mfa_process is never shown; its stderr is the terminal, since it may ask the user for a touch."""
    (world.folder / "code.sh").write_text(f"#!/bin/sh\n{script}\n")
    run = world.run("exec", *NAMED, "--env", "codes", "--", "true")
    assert run.code == 125
    assert ("493817" in run.stderr) is is_shown


def test_a_configuration_in_which_values_stand_at_the_wrong_place_shows_none(world: World) -> None:
    """If a value is written where a reference belongs, the error reports only its location."""
    (world.folder / "wrong.yaml").write_text(
        f"""
secretStores:
  s: {{type: aws.sts, role_arn: "arn:aws:iam::111122223333:role/R", external_id: "{PLANTED["text"]}", token_code: [1]}}
  l: {{type: literal, values: {{a: [{PLANTED["literal"]}]}}}}
envs:
  e:
    A: {PLANTED["literal"]}
    B: {{literal: [{PLANTED["literal"]}]}}
    C: {{from: "{PLANTED["JSON field"]}"}}
    E: {{from: [{PLANTED["literal"]}]}}
    F: {{value: {PLANTED["literal"]}}}
    G: {{from: {{store: l, key: a}}, default: [{PLANTED["default"]}]}}
    H: {{literal: x, optional: {PLANTED["default"]}}}
"""
    )
    for words in (("validate",), ("exec", "--env", "e", "--", "true")):
        run = world.run(words[0], "--config", "wrong.yaml", *LOUD, *words[1:])
        assert run.code != 0
        assert_tight(run)
