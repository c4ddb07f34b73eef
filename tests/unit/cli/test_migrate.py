"""`dsops migrate` as a real process: the rewritten configuration, and the reported changes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

# Names from the original's documentation and code; no line is copied from its files.
OLD = """\
# Where secrets are.
version: 0   # what the original wants

providers:
  # The role.
  deploy:
    type: aws.sts
    region: us-east-1
    assume_role: "arn:aws:iam::111111111111:role/Deploy"  # ask ada
    duration: 1800
    mfa_serial_number: arn:aws:iam::111111111111:mfa/me
    mfa_token_code: "654321"
    external_id: hush-id
    optional: true
  people: {type: aws.sso, start_url: "https://x.awsapps.com/start", region: eu-west-1, account_id: "012345678901",
    role_name: Admin}
  db:
    type: aws.secretsmanager
    endpoint: https://secretsmanager.eu-west-1.amazonaws.com
    kms_key_id: alias/x
    timeoutMs: 5000
  fixed: {type: literal, values: {a: hush-value}, optional: true}
  other:
    type: vault
    address: https://vault.example.com

services:
  postgres:
    type: postgresql

    # Inside.
    host: ${HOST}
# Behind.
envs:
  base:
    A: {from: "fixed:a"}
  production:
    DATABASE_URL:
      from: {provider: db, key: "prod/db#.url"}
      transform: "trim,base64_decode"
      metadata: {owner: ada}
    B: {from: {store: fixed, name: a}, fallback: none, rotation: {every: 1d}}
    HOME_OF: {literal: "${HOME}"}
"""
NEW = """\
# Where secrets are.
version: 1   # what the original wants

secretStores:
  # The role.
  deploy:
    type: aws.sts
    region: us-east-1
    role_arn: "arn:aws:iam::111111111111:role/Deploy"  # ask ada
    duration_seconds: 1800
    serial_number: arn:aws:iam::111111111111:mfa/me
    token_code: "654321"
    external_id: hush-id
    # optional: true
  people: {type: aws.sso, start_url: "https://x.awsapps.com/start", sso_region: eu-west-1, account_id: "012345678901",
    role_name: Admin}
  db:
    type: aws.secretsmanager
    endpoint_url: https://secretsmanager.eu-west-1.amazonaws.com
    # kms_key_id: alias/x
    timeout_ms: 5000
  fixed: {type: literal, values: {a: hush-value}}
  other:
    type: vault
    address: https://vault.example.com

# services:
#   postgres:
#     type: postgresql

#     # Inside.
#     host: ${HOST}
# Behind.
envs:
  base:
    A: {from: "fixed:a"}
  production:
    DATABASE_URL:
      from: {store: db, key: "prod/db#.url"}
      transform: "trim,base64_decode"
      metadata: {owner: ada}
    B: {from: {store: fixed, key: a}, default: none}
    HOME_OF: {literal: "${HOME}"}
