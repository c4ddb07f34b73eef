"""A new store type needs a module, its schema and one line of a table: every command works with it from then on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dsops import stores
from dsops.schema import BUILTIN_TYPES, StoreType
from dsops.stores import StoreTypes, find_store
from tests.pipeline import ADA, Pipeline
from tests.stubs.aws import sts_error
from tests.stubs.server import Answer, Seen
from tests.unit.cli.stub_aws import Dsops, StubAws

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = '''
"""A store that reads from a service of AWS, and one that issues sessions."""

from dsops.credentials import Credentials
from dsops.errors import AccessDenied, SecretAccessDenied, SecretNotFound
from dsops.schema import AWS_KEYS, COMMON_KEYS, SESSION_PARTS, StoreKey, StoreType
from dsops.secret import Secret


class Box:
    store_type = StoreType(
        "acme.box",
        "Boxes of Acme.",
        (*COMMON_KEYS, *AWS_KEYS, StoreKey("shelf", "text", "The shelf.")),
        takes_credentials=True,
        service="appconfig",
        read_action="GetBox",
        read_noun="box",
        read_prefix="box/",
    )

    async def fetch(self, step, references, credentials, context):
        return {reference: self._read(step, reference, credentials) for reference in references}

    def _read(self, step, reference, credentials):
        if reference.key == "gone":
            return SecretNotFound("there is no box `gone`")
        if reference.key == "locked":
            return SecretAccessDenied("the box `locked` may not be read")
        return Secret(f"{step.settings['shelf']}/{reference.key} by {credentials.access_key_id}")


class Badge:
    store_type = StoreType(
        "acme.badge",
        "Sessions of Acme.",
        (*COMMON_KEYS, *AWS_KEYS, StoreKey("badge", "text", "The badge.")),
        gives_credentials=True,
        takes_credentials=True,
        service="appconfig",
        session_action="IssueBadge",
        role_keys=("badge",),
        session_parts=SESSION_PARTS,
    )

    async def issue(self, step, source, context):
        if step.settings["badge"] == "LOST":
            raise AccessDenied("the badge LOST may not be issued")
        return Credentials(f"ASIA{step.settings['badge']}", Secret("hush-badge"), Secret("hush-token"))

    async def fetch(self, step, references, credentials, context):
        return {reference: Secret(credentials.access_key_id) for reference in references}


BOX, BADGE = Box(), Badge()
STORE = BOX
'''

CONFIG = """
version: 1
secretStores:
  badge: {type: acme.badge, region: us-east-1, badge: NUMBER7}
  box: {type: acme.box, region: us-east-1, shelf: top, credentials_from: badge}
  lost: {type: acme.badge, region: us-east-1, badge: LOST}
envs:
  open:
    TOKEN: {from: {store: box, key: red}}
    OTHER: {from: {store: box, key: gone}, optional: true}
  locked:
    TOKEN: {from: {store: box, key: locked}}
  lost:
    TOKEN: {from: {store: lost, key: access_key_id}}
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the package `acme_box`, installed: a module and its entry points."""
    folder = tmp_path / "site"
    metadata = folder / "acme_box-1.0.dist-info"
    metadata.mkdir(parents=True)
    (folder / "acme_box.py").write_text(PACKAGE)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-box\nVersion: 1.0\n")
    lines = "[dsops.stores]\nacme.box = acme_box:BOX\nacme.badge = acme_box:BADGE\n"
    (metadata / "entry_points.txt").write_text(lines)
    return folder


class _Aws(StubAws):
    """A caller whose identity can be asked for, and nothing else."""

    def _answer(self, seen: Seen) -> Answer:
        if seen.method == "GET" or b"GetCallerIdentity" in seen.body:
            return super()._answer(seen)
        return sts_error("AccessDenied", "not allowed")


@pytest.fixture
def dsops(tmp_path: Path, installed: Path) -> Iterator[Dsops]:
    """The program beside that package, with a configuration that uses both types."""
    with _Aws() as aws:
        program = Dsops(tmp_path, aws)
        (tmp_path / "dsops.yaml").write_text(CONFIG)
        program.allows = False
        program.environ |= {"DSOPS_CONFIG": str(tmp_path / "dsops.yaml"), "PYTHONPATH": str(installed)}
        yield program


def test_exec_gives_its_values_to_the_command(dsops: Dsops) -> None:
    """`exec` reads the secret with the new type's session and leaves out an optional variable without a value."""
    done = dsops.run("exec", "--env", "open", "--", "sh", "-c", 'echo "$TOKEN, ${OTHER-left out}"')
    assert (done.returncode, done.stdout) == (0, b"top/red by ASIANUMBER7, left out\n"), done.stderr


