"""`action.yml`: its steps, run in order as GitHub's runner does; the sandbox plays AWS and GitHub's OIDC endpoint."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import yaml
from botocore.exceptions import ClientError

from dsops.sandbox.control.running_sandboxes import ask
from dsops.testing.local_aws import LocalAws
from tests.github_runner import Expression, Runner, assignments

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ROLE = "arn:aws:iam::123456789012:role/Deploy"
MULTILINE = "-----BEGIN KEY-----\nfirst-line-of-the-key\nsecond%25 line\n-----END KEY-----"
TOKEN = "hush-token-of-production"
SEED = f"""
accounts:
  "123456789012":
    oidc_providers:
    - url: https://token.actions.githubusercontent.com
      client_ids: [sts.amazonaws.com, mine]
      issued_by_sandbox: true
    roles:
      Deploy:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{Federated: "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"}}
            Action: sts:AssumeRoleWithWebIdentity
            Condition: {{StringLike: {{"token.actions.githubusercontent.com:sub": "repo:org/app:*"}}}}
        policies:
          - Version: "2012-10-17"
            Statement: {{Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}
    secrets:
      prod/token: {TOKEN}
      prod/other: nobody-asked-for-it
      prod/key: {MULTILINE!r}
""".replace("'-----", '"-----').replace("-----'", '-----"')
CONFIG = """
version: 1
secretStores:
  job:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/Deploy
    role_session_name: job
    web_identity: github
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: job}
  ambient: {type: aws.secretsmanager, region: us-east-1}
envs:
  production:
    TOKEN: {from: {store: secrets, key: prod/token}}
    KEY: {from: {store: secrets, key: prod/key}}
    PLAIN: {literal: info}
  by-role:
    TOKEN: {from: {store: ambient, key: prod/token}}
"""
HOSTILE = (
    '"; touch MARK; "',
    "$(touch MARK)",
    "`touch MARK`",
    "x\ntouch MARK",
    "x\nMARK=1",
    "'; touch MARK #",
    "--help me",
)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the action needs Linux or macOS")


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


@pytest.fixture
def job(sandbox: LocalAws, tmp_path: Path) -> Runner:
    """A job of org/app in which an earlier step has used the action, so that dsops is already installed."""
    runner = bare_job(tmp_path)
    (runner.workspace / "dsops.yaml").write_text(CONFIG)
    runner.environ |= {
        "AWS_ENDPOINT_URL": sandbox.url,
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{sandbox.url}/_sandbox/github?repository=org/app",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": str(ask(sandbox.url, "identity")["GitHubToken"]),
    }
    number = subprocess.run(
        ["sh", "-c", 'printf %s "$0" | cksum', str(ROOT)], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()[0]
    home = runner.temp / f"dsops-{number}"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "dsops").symlink_to(BIN / "dsops")
    (home / "installed").touch()
    return runner


def bare_job(folder: Path) -> Runner:
    """A job without dsops and without an OIDC token."""
    workspace, temp = folder / "workspace", folder / "temp"
    workspace.mkdir()
    temp.mkdir()
    environ = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "CI": "true",
        "GITHUB_ACTIONS": "true",
        "RUNNER_TEMP": str(temp),
        "RUNNER_OS": "Linux",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return Runner(workspace=workspace, temp=temp, environ=environ)


def assert_no_secret_is_shown(job: Runner) -> None:
    """Assert that the log contains no secret value, no single line of a secret, no AWS secret key and no token."""
    names = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN")
    hidden = [TOKEN, *MULTILINE.splitlines(), *[job.environ.get(name) for name in names]]
    assert [] == [value for value in hidden if value and value in job.log]


def test_later_steps_have_the_variables(job: Runner) -> None:
    """`export` gives later steps the exact values of the variables; the log shows `***` for each line of a value."""
    assert job.use(ROOT, env="production", export="true") == {"arn": "", "expiration": ""}
    assert (job.environ["TOKEN"], job.environ["KEY"], job.environ["PLAIN"]) == (TOKEN, MULTILINE, "info")
    assert job.run('echo "token: $TOKEN"; echo "$KEY"; echo "$PLAIN"; dsops --version') == (0, {})
    assert ["token: ***", "***", "***", "***", "***", "info"] == job.shown[-7:-1]
    assert_no_secret_is_shown(job)


def test_a_command_has_the_variables_and_no_later_step(job: Runner) -> None:
    """With `command`, only that command gets the variables, and the step exits with the command's exit code."""
    before = set(job.environ)
    assert job.use(ROOT, env="production", command='test -n "$TOKEN"\necho "it is $TOKEN"\necho "$KEY"') is not None
    assert "it is ***" in job.shown
    assert_no_secret_is_shown(job)
    assert job.environ.keys() == before
    assert job.use(ROOT, env="production", command="false\necho not reached") is None
    assert "not reached" not in job.log