"""


class Project:
    """A folder with a configuration file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "dsops.yaml"

    def dsops(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the program in the folder."""
        command = [sys.executable, "-c", "import sys; from dsops.__main__ import main; sys.exit(main())", *words]
        environ = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "DSOPS_AGENT": "off"}
        return subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False, timeout=60
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A folder with a configuration of the original program."""
    project = Project(tmp_path)
    project.file.write_text(OLD)
    return project


def test_a_file_of_the_original_is_rewritten(project: Project) -> None:
    """A rewritten file keeps comments, order and blank lines, and a second run changes nothing.

    Only one problem remains: a store type that needs an extension.
    """
    project.file.chmod(0o640)
    done = project.dsops("migrate", "--write")

    assert (0, NEW) == (done.returncode, project.file.read_text()), done.stderr
    assert 0o640 == stat.S_IMODE(project.file.stat().st_mode)
    assert OLD == (project.folder / "dsops.yaml.before-migrate").read_text()
    problems = json.loads(project.dsops("validate", "--json").stdout)["problems"]
    assert ["no installed package provides the store type `vault`"] == [each["message"] for each in problems]
    assert "needs no change" in project.dsops("migrate", "--write").stdout
    assert OLD == (project.folder / "dsops.yaml.before-migrate").read_text()


def test_the_difference_is_printed_and_nothing_is_written(project: Project) -> None:
    """Without `--write` the diff of the changed lines is printed, with possible secrets hidden."""
    done = project.dsops("migrate")

    assert (0, OLD) == (done.returncode, project.file.read_text())
    assert ["dsops.yaml"] == os.listdir(project.folder)
    assert "\n-    duration: 1800\n" in done.stdout
    assert "\n+    duration_seconds: 1800\n" in done.stdout
    assert "values: {a: ***}" in done.stdout
    for secret in ("hush", "654321"):
        assert secret not in done.stdout + done.stderr


ROLE = "arn:aws:iam::123456789012:role/App"
HIDDEN = f"""\
secretStores:
  x: {{type: aws-sts, role_arn: "{ROLE}", provided_contexts: {{"arn:aws:iam::aws:contextProvider/X": "hush-hush"}}}}
  token: {{type: aws-sts, role_arn: "{ROLE}", web_identity_token: hush.hush.hush}}
  default: {{type: aws-sts, role_arn: "{ROLE}", external_id: "${{E:-hush}}"}}
  escaped: {{type: aws-sts, role_arn: "{ROLE}", external_id: "\\x68ush-\\x41"}}
  shown: {{type: aws-sts, role_arn: "{ROLE}", external_id: "${{E}}"}}
rotation_groups:
  folded:
    password: >
      hush-one
      hush-two
envs: {{a: {{}}}}
"""


def test_every_form_of_a_secret_is_hidden_in_the_difference(project: Project) -> None:
    """The diff hides secrets in every form: secret keys, defaults of variables, escapes and folded texts."""
    project.file.write_text(HIDDEN)
    done = project.dsops("migrate")

    assert done.returncode == 0
    assert "hush" not in done.stdout + done.stderr
    assert "\\x68ush" not in done.stdout
    assert 'external_id: "${E}"' in done.stdout
    assert "-***\n" in done.stdout


def test_every_change_is_told_with_its_line(project: Project) -> None:
    """Every change is listed with its line, and so is every unchanged line whose meaning changes."""
    value = json.loads(project.dsops("migrate", "--json").stdout)

    lines = [2, 4, 9, 10, 11, 12, 14, 15, 19, 20, 21, 22, 27, 39, 42, 42, 42]
    assert lines == [change["line"] for change in value["changes"]]
    assert [17, 23, 43] == [note["line"] for note in value["notes"]]
    assert not value["is_written"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("providers:\n  a: {type: env}\n", "version: 1\nsecretStores:\n  a: {type: env}\n"),
        ("# first\n---\nenvs: {}\n", "# first\n---\nversion: 1\nenvs: {}\n"),
        ("providers:\r\n  a: {type: env}\r\n", "version: 1\r\nsecretStores:\r\n  a: {type: env}\r\n"),
        ("templates: []\nenvs: {}\n", "version: 1\n# templates: []\nenvs: {}\n"),
        ("{envs: {}}\n", "{envs: {}}\n"),
        ("version: 1\nenvs: {}", "version: 1\nenvs: {}"),
        (
            "providers:\n  a: {type: env}\nsecretStores:\n  b: {type: env}\n",
            "version: 1\nproviders:\n  a: {type: env}\nsecretStores:\n  b: {type: env}\n",
        ),
        (
            "x-b: &b\n  timeoutMs: 5\nproviders:\n  a:\n    <<: *b\n    type: env\n  c:\n    <<: *b\n    type: env\n",
            (
                "version: 1\nx-b: &b\n  timeout_ms: 5\nsecretStores:\n  a:\n    <<: *b\n    type: env\n"
                "  c:\n    <<: *b\n    type: env\n"
            ),
        ),
    ],
)
def test_other_file_formats_are_rewritten(project: Project, text: str, expected: str) -> None:
    """`migrate` handles files without version, with directives, CRLF, braces, two sections or anchors."""
    project.file.write_bytes(text.encode())
    done = project.dsops("migrate", "--write")

    assert 0 == done.returncode, done.stderr
    assert expected == project.file.read_bytes().decode()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("providers:\n  a: {type: aws.sts, role: x}\n", ["dsops.yaml:2: secretStores.a.role:"]),
        (
            (
                "providers:\n  s:\n    type: aws.secretsmanager\n    access_key_id: AKIAHUSH\n"
                "    secret_access_key: hush\nenvs:\n  e:\n    A: {from: {service: x}}\n"
            ),
            ["dsops.yaml:4:", "dsops.yaml:5:", "dsops.yaml:8:"],
        ),
        ("providers:\n  a: {type: aws.sts, assume_role: x}\n", ["dsops.yaml:2: secretStores.a.role_arn:"]),
        ("version: 2\nenvs: {}\n", ["dsops.yaml:1: version:"]),
        ("nonsense: {}\n", ["dsops.yaml:1: nonsense:"]),
        ("envs: {a: {A: {literal: x}}}\nenvs: {}\n", ["dsops.yaml:2:"]),
        ("a b: [\n", ["not valid YAML"]),
        ("- a\n", ["not a configuration"]),
        ("envs:\n  e:\n    A: {from: {store: x, key: y}, transform: mine}\n", ["dsops.yaml:3:"]),
    ],
)
def test_lines_that_need_a_decision_are_listed(project: Project, text: str, says: list[str]) -> None:
    """All lines that need a decision are listed; the file stays unchanged, and no value is shown."""
    project.file.write_text(text)
    done = project.dsops("migrate", "--write")

    assert (2, "", text) == (done.returncode, done.stdout, project.file.read_text())
    assert [] == [each for each in says if each not in done.stderr]
    assert "hush" not in done.stderr.lower()


def test_another_file_can_be_named(project: Project) -> None:
    """`migrate FILE` rewrites the named file, and a missing file is an error."""
    (project.folder / "old.yaml").write_text("providers: {}\n")
    assert "+secretStores: {}" in project.dsops("migrate", "old.yaml").stdout
    done = project.dsops("migrate", "odl.yaml")

    assert 2 == done.returncode
    assert "there is no odl.yaml" in done.stderr


def test_a_file_that_is_no_text_is_told(project: Project) -> None:
    """A file that is not UTF-8 is an error with the line number but without content."""
    project.file.write_bytes(b"version: 0\nx: \xff\n")
    done = project.dsops("migrate")

    assert 2 == done.returncode
    assert "dsops.yaml:2" in done.stderr