def test_plan_shows_what_it_calls(dsops: Dsops) -> None:
    """`plan` shows the action that issues the session, the session's principal, and one request for each secret."""
    done = dsops.run("plan", "--env", "open")
    assert done.returncode == 0, done.stderr
    assert b"badge: IssueBadge NUMBER7" in done.stdout
    assert b"box: acme.box in us-east-1, 2 secrets" in done.stdout
    value = json.loads(dsops.run("plan", "--env", "open", "--json").stdout)
    assert [(step["type"], step["operation"]) for step in value["stores"]] == [
        ("acme.badge", "IssueBadge"),
        ("acme.box", None),
    ]
    assert value["calls"] == 3


def test_graph_shows_its_hop_and_its_store(dsops: Dsops) -> None:
    """`graph` labels the new type's hop with its own action, not with `aws.sts`."""
    done = dsops.run("graph", "--env", "open")
    assert done.returncode == 0, done.stderr
    assert b"IssueBadge" in done.stdout
    assert b"acme.box" in done.stdout


def test_doctor_tries_it_and_asks_its_server(dsops: Dsops) -> None:
    """`doctor` checks both stores and the endpoint of the service that the new types name."""
    with StubAws() as other:
        done = dsops.run("doctor", "--env", "open", "--json", AWS_ENDPOINT_URL_APPCONFIG=other.server.url)
        checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
        assert checks["endpoint appconfig.us-east-1"]["status"] == "ok"
        assert [seen.method for seen in other.server.seen] == ["GET"]
    assert checks["store badge"]["detail"].startswith("IssueBadge gave")
    assert checks["store box (open)"]["status"] == "ok"


@pytest.mark.parametrize(("environment", "store"), [("locked", "box"), ("lost", "lost")])
def test_explain_asks_policies_about_its_action(dsops: Dsops, environment: str, store: str) -> None:
    """`explain` evaluates the policies for the new type's action when a read or session is refused."""
    done = dsops.run("explain", "--env", environment, "--json")
    assert done.returncode == 6, done.stderr
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["cause"], finding["place"]["store"]) == ("identity-policy", store)


def test_policy_generate_allows_its_read(dsops: Dsops) -> None:
    """`policy generate` takes the permission and the ARN from the new type."""
    done = dsops.run("policy", "generate", "--env", "open", "--json")
    assert done.returncode == 0, done.stderr
    assert b"appconfig:GetBox" in done.stdout
    assert b":box/red" in done.stdout


def test_lists_of_types_have_it(dsops: Dsops) -> None:
    """`dsops stores`, the JSON Schema and completion list the new type."""
    listed = json.loads(dsops.run("stores", "--json").stdout)["types"]
    assert {"acme.box", "acme.badge"} <= {store_type["name"] for store_type in listed}
    assert b'"acme.box"' in dsops.run("schema").stdout
    assert b"box\tacme.box" in dsops.run("complete", "--", "credentials", "").stdout


def test_one_line_of_the_table_makes_a_module_of_stores_a_type(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry in `BUILTIN_TYPES` is enough: the module is found in `dsops.stores` by the type's name."""
    monkeypatch.setattr(stores, "__path__", [*stores.__path__, str(installed)])
    monkeypatch.syspath_prepend(installed)
    store_type = _schema_of(installed)
    monkeypatch.setitem(BUILTIN_TYPES, "acme.box", store_type)

    assert StoreTypes()["acme.box"] is store_type
    assert find_store("acme.box").store_type.name == "acme.box"
    pipeline = Pipeline()
    text = """
secretStores: {box: {type: acme.box, region: us-east-1, shelf: low}}
envs: {e: {X: {from: {store: box, key: blue}}}}
"""
    assert pipeline.resolve(text) == {"X": f"low/blue by {ADA['AWS_ACCESS_KEY_ID']}"}
    monkeypatch.delitem(sys.modules, "dsops.stores.acme_box")


def _schema_of(folder: Path) -> StoreType:
    namespace: dict[str, object] = {}
    exec(compile((folder / "acme_box.py").read_text(), "acme_box.py", "exec"), namespace)  # noqa: S102
    store_type = getattr(namespace["BOX"], "store_type", None)
    assert isinstance(store_type, StoreType)
    return store_type