def test_an_auto_session_is_exported_for_the_environment(job: Runner) -> None:
    """A session with `session_policy: auto` can read only what the environment in the input `env` reads."""
    (job.workspace / "dsops.yaml").write_text(
        CONFIG.replace("    web_identity: github\n", "    web_identity: github\n    session_policy: auto\n")
    )
    outputs = job.use(ROOT, env="production", credentials="job", export="true")
    assert outputs is not None, job.log
    assert outputs["arn"] == "arn:aws:sts::123456789012:assumed-role/Deploy/job"
    reader = boto3.client(
        "secretsmanager",
        region_name="us-east-1",
        endpoint_url=job.environ["AWS_ENDPOINT_URL"],
        **{
            name.lower(): job.environ[name]
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        },
    )
    assert TOKEN == reader.get_secret_value(SecretId="prod/token")["SecretString"]
    with pytest.raises(ClientError, match="no session policy allows"):
        reader.get_secret_value(SecretId="prod/other")


def test_a_role_needs_no_configuration(job: Runner) -> None:
    """`role-to-assume` works without a dsops.yaml: session and region are exported; outputs contain no secret."""
    (job.workspace / "dsops.yaml").unlink()
    outputs = job.use(ROOT, role_to_assume=ROLE, aws_region="eu-west-1", export="true", role_session_name="run-1")
    assert outputs is not None, job.log
    assert outputs["arn"] == "arn:aws:sts::123456789012:assumed-role/Deploy/run-1"
    assert outputs["expiration"] == job.environ["AWS_CREDENTIAL_EXPIRATION"]
    assert job.environ["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert (job.environ["AWS_REGION"], job.environ["AWS_DEFAULT_REGION"]) == ("eu-west-1", "eu-west-1")
    job.run('echo "$AWS_SECRET_ACCESS_KEY $AWS_SESSION_TOKEN"')
    assert job.shown[-1] == "*** ***"
    assert_no_secret_is_shown(job)


def test_a_role_signs_for_the_environment(job: Runner) -> None:
    """A store without a role of its own uses the role in the action's inputs, with `export` and with `command`."""
    script = 'echo "token $TOKEN"; dsops whoami | grep -o "assumed-role/Deploy/[A-Za-z]*"'
    role = {"role_to_assume": ROLE, "aws_region": "us-east-1", "env": "by-role", "command": script}
    assert job.use(ROOT, **role) is not None, job.log
    assert job.shown[-2:] == ["token ***", "assumed-role/Deploy/GitHubActions"]
    assert "AWS_ACCESS_KEY_ID" not in job.environ
    assert job.use(ROOT, **role, export="true") is not None, job.log
    assert job.environ["TOKEN"] == TOKEN
    assert_no_secret_is_shown(job)


def test_the_jobs_own_environment_is_not_that_of_the_role(job: Runner) -> None:
    """DSOPS_ENV in a job selects an environment of the job's dsops.yaml, even if `role-to-assume` is set."""
    job.environ["DSOPS_ENV"] = "by-role"
    role = {"role_to_assume": ROLE, "aws_region": "us-east-1"}
    assert job.use(ROOT, **role, command='echo "token $TOKEN"') is not None, job.log
    assert job.shown[-1] == "token ***"


def test_a_stores_session_goes_to_later_steps_or_to_the_command(job: Runner) -> None:
    """The session of the store in `credentials` is exported or given to the command; its ARN is an output."""
    script = "dsops whoami | grep -o assumed-role/Deploy/job"
    assert job.use(ROOT, credentials="job", command=script) is not None, job.log
    assert job.shown[-1] == "assumed-role/Deploy/job"
    assert "AWS_ACCESS_KEY_ID" not in job.environ
    outputs = job.use(ROOT, credentials="job", export="true")
    assert outputs is not None, job.log
    assert outputs["arn"].endswith(":assumed-role/Deploy/job")
    assert "TOKEN" not in job.environ
    assert_no_secret_is_shown(job)


def test_a_configuration_and_a_folder_are_named(job: Runner) -> None:
    """The input `config` is relative to `working-directory`, and the command runs in that folder."""
    (job.workspace / "app").mkdir()
    (job.workspace / "dsops.yaml").rename(job.workspace / "app" / "other.yaml")
    where = {"config": "other.yaml", "working_directory": "app"}
    assert job.use(ROOT, **where, env="production", command='basename "$PWD"; echo "$TOKEN"') is not None, job.log
    assert job.shown[-2:] == ["app", "***"]


def test_the_audience_input(job: Runner) -> None:
    """An audience in the provider's list is accepted; any other fails the job with AWS's reason in the log."""
    role = {"role_to_assume": ROLE, "aws_region": "us-east-1", "export": "true"}
    assert job.use(ROOT, **role, audience="mine") is not None, job.log
    assert job.use(ROOT, **role, audience="somebody-else") is None
    assert "Incorrect token audience" in job.log


def test_a_job_without_the_permission_is_told_what_to_write(job: Runner) -> None:
    """Without `id-token: write` (as in a fork's pull request) a job fails; the error names this permission."""
    del job.environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    assert job.use(ROOT, env="production", export="true") is None
    assert "permissions: {id-token: write}" in job.log
    assert "TOKEN" not in job.environ


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize(
    "name",
    [
        "env",
        "config",
        "credentials",
        "role_to_assume",
        "aws_region",
        "audience",
        "role_session_name",
        "role_duration_seconds",
        "export",
        "python",
    ],
)
def test_an_input_is_never_code(job: Runner, name: str, text: str) -> None:
    """An input with shell code runs no command, and adds no variable and no output."""
    if name == "python":
        # The input `python` is read only if dsops is not installed yet.
        next(job.temp.glob("*/installed")).unlink()
    inputs = {"env": "production", "export": "true"}
    if name in {"role_to_assume", "aws_region", "audience", "role_session_name", "role_duration_seconds"}:
        inputs = {"role_to_assume": ROLE, "aws_region": "us-east-1", "export": "true"}
    before = set(job.environ)
    outputs = job.use(ROOT, **{**inputs, name: text})

    assert outputs is None
    assert [] == [*job.workspace.rglob("MARK"), *job.temp.rglob("MARK"), *ROOT.glob("MARK")]
    assert job.environ.keys() == before
    assert not [line for line in job.shown if line.startswith("::") and not line.startswith("::error title=dsops::")]


def test_a_folder_named_like_shell_code(job: Runner) -> None:
    """A working folder whose name is shell code can be used, and the code never runs."""
    folder = job.workspace / "$(touch MARK); 'touch MARK'"
    folder.mkdir()
    (job.workspace / "dsops.yaml").rename(folder / "dsops.yaml")
    assert job.use(ROOT, working_directory=folder.name, env="production", command="test -n $TOKEN") is not None, job.log
    assert [] == [*job.workspace.rglob("MARK"), *ROOT.glob("MARK")]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"export": "yes"}, "either true or false"),
        ({"env": "production"}, "nothing would get what is asked for"),
        ({"role_to_assume": ROLE, "export": "true"}, "needs an aws-region"),
        ({"role_to_assume": ROLE, "credentials": "job", "export": "true"}, "either credentials or role-to-assume"),
    ],
)
def test_contradictory_inputs_are_refused(job: Runner, inputs: dict[str, str], said: str) -> None:
    """Contradictory inputs fail the job with an error annotation before anything is downloaded."""
    assert job.use(ROOT, **inputs) is None
    assert job.shown[-1].startswith("::error title=dsops::")
    assert said in job.shown[-1]


