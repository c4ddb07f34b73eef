"""`templates/dsops.yml`: its job, run as GitLab's runner does, with a token that the sandbox signs and verifies."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from dsops.testing.local_aws import LocalAws

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
ISSUER = "https://gitlab.example.com"
TOKEN = "hush-token-of-production"
SEED = f"""
accounts:
  "123456789012":
    oidc_providers:
    - {{url: "{ISSUER}", client_ids: [sts.amazonaws.com, mine], issued_by_sandbox: true}}
    roles:
      Deploy:
        trust:
          Version: "2012-10-17"
          Statement:
            Effect: Allow
            Principal: {{Federated: "arn:aws:iam::123456789012:oidc-provider/gitlab.example.com"}}
            Action: sts:AssumeRoleWithWebIdentity
            Condition: {{StringLike: {{"gitlab.example.com:sub": "project_path:org/app:*"}}}}
        policies:
          - Version: "2012-10-17"
            Statement: {{Effect: Allow, Action: "secretsmanager:GetSecretValue", Resource: "*"}}
    secrets: {{prod/token: {TOKEN}}}
"""
CONFIG = """
version: 1
secretStores:
  job:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/Deploy
    role_session_name: job-${CI_JOB_ID:-local}
    web_identity: gitlab
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: job}
envs:
  production:
    TOKEN: {from: {store: secrets, key: prod/token}}
"""
HOSTILE = ('x"; touch MARK; "`touch MARK`$(touch MARK)', "x'; touch MARK #\ntouch MARK\n", "$TOUCH")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="dsops does not run on Windows")


@pytest.fixture
def sandbox_seed() -> str:
    """The sandbox's seed in these tests."""
    return SEED


