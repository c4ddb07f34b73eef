"""`dsops exec NAME -- CMD` with and without the agent: errors, the child's environment, audit lines."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.groups import one_in
from tests.permission import allow_found
from tests.stubs.aws import parameters_of
from tests.unit.cli.stub_aws import CONFIG, PROGRAM, Agent, StubAws

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no agent on Windows")

STORE = "{type: aws.sts, region: us-east-1, role_arn: 'arn:aws:iam::111122223333:role/%s'}"
PROJECT = CONFIG.replace(
    "envs:\n",
    f"  same: {STORE % 'Same'}\n"
    f"  hot: {(STORE % 'Hot').replace('{', '{danger: true, ')}\n"
    "  process: {type: env}\n"
    "envs:\n"
    "  same: {PLAIN: {literal: same}}\n"
    "  profiled: {PLAIN: {literal: profiled}}\n",
)
OWN = f"""\
version: 1
secretStores:
  mine: {STORE % "Mine"}
envs:
  own: {{PLAIN: {{literal: own}}}}
"""
PROFILES = """\
[profile base]
region = eu-west-1
[profile deploy]
role_arn = arn:aws:iam::111122223333:role/Deploy
source_profile = base
region = eu-west-1
[profile profiled]
role_arn = arn:aws:iam::111122223333:role/Profiled
source_profile = base
[profile broken]
role_arn = arn:aws:iam::111122223333:role/Broken
source_profile = gone
[profile target-user]
role_arn = arn:aws:iam::111122223333:role/User
source_profile = target
[profile target]
role_arn = arn:aws:iam::111122223333:role/ProfileTarget
source_profile = base
"""
KEYS = "[base]\naws_access_key_id = AKIAEXAMPLEEXAMPLE02\naws_secret_access_key = hush-profile-key\n"
HANDED = "[handed]\naws_access_key_id = ASIAEXAMPLE\naws_secret_access_key = x\naws_session_token = y\n"
DISPLACED = OWN.replace(
    "envs:", "  displaced: {type: aws.secretsmanager, region: us-east-1, credentials_from: target}\nenvs:"
)
FILES = {
    "new": {"dsops.yaml": PROJECT},
    "new layers": {"dsops.yaml": PROJECT, "home/.config/dsops/dsops.yaml": DISPLACED},
    "project": {"dsops.yaml": PROJECT},
    "default": {"dsops.yaml": f"default_env: plain\n{PROJECT}"},
    "empty": {},
    "own": {"home/.config/dsops/dsops.yaml": OWN},
    "profiles": {"home/.aws/config": PROFILES, "home/.aws/credentials": KEYS + HANDED},
    "layers": {
        "dsops.yaml": PROJECT,
        "home/.config/dsops/dsops.yaml": DISPLACED,
        "home/.aws/config": PROFILES,
        "home/.aws/credentials": KEYS,
    },
    "other": {"other.yaml": PROJECT, "aws-config": PROFILES, "aws-keys": KEYS},
    "invalid": {"dsops.yaml": "version: 1\nenvs: 5\n"},
    "latin": {"home/.aws/config": "[profile \udcff]\n"},
}
"""The files of each folder; `home` is the home folder. The user has not allowed the files of those named `new`."""

OK, FAILED, DECLINED = "ok", "failed", "declined"


class Case(NamedTuple):
    """A command line in a folder, and the answer of the agent to it."""

    folder: str
    words: str
    agent: str
    """The agent's result; "" if the client does not ask the agent to run `exec`."""
    environ: dict[str, str] = {}  # noqa: RUF012 - never changed