def test_without_inputs_it_only_installs(job: Runner) -> None:
    """Without inputs the action only installs dsops and adds only the program `dsops` to PATH."""
    assert job.use(ROOT) == {"arn": "", "expiration": ""}
    folder = Path(job.environ["PATH"].partition(":")[0])
    assert [path.name for path in folder.iterdir()] == ["dsops"]
    assert job.run('dsops exec --env production -- sh -c "test -n \\"$TOKEN\\" || test -n \\"\\$TOKEN\\""')[0] == 0


def test_it_is_installed_from_pinned_lists(tmp_path: Path) -> None:
    """The action installs dsops with pip and hashes into the job's own folder, and changes nothing in the checkout."""
    if not shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin"):
        pytest.skip("there is no python3 outside of a virtual environment")
    job = bare_job(tmp_path)
    # The machine may use a package mirror or cache.
    job.environ |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    job.environ |= {"PIP_USER": "1", "PIP_TARGET": str(job.workspace / "elsewhere")}
    # A file of the repository must not shadow a module of the standard library.
    (job.workspace / "venv.py").write_text("raise SystemExit('the repository ran')")
    if job.use(ROOT) is None:
        if re.search(r"Could not find a version|Connection|resolve|timed out", job.log):
            pytest.skip(f"dsops could not be installed: {job.shown[-1]}")
        pytest.fail(job.log)
    assert "the repository ran" not in job.log
    assert job.run("command -v dsops; dsops --version")[0] == 0
    assert Path(job.shown[-2]).is_relative_to(job.temp)
    assert re.fullmatch(r"dsops \d+\.\d+\.\d+", job.shown[-1])