class Job:
    """A job that extends the component's job, on a runner that uses this shell."""

    def __init__(self, folder: Path, environ: Mapping[str, str], shell: str) -> None:
        self.folder = folder / "app"
        self.folder.mkdir()
        self.shell = shell
        self.environ = {
            "PATH": f"{folder}/tools:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "CI": "true",
            "GITLAB_CI": "true",
            "CI_PROJECT_DIR": str(self.folder),
            "CI_JOB_ID": "17",
            "AWS_EC2_METADATA_DISABLED": "true",
            **environ,
        }

    def run(self, *script: str, **inputs: str) -> tuple[int, str]:
        """Run these script lines after the component's `before_script`; return exit code and log."""
        job = component(**inputs)[inputs.get("job", ".dsops")]
        assert job.keys() == {"image", "id_tokens", "variables", "before_script"}
        variables = {name: variable["value"] for name, variable in job["variables"].items()}
        assert not [name for name, variable in job["variables"].items() if variable["expand"] is not False]
        # https://docs.gitlab.com/runner/shells/: one shell for both lists, which ends with the first line that fails.
        lines = ["set -e", "set -o pipefail" if self.shell == "bash" else ":", *job["before_script"], *script]
        done = subprocess.run(
            [self.shell],
            input="\n".join(lines),
            cwd=self.folder,
            env={**self.environ, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=90,
        )
        return done.returncode, done.stdout


@pytest.fixture(params=["bash", "sh"])
def job(request: pytest.FixtureRequest, sandbox: LocalAws, tmp_path: Path) -> Job:
    """A job of org/app whose image has dsops installed."""
    audience = component()[".dsops"]["id_tokens"]["GITLAB_OIDC_TOKEN"]["aud"]
    minted = subprocess.run(
        [
            BIN / "dsops",
            "sandbox",
            "token",
            "--port",
            sandbox.url.rpartition(":")[2],
            "--aud",
            audience,
            "--sub",
            "project_path:org/app:ref_type:branch:ref:main",
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "dsops").symlink_to(BIN / "dsops")
    made = Job(tmp_path, {"AWS_ENDPOINT_URL": sandbox.url, "GITLAB_OIDC_TOKEN": minted.stdout.strip()}, request.param)
    (made.folder / "dsops.yaml").write_text(CONFIG)
    return made


def component(**inputs: str) -> dict[str, Any]:
    """The jobs that GitLab creates from the component: inputs are inserted into the strings of the parsed YAML.

    https://docs.gitlab.com/ci/inputs/: an inserted value is not parsed as YAML again.
    """
    header, content = yaml.safe_load_all((ROOT / "templates" / "dsops.yml").read_text(encoding="utf-8"))
    declared = header["spec"]["inputs"]
    assert not inputs.keys() - declared.keys()
    inputs = {"source": "dsops", **inputs}
    values = {name: inputs.get(name, value.get("default")) for name, value in declared.items()}
    assert None not in values.values()

    def put(node: Any) -> Any:  # any YAML node
        match node:
            case dict():
                return {put(key): put(value) for key, value in node.items()}
            case list():
                return [put(each) for each in node]
            case str():
                return re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: str(values[match[1]]), node)
        return node

    jobs = put(content)
    assert isinstance(jobs, dict)
    assert "$[[" not in repr({**jobs, "variables": None})
    return jobs


def test_a_job_runs_with_its_secrets(job: Job) -> None:
    """A job assumes the role that trusts its project by the component's OIDC token, and `--mask` hides its secrets."""
    code, log = job.run('dsops exec --mask -- sh -c \'echo "it is $TOKEN"; test "$TOKEN" = hush-token-of-production\'')
    assert code == 0, log
    assert log.endswith("it is ***\n")
    assert TOKEN not in log
    assert job.environ["GITLAB_OIDC_TOKEN"] not in log


def test_inputs_choose_environment_and_configuration(job: Job) -> None:
    """The inputs `env` and `config` work like the options `--env` and `--config`."""
    (job.folder / "dsops.yaml").rename(job.folder / "other.yaml")
    code, log = job.run("dsops exec -- printenv TOKEN", config="other.yaml", env="production")
    assert (code, log.splitlines()[-1]) == (0, TOKEN)
    code, log = job.run("dsops exec -- printenv TOKEN", config="other.yaml", env="staging")
    assert code == 125
    assert "staging" in log


def test_a_session_goes_to_later_jobs_as_a_report(job: Job) -> None:
    """A session and secrets are passed to later jobs as a dotenv report, which GitLab turns into variables."""
    code, log = job.run(
        "dsops credentials job --format gitlab --out session.env", "dsops render --format gitlab --out secrets.env"
    )
    assert code == 0, log
    text = (job.folder / "session.env").read_text() + (job.folder / "secrets.env").read_text()
    variables = dict(line.split("=", 1) for line in text.splitlines())
    assert variables["AWS_ACCESS_KEY_ID"].startswith("ASIA")
    assert variables["TOKEN"] == TOKEN
    assert variables["AWS_SECRET_ACCESS_KEY"] not in log
    job.environ |= variables
    code, log = job.run("dsops whoami")
    assert "assumed-role/Deploy/job-17" in log


def test_a_line_that_fails_ends_the_job(job: Job) -> None:
    """The first script line that fails ends the job with its exit code, whether dsops or its command failed."""
    code, log = job.run("dsops exec -- sh -c 'exit 7'", "echo not reached")
    assert (code, "not reached" in log) == (7, False)
    del job.environ["GITLAB_OIDC_TOKEN"]
    code, log = job.run("dsops exec -- true", "echo not reached")
    assert (code, "not reached" in log) == (125, False)
    assert "GITLAB_OIDC_TOKEN is not set" in log


@pytest.mark.parametrize("job", ["sh"], indirect=True)
@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("name", ["env", "config", "source"])
def test_an_input_is_never_code(job: Job, name: str, text: str) -> None:
    """Shell code in an input never runs; the job fails, as no environment, file or package has such a name."""
    job.environ["TOUCH"] = "touch MARK"
    if name == "source":
        # `source` is read only if dsops must be installed; PIP_NO_INDEX keeps pip off the network.
        (job.folder.parent / "tools" / "dsops").unlink()
        job.environ |= {"PIP_NO_INDEX": "1", "PIP_RETRIES": "0"}
    assert job.run("dsops exec -- true", **{name: text})[0] != 0
    assert not (job.folder / "MARK").exists()


@pytest.mark.parametrize("name", ["source", "env", "config", "audience", "image", "job"])
def test_the_script_is_the_same_whatever_the_inputs_say(name: str) -> None:
    """The component's script does not depend on the inputs, which arrive only as YAML values and variables."""
    plain, other = component()[".dsops"], component(**{name: HOSTILE[0]})[HOSTILE[0] if name == "job" else ".dsops"]
    assert plain["before_script"] == other["before_script"]
    assert (plain == other) is (name == "job")


def test_it_is_installed_where_the_image_has_none(tmp_path: Path) -> None:
    """If the image lacks dsops, the job installs it from `source` outside the project; its `python` is unchanged."""
    if not shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin"):
        pytest.skip("there is no python3 outside of a virtual environment")
    # The machine may use a package mirror or cache.
    job = Job(tmp_path, {name: value for name, value in os.environ.items() if name.startswith("PIP_")}, "sh")
    job.environ |= {"PIP_USER": "1", "PIP_TARGET": str(job.folder / "elsewhere")}
    (job.folder / "venv.py").write_text("raise SystemExit('the repository ran')")
    code, log = job.run("command -v dsops", "command -v python3", source=str(ROOT))
    if code and re.search(r"Could not find a version|Connection|resolve|timed out", log):
        pytest.skip(f"dsops could not be installed: {log.splitlines()[-1]}")
    assert code == 0, log
    version, dsops, python = log.splitlines()
    assert re.fullmatch(r"dsops \d+\.\d+\.\d+", version)
    assert Path(dsops) == Path(f"{job.folder}.tmp/dsops/bin/dsops")
    assert not Path(python).is_relative_to(tmp_path)


def test_an_image_without_python_is_told(tmp_path: Path) -> None:
    """In an image without Python, the job fails with a message that says what it needs, even in plain `sh`."""
    job = Job(tmp_path, {"PATH": str(tmp_path)}, "/bin/sh")
    code, log = job.run("true")
    assert code == 1
    assert "dsops needs an image with Python 3.11 or newer" in log


def test_a_source_has_to_be_named() -> None:
    """The input `source` has no default, because an index could have another project's package named `dsops`."""
    header, _ = yaml.safe_load_all((ROOT / "templates" / "dsops.yml").read_text(encoding="utf-8"))
    assert "default" not in header["spec"]["inputs"]["source"]
    assert all("default" in declaration for name, declaration in header["spec"]["inputs"].items() if name != "source")