CASES = [
    # An environment, a store, both, and neither of them.
    Case("project", "production", OK),
    Case("project", "plain", OK),
    Case("project", "keys", OK),
    Case("project", "target", OK),
    Case("project", "secrets", OK),
    Case("project", "optional", OK),
    Case("project", "same", FAILED),
    Case("project", "targte", FAILED),
    Case("project", "nothing-like-it", FAILED),
    Case("project", "x\x1b[31mx", FAILED),
    Case("project", "process", FAILED),
    Case("project", "missing", FAILED),
    Case("project", "broken", FAILED),
    Case("project", "", ""),
    Case("project", "-", ""),
    Case("project", "plain target", ""),
    # NAME beside --env and --credentials, and beside their variables.
    Case("project", "target -e plain", OK),
    Case("project", "target --env optional", OK),
    Case("project", "same -e plain", OK),
    Case("project", "same --credentials target", OK),
    Case("project", "plain -e plain", OK),
    Case("project", "plain -e production", FAILED),
    Case("project", "plain --credentials target", OK),
    Case("project", "--credentials target", OK),
    Case("project", "--credentials target -e production", OK),
    Case("project", "--credentials target -e keys", FAILED),
    Case("project", "--credentials process", FAILED),
    Case("project", "--credentials targte", FAILED),
    Case("project", "target --credentials target", FAILED),
    Case("project", "keys --credentials target", FAILED),
    Case("project", "target", OK, {"DSOPS_ENV": "plain"}),
    Case("project", "plain", OK, {"DSOPS_CREDENTIALS": "target"}),
    Case("project", "-e gone", FAILED),
    Case("project", "target -e gone", FAILED),
    Case("project", "target --min-ttl 60 --reason because", OK),
    Case("project", "target --min-ttl soon", DECLINED),
    Case("default", "target", OK),
    Case("default", "same", FAILED),
    Case("default", "--credentials target", OK),
    Case("default", "production", OK),
    # Features that the client has to carry out.
    Case("project", "target --serve", ""),
    Case("project", "target", DECLINED, {"DSOPS_SERVE": "1"}),
    Case("project", "production --mask", ""),
    Case("project", "target --no-agent", ""),
    # What the child inherits.
    Case("project", "target --pristine", OK),
    Case("project", "target --keep-existing", OK, {"AWS_PROFILE": "x", "AWS_REGION": "eu-north-1"}),
    Case("project", "plain --keep-existing", OK, {"PLAIN": "inherited"}),
    Case(
        "project", "plain", OK, {"DSOPS_ACTIVE": "outer", "DSOPS_DANGER": "1", "DSOPS_EXPIRES": "2026-01-01T00:00:00Z"}
    ),
    Case("project", "hot", DECLINED),
    # A file that the user has not allowed; the error of an unknown name comes first.
    Case("new", "plain", DECLINED),
    Case("new", "target", DECLINED),
    Case("new", "targte", FAILED),
    Case("new", "same", FAILED),
    # Folders without a file of the project.
    Case("empty", "deploy", FAILED),
    Case("empty", "-e deploy", FAILED),
    Case("empty", "--credentials deploy", FAILED),
    Case("own", "mine", OK),
    Case("own", "own", OK),
    Case("own", "gone", FAILED),
    Case("profiles", "deploy", OK),
    Case("profiles", "handed", OK),
    Case("profiles", "deploy", OK, {"AWS_REGION": "eu-north-1"}),
    Case("profiles", "broken", FAILED),
    Case("profiles", "deplyo", FAILED),
    Case("profiles", "-e deploy", FAILED),
    Case("profiles", "deploy", FAILED, {"AWS_CONFIG_FILE": "/dev/null"}),
    Case("latin", "deploy", FAILED),
    # A project over the user's own file and profiles.
    Case("layers", "target", OK),
    Case("layers", "mine", OK),
    Case("layers", "own", OK),
    Case("layers", "deploy", OK),
    Case("layers", "profiled", FAILED),
    Case("layers", "-e profiled", OK),
    Case("layers", "displaced", FAILED),
    Case("layers", "target-user", FAILED),
    Case("layers", "hot", DECLINED),
    Case("layers", "same", FAILED),
    Case("new layers", "plain", DECLINED),
    # Files that the command line or the environment names.
    Case("other", "target --config other.yaml", OK),
    Case("other", "target --config gone.yaml", FAILED),
    Case("other", "target", OK, {"DSOPS_CONFIG": "other.yaml"}),
    Case("other", "deploy", OK, {"AWS_CONFIG_FILE": "aws-config", "AWS_SHARED_CREDENTIALS_FILE": "aws-keys"}),
    Case("other", "deploy", DECLINED, {"AWS_CONFIG_FILE": "/proc/self/cwd/aws-config"}),
    Case("other", "deploy", DECLINED, {"AWS_CONFIG_FILE": "//proc/self/cwd/aws-config"}),
    Case("other", "target --config //proc/self/cwd/other.yaml", DECLINED),
    # The agent parses only files that the user has allowed, and a file with errors can not be allowed.
    Case("invalid", "plain", DECLINED),
]


CHILD = "import os; os.write(1, b'\\0'.join(b'%s=%s' % pair for pair in sorted(os.environb.items())))"
OWN_VARIABLES = (b"DSOPS_AGENT=", b"XDG_STATE_HOME=", b"AWS_CONTAINER_")
OF_ONE_RUN = {"run", "pid"}