@pytest.mark.parametrize("inputs", [{"python": "/nowhere/python"}, {}])
def test_a_runner_without_python_is_told(tmp_path: Path, inputs: dict[str, str]) -> None:
    """Without Python 3.11+ the job fails, and a `python` input that does not work is not replaced by another Python."""
    job = bare_job(tmp_path)
    if not inputs:
        tools = tmp_path / "tools"
        tools.mkdir()
        for name in ("bash", "cksum", "cut"):
            (tools / name).symlink_to(str(shutil.which(name)))
        job.environ["PATH"] = str(tools)
    assert job.use(ROOT, **inputs) is None
    assert job.shown[-1].startswith("::error title=dsops::there is no Python 3.11 or newer")


def test_windows_is_refused(tmp_path: Path) -> None:
    """The action fails on Windows runners, which dsops does not support."""
    job = bare_job(tmp_path)
    job.environ["RUNNER_OS"] = "Windows"
    assert job.use(ROOT) is None
    assert "Linux or macOS" in job.shown[-1]


def test_what_is_installed_is_what_is_tested() -> None:
    """requirements/install.txt pins the same versions as the list from which the test environment is installed."""
    pin = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)
    lists = [ROOT / "requirements" / name for name in ("install.txt", "demo.txt")]
    install, demo = (dict(pin.findall(path.read_text(encoding="utf-8"))) for path in lists)
    assert {"botocore", "pyyaml", "urllib3", "hatchling"} <= install.keys()
    assert install.items() <= demo.items()


def test_no_script_holds_an_expression() -> None:
    """No `run:` script contains `${{ }}`, because GitHub inserts the value as code before bash parses the script."""
    steps = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))["runs"]["steps"]
    scripts = [step["run"] for step in steps]
    scripts += [path.read_text(encoding="utf-8") for path in (ROOT / "ci" / "github").glob("*.sh")]
    assert len(scripts) > len(steps) > 1
    assert [] == [script for script in scripts if "${{" in script]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("inputs.a == 'TRUE' && (inputs.b != '' || inputs.a == '')", True),
        ("inputs.b == '' && inputs.a == 'true' || inputs.a == 'false'", False),
        ("'it''s'", "it's"),
    ],
)
def test_the_runner_reads_expressions(text: str, value: object) -> None:
    """The test's runner evaluates expressions as GitHub documents: `&&` before `||`, comparison ignoring case."""
    assert value == Expression(text, {"inputs.a": "true", "inputs.b": "x"}.__getitem__).value()


def test_the_runner_fails_on_unsupported_syntax() -> None:
    """The test's runner fails on any expression or file syntax that it does not implement."""
    for text in ("contains(inputs.a, 'x')", "inputs.a > 1", "'a' 'b'"):
        with pytest.raises(AssertionError):
            Expression(text, str).value()
    with pytest.raises(AssertionError):
        assignments("A<<END\nvalue\n")
