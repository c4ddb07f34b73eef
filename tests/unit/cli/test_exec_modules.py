"""The exact set of modules that a cold `dsops exec --no-agent` imports, which varies less than its duration."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.permission import allow_found
from tests.unit.cli.stub_aws import Agent, Dsops, StubAws

PROGRAM = """
import os, sys
before = set(sys.modules)
def execve(*_):
    os.write(1, "\\n".join(sorted(set(sys.modules) - before)).encode())
    os._exit(0)
os.execve = execve
from dsops.__main__ import main
sys.exit(main())
"""

OURS = """
dsops dsops.__main__ dsops.agent dsops.agent.client dsops.arn dsops.audit dsops.audit.chain dsops.audit.journal
dsops.audit.lock dsops.audit.lost_lines dsops.audit.record dsops.audit.settings dsops.audit.trail dsops.aws
dsops.aws.apis dsops.aws.apis.secretsmanager dsops.aws.apis.sts dsops.aws.http dsops.aws.http.answer
dsops.aws.http.call dsops.aws.http.client dsops.aws.http.network dsops.aws.http.refusal dsops.aws.http.transport
dsops.aws.http.wire dsops.aws.identity dsops.aws.identity.ambient dsops.aws.identity.ambient_files dsops.cache
dsops.cli dsops.cli.framework dsops.cli.framework.command dsops.cli.framework.commands dsops.cli.framework.parser
dsops.cli.framework.process_runtime dsops.cli.framework.project dsops.cli.run dsops.cli.run.exec
dsops.cli.run.guard_flags dsops.cli.run.program
dsops.config dsops.config.allow dsops.config.environments dsops.config.extends dsops.config.files dsops.config.find
dsops.config.layers dsops.config.problems dsops.config.references dsops.config.sections dsops.config.stores
dsops.credentials dsops.document dsops.document.nodes dsops.document.yaml_reader dsops.dumps dsops.endpoint
dsops.environment dsops.errors dsops.errors.base dsops.errors.configuration dsops.errors.credentials
dsops.errors.services dsops.input_file dsops.interpolate dsops.model dsops.pipeline dsops.pipeline.configuration
dsops.pipeline.execution dsops.pipeline.journal dsops.pipeline.plans dsops.pipeline.target dsops.plan dsops.plan.draft
dsops.plan.drafts dsops.plan.findings dsops.plan.fingerprint dsops.plan.limits dsops.plan.make dsops.plan.mfa
dsops.plan.references dsops.plan.types dsops.process dsops.resolve dsops.resolve.acts dsops.resolve.identity
dsops.resolve.resolver dsops.resolve.sessions dsops.runtime dsops.schema dsops.schema.aws dsops.schema.check
dsops.schema.existing_credentials dsops.schema.local dsops.schema.operation
dsops.schema.rolesanywhere dsops.schema.sso dsops.schema.store_type
dsops.schema.sts dsops.schema.sts_keys dsops.schema.sts_operations dsops.secret dsops.startup dsops.stores
dsops.stores.aws_secretsmanager dsops.stores.aws_sts dsops.stores.endpoints dsops.stores.fields dsops.stores.interface
dsops.tasks dsops.user_folders dsops.version
"""

# aws/http/transport.py loads pycurl's extension without adding it to sys.modules.
OTHERS = """
yaml yaml._yaml yaml.composer yaml.constructor yaml.cyaml yaml.dumper yaml.emitter yaml.error yaml.events
yaml.loader yaml.nodes yaml.parser yaml.reader yaml.representer yaml.resolver yaml.scanner yaml.serializer
yaml.tokens
"""

# `importlib` is loaded in every interpreter already. `math` and `warnings` are imported by newer Python versions.
STANDARD = """
base64 binascii collections copyreg datetime enum errno fcntl functools heapq importlib itertools json keyword
operator pwd pyexpat re reprlib resource select signal struct types
"""
STANDARD_IN_SOME = "math warnings"


def imported(dsops: Dsops, *words: str) -> set[str]:
    """The modules loaded when the command starts, besides those of a bare interpreter."""
    allow_found(dsops.folder, dsops.environ)
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM, *words],
        cwd=dsops.folder,
        env=dsops.environ,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.split())


def test_a_cold_run_imports_exactly_this(tmp_path: Path) -> None:
    """A cold run with one role and one secret imports exactly the listed modules.

    A new module must be worth its import time: docs/decisions/0014-startup.md.
    """
    with StubAws() as aws:
        modules = imported(Dsops(tmp_path, aws), "exec", "--no-agent", "--env", "production", "--", "true")
        assert aws.calls == ["AssumeRole", "GetSecretValue"]
    standard = {name.partition(".")[0] for name in modules} & sys.stdlib_module_names
    public = {name for name in standard if not name.startswith("_")}
    assert {name for name in modules if name.partition(".")[0] == "dsops"} == set(OURS.split())
    assert {name for name in modules if name.partition(".")[0] in {"pycurl", "yaml"}} == set(OTHERS.split())
    assert public - set(STANDARD_IN_SOME.split()) == set(STANDARD.split())
    known = standard | {"dsops", "yaml"}
    # Compiled modules leave Cython's runtime and its ABI module behind.
    strangers = {name for name in modules if name.partition(".")[0] not in known and "cython" not in name}
    assert strangers == set()


def test_a_run_without_aws_imports_no_transport(tmp_path: Path) -> None:
    """An environment of literals imports neither libcurl nor a store's module."""
    modules = imported(Dsops(tmp_path), "exec", "--env", "plain", "--", "true")
    assert modules & {"dsops.aws.http.transport", "pyexpat", "dsops.aws.apis.sts", "dsops.stores.aws_sts"} == set()
    assert "dsops.process" in modules


@pytest.mark.parametrize(
    ("words", "reads"),
    [(("--env", "production"), 2), (("production",), 2), (("target",), 0), (("--credentials", "target"), 0)],
)
def test_a_warm_run_imports_next_to_nothing(tmp_path: Path, words: tuple[str, ...], reads: int) -> None:
    """A warm run imports the agent's client and only those standard modules that are built into the interpreter."""
    with StubAws() as aws, Agent(tmp_path, aws) as dsops:
        dsops.run("exec", *words, "--", "true")
        modules = imported(dsops, "exec", *words, "--", "true")
        assert aws.calls == ["AssumeRole", *["GetSecretValue"] * reads]
    assert modules == {"dsops", "dsops.__main__", "dsops.agent", "dsops.agent.client", "dsops.version", "_socket"}