class Answer(NamedTuple):
    """What a run shows, what its child process gets, and what the run itself writes to the audit trail."""

    code: int
    child: list[bytes]
    stderr: str
    records: list[dict[str, Any]]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders with their files."""
    made = {name: tmp_path_factory.mktemp(name) for name in FILES}
    for name, files in FILES.items():
        for path, text in files.items():
            file = made[name] / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, errors="surrogateescape")
            file.chmod(0o600)
    return made


@pytest.fixture(scope="module")
def dsops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """A user with an agent, and a stub of AWS with a role and some secrets."""
    with StubAws() as aws, Agent(tmp_path_factory.mktemp("agent"), aws) as program:
        yield program


def run(dsops: Agent, folder: Path, case: Case, state: Path, **more: str) -> Answer:
    """Run the case's command line in its folder, with a command that prints its environment."""
    home = {"HOME": str(folder / "home"), "XDG_STATE_HOME": str(state)}
    environ = {**dsops.environ, **home, **case.environ, **more}
    if not case.folder.startswith("new"):
        allow_found(folder, environ)
    done = subprocess.run(
        [*PROGRAM, "exec", *case.words.split(" "), "--", sys.executable, "-I", "-c", CHILD],
        cwd=folder,
        env=environ,
        capture_output=True,
        check=False,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    child = [variable for variable in done.stdout.split(b"\0") if not variable.startswith(OWN_VARIABLES)]
    trail = state / "dsops" / "audit.jsonl"
    records = [json.loads(line) for line in trail.read_text().splitlines()] if trail.exists() else []
    stderr = done.stderr.decode().replace(str(state), "STATE")
    return Answer(
        done.returncode, child, stderr, [_facts(record) for record in records if record["eventName"] == "Exec"]
    )


def _facts(record: dict[str, Any]) -> dict[str, Any]:
    """What the record says, without what differs from run to run."""
    facts = {name: value for name, value in record["additionalEventData"].items() if name not in OF_ONE_RUN}
    return {"errorCode": record.get("errorCode"), "errorMessage": record.get("errorMessage"), **facts}


def results(dsops: Agent) -> dict[str, int]:
    """How often the agent has answered a request to run `exec`, by result."""
    text = dsops.ask("metrics").decode()
    return {result: int(count) for result, count in re.findall(r'requests_total\{.*"exec".*"(\w+)"\} (\d+)', text)}


@pytest.mark.parametrize("case", one_in(3, CASES, lambda case: f"{case.folder}: {case.words} {case.environ or ''}"))
def test_a_name_means_the_same(dsops: Agent, folders: dict[str, Path], tmp_path: Path, case: Case) -> None:
    """Exit code, errors, notes, the child's environment and the audit lines are equal with and without the agent."""
    folder, before = folders[case.folder], results(dsops)

    alone = run(dsops, folder, case, tmp_path / "alone", DSOPS_AGENT="off")
    together = run(dsops, folder, case, tmp_path / "together")

    assert together == alone
    assert alone.child if alone.code == 0 else alone.stderr
    after = results(dsops)
    assert [name for name in after if after[name] > before.get(name, 0)] == ([case.agent] if case.agent else [])


def test_clients_get_the_sessions_of_their_own_profiles(tmp_path: Path) -> None:
    """A profile name refers to another role after HOME or the profile's file has changed."""
    with StubAws() as aws, Agent(tmp_path, aws) as dsops:

        def roles(home: str) -> list[str]:
            before = len(aws.server.seen)
            assert dsops.run("exec", "deploy", "--", "true", HOME=str(tmp_path / home)).returncode == 0
            return [parameters_of(seen)["RoleArn"].rpartition("/")[2] for seen in aws.server.seen[before:]]

        (tmp_path / "dsops.yaml").unlink()
        for home, role in (("ada", "Deploy"), ("bob", "Other")):
            (tmp_path / home / ".aws").mkdir(parents=True)
            (tmp_path / home / ".aws" / "config").write_text(PROFILES.replace("role/Deploy", f"role/{role}"))
            (tmp_path / home / ".aws" / "credentials").write_text(KEYS)
        assert (roles("ada"), roles("bob"), roles("ada"), roles("bob")) == (["Deploy"], ["Other"], [], [])
        (tmp_path / "bob" / ".aws" / "config").write_text(PROFILES.replace("role/Deploy", "role/Edited"))
        assert (roles("bob"), roles("ada")) == (["Edited"], [])
        assert results(dsops)["ok"] == 6
