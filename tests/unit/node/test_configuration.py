"""The node's file: its keys, all its problems with their lines, and who may write it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dsops.errors import ConfigError, ConfigNotFound
from dsops.node.configuration import ListenAddress, NodeConfig, load_node_config, require_trusted
from dsops.node.service import need_root
from dsops.node.workloads import PeerRule, SecretRule


def load(folder: Path, text: str) -> NodeConfig:
    """Write the file for this user alone, and read it."""
    file = folder / "node.yaml"
    file.write_text(text)
    file.chmod(0o600)
    return load_node_config(str(file))


def problems(folder: Path, text: str) -> list[tuple[int, str, str]]:
    """The line, path and message of each problem."""
    with pytest.raises(ConfigError) as raised:
        load(folder, text)
    return [(problem.where.line, problem.path, problem.message) for problem in raised.value.problems]


def test_every_key(tmp_path: Path) -> None:
    """Names of accounts become numbers, paths are relative to the file, and one text counts as a list of one."""
    config = load(
        tmp_path,
        """\
config: stores/dsops.yaml
listen: ["127.0.0.1:8484", "[::1]:8484", "169.254.170.23:80", "[fd00:ec2::23]:80", "unix:/run/dsops-node/node.sock"]
tokens: /run/tokens
workloads:
  web:
    uid: root
    gid: 7
    unit: web.service
    cgroup: /system.slice/web.service/
    stores: [web, other]
    secrets: {store: app, names: app/*}
  job:
    unit: job@1.service
    token_owner: 1001
    stores: job
""",
    )
    assert config.config == str(tmp_path / "stores" / "dsops.yaml")
    assert config.tokens == "/run/tokens"
    assert config.listen == (
        ListenAddress("127.0.0.1", 8484, ""),
        ListenAddress("::1", 8484, ""),
        ListenAddress("169.254.170.23", 80, ""),
        ListenAddress("fd00:ec2::23", 80, ""),
        ListenAddress("", 0, "/run/dsops-node/node.sock"),
    )
    web, job = config.workloads
    assert web.peer == PeerRule(0, 7, "web.service", "/system.slice/web.service")
    assert (web.stores, web.secrets, web.token_owner) == (("web", "other"), SecretRule("app", ("app/*",)), 0)
    assert (job.peer, job.token_owner, job.where.line) == (PeerRule(unit="job@1.service"), 1001, 12)


def test_rules_about_processes_need_root(tmp_path: Path) -> None:
    """A rule with only a uid is proven by the connection alone."""
    text = "{uid: 33, stores: x}, unit: {unit: a.service, stores: x}, gid: {gid: 7, stores: x}"
    assert need_root(load(tmp_path, f"workloads: {{uid: {text}}}\n")) == ("unit", "gid")


def test_the_defaults(tmp_path: Path) -> None:
    """Without other keys, the node listens on port 8484 of loopback, and reads the dsops.yaml beside its file."""
    config = load(tmp_path, "workloads: {web: {uid: 33, stores: web}}\n")
    assert config.listen == (ListenAddress("127.0.0.1", 8484, ""),)
    assert (config.config, config.tokens) == (str(tmp_path / "dsops.yaml"), "/run/dsops-node/tokens")
    assert config.workloads[0].token_owner == 33


def test_all_problems_are_reported_with_their_lines(tmp_path: Path) -> None:
    """One run shows every problem."""
    found = problems(
        tmp_path,
        """\
lisen: x
listen: ["0.0.0.0:80", "127.0.0.1"]
workloads:
  -web:
    uid: 33
    stores: x
  all:
    stores: x
  idle:
    uid: no-such-user
  web:
    uid: 33
    unit: web
    cgroup: /
    gid: [1]
    store: x
    stores: {a: b}
    secrets: {store: app}
""",
    )
    assert found == [
        (1, "lisen", "there is no key `lisen` here"),
        (2, "listen", "`0.0.0.0:80` is not an address of this machine alone"),
        (2, "listen", "`127.0.0.1` is not an address of this machine alone"),
        (4, "workloads.-web", "a name has letters, digits, `_`, `.` and `-`, and at most 64 characters"),
        (7, "workloads.all", "nothing says which processes belong to the workload"),
        (9, "workloads.idle", "nothing says which processes belong to the workload"),
        (9, "workloads.idle", "the workload gets nothing"),
        (10, "workloads.idle.uid", "there is no account `no-such-user`"),
        (13, "workloads.web.unit", "a unit ends with `.service` or `.scope`"),
        (14, "workloads.web.cgroup", "a cgroup is an absolute path, and not `/`"),
        (15, "workloads.web.gid", "`gid` is one value"),
        (16, "workloads.web.store", "there is no key `store` here"),
        (17, "workloads.web.stores", "`stores` is a list of texts"),
        (18, "workloads.web.secrets", "`secrets` needs both `store` and `names`"),
    ]


@pytest.mark.parametrize("text", ["", "- x\n", "workloads:\n", "workloads: {}\n", "workloads: [x]\n", "a: [\n", "~\n"])
def test_a_file_without_workloads_is_an_error(tmp_path: Path, text: str) -> None:
    """An empty, malformed or incomplete file is refused."""
    with pytest.raises(ConfigError):
        load(tmp_path, text)


def test_a_missing_file(tmp_path: Path) -> None:
    """The error says how to name another file."""
    with pytest.raises(ConfigNotFound, match=r"there is no file .*none\.yaml"):
        load_node_config(str(tmp_path / "none.yaml"))


def test_a_file_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """A user who can write the file could give sessions to other processes."""
    file = tmp_path / "node.yaml"
    file.write_text("workloads: {web: {uid: 33, stores: web}}\n")
    for mode in (0o620, 0o602):
        file.chmod(mode)
        with pytest.raises(ConfigError, match="is not trusted") as raised:
            load_node_config(str(file))
        assert raised.value.why == "other users can write it"


def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    """Only root and the node's own user may own the file."""
    status = list(os.stat(tmp_path))
    status[0], status[4] = 0o100600, os.geteuid() + 1
    with pytest.raises(ConfigError, match="is not trusted") as raised:
        require_trusted("node.yaml", os.stat_result(status))
    assert raised.value.why == f"it belongs to uid {os.geteuid() + 1}"
    status[4] = 0
    require_trusted("node.yaml", os.stat_result(status))
