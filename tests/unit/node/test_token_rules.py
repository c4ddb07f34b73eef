"""Rules about tokens of Kubernetes and SPIFFE: how they are written, and which callers they admit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dsops.errors import ConfigError
from dsops.node.configuration import NodeConfig, load_node_config
from dsops.node.peer import Peer
from dsops.node.processes import PeerProcess
from dsops.node.workloads import Workloads
from dsops.workload.identities import SVID_USE
from tests.stubs.workload_api import StubWorkloadApi, bundles_answer
from tests.workload_tokens import CLUSTER, NOW, TokenIssuer, pod_claims, svid_claims

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the node runs on Linux")

KUBERNETES = f"""\
kubernetes: {{issuer: "{CLUSTER}", jwks: JWKS, node: "${{NODE_NAME}}"}}
workloads:
  app: {{kubernetes: {{namespace: shop, service_account: app}}, stores: app}}
  admin: {{kubernetes: {{namespace: shop, service_account: admin}}, uid: 0, stores: admin}}
"""
SPIFFE = "workloads: {web: {spiffe: 'spiffe://example.org/app', stores: web}}\n"


def load(folder: Path, text: str, environ: dict[str, str] | None = None) -> NodeConfig:
    """Write the file for this user alone, and read it."""
    file = folder / "node.yaml"
    file.write_text(text)
    file.chmod(0o600)
    return load_node_config(str(file), environ)


def known(folder: Path, issuer: TokenIssuer, text: str = KUBERNETES) -> Workloads:
    """The workloads of a node of the cluster, whose keys are loaded."""
    (folder / "keys.json").write_text(json.dumps(issuer.key_set))
    config = load(folder, text.replace("JWKS", str(folder / "keys.json")), {"NODE_NAME": "node-1"})
    for workload in config.workloads:
        assert workload.token_check is not None
        workload.token_check.refresh()
    return Workloads(config.workloads, {})


def found(workloads: Workloads, token: str, pod: str = "uid-of-app-1", uid: int = 1000) -> str:
    """The name of the workload of a caller in that pod; "" if it is refused."""
    peer = Peer(uid, lambda: (PeerProcess(7, uid, uid, "", "", pod),))
    caller = workloads.find(peer, token.encode("latin-1"), NOW)
    return caller.workload.name if caller is not None else ""


def test_a_service_account_is_a_workload(tmp_path: Path) -> None:
    """The token of a pod with the rule's service account admits its caller, with facts of the pod."""
    issuer = TokenIssuer()
    workloads = known(tmp_path, issuer)
    assert found(workloads, issuer.sign(pod_claims())) == "app"
    peer = Peer(0, lambda: (PeerProcess(7, 0, 0, "", "", "uid-of-app-1"),))
    caller = workloads.find(peer, issuer.sign(pod_claims()).encode(), NOW)
    assert caller is not None
    assert caller.subject.text == "system:serviceaccount:shop:app"
    assert dict(caller.subject.facts) == {
        "namespace": "shop",
        "service_account": "app",
        "pod": "app-1",
        "pod_uid": "uid-of-app-1",
        "node": "node-1",
    }


def admin_claims() -> dict[str, object]:
    """The claims of a pod of the service account `shop/admin`."""
    bound = pod_claims()["kubernetes.io"]
    assert isinstance(bound, dict)
    account = {**bound, "serviceaccount": {"name": "admin", "uid": "9"}}
    return pod_claims(**{"kubernetes.io": account, "sub": "system:serviceaccount:shop:admin"})


def test_the_token_the_pod_and_the_user_must_match(tmp_path: Path) -> None:
    """A token of another account, node or issuer, replayed from another pod, or by another user, is refused."""
    issuer = TokenIssuer()
    workloads = known(tmp_path, issuer)
    good, bound = issuer.sign(pod_claims()), pod_claims()["kubernetes.io"]
    assert isinstance(bound, dict)
    assert found(workloads, issuer.sign(admin_claims()), uid=0) == "admin"
    assert found(workloads, issuer.sign(admin_claims()), uid=1000) == ""
    assert found(workloads, good, pod="uid-of-thief") == ""
    assert found(workloads, good, pod="") == ""
    elsewhere = pod_claims(**{"kubernetes.io": {**bound, "node": {"name": "node-2"}}})
    assert found(workloads, issuer.sign(elsewhere)) == ""
    assert found(workloads, TokenIssuer().sign(pod_claims())) == ""
    assert found(workloads, good + "é") == ""
    assert found(workloads, "") == ""


def test_a_pod_in_its_own_network_namespace_is_looked_up(tmp_path: Path) -> None:
    """A peer without a socket on the host has no user, and must be in the token's pod."""
    issuer = TokenIssuer()
    workloads = known(tmp_path, issuer)
    asked: list[str] = []

    def peer(*, is_in_pod: bool) -> Peer:
        def answer(pod_uid: str) -> bool:
            asked.append(pod_uid)
            return is_in_pod

        return Peer(None, is_in_pod=answer)

    token = issuer.sign(pod_claims()).encode()
    assert workloads.find(peer(is_in_pod=True), token, NOW) is not None
    assert workloads.find(peer(is_in_pod=False), token, NOW) is None
    assert asked == ["uid-of-app-1"] * 2
    # The rule of `admin` also has a user, which is not proven for this peer.
    assert workloads.find(peer(is_in_pod=True), issuer.sign(admin_claims()).encode(), NOW) is None


def test_without_process_checks_the_token_is_enough(tmp_path: Path) -> None:
    """`check_process: false` is for nodes that can't see the processes of pods."""
    issuer = TokenIssuer()
    workloads = known(tmp_path, issuer, KUBERNETES.replace("jwks", "check_process: false, jwks"))
    assert found(workloads, issuer.sign(pod_claims()), pod="") == "app"


def test_a_spiffe_id_is_a_workload(tmp_path: Path) -> None:
    """The JWT-SVID of the rule's SPIFFE ID admits its caller, with keys of the Workload API; another SVID does not."""
    issuer = TokenIssuer(use=SVID_USE)
    bundle = json.dumps(issuer.key_set)
    with StubWorkloadApi(tmp_path / "s", lambda _: bundles_answer("spiffe://example.org", bundle)) as api:
        config = load(tmp_path, SPIFFE, {"SPIFFE_ENDPOINT_SOCKET": api.url})
        check = config.workloads[0].token_check
        assert check is not None
        assert (str(check), check.seconds()) == ("spiffe://example.org/app", 0)
        check.refresh()
        assert check.seconds() == pytest.approx(300, abs=60)
    workloads = Workloads(config.workloads, {})
    assert found(workloads, issuer.sign(svid_claims()), pod="") == "web"
    assert found(workloads, issuer.sign(svid_claims(sub="spiffe://example.org/app/other")), pod="") == ""
    assert found(workloads, issuer.sign(svid_claims(aud=["sts.amazonaws.com"])), pod="") == ""


def cluster(fields: str) -> str:
    """A file with one workload, and these fields of the cluster."""
    rule = "{kubernetes: {namespace: shop, service_account: app}, stores: a}"
    return f"kubernetes: {{{fields}}}\nworkloads: {{app: {rule}}}\n"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (cluster("issuer: 'http://example.org'"), "kubernetes.issuer"),
        (cluster("audience: a"), "kubernetes.issuer"),
        (cluster("issuer: 'https://example.org', jwks: 'http://example.org/keys'"), "kubernetes.jwks"),
        (cluster("issuer: 'https://example.org', jwks: keys.json"), "kubernetes.jwks"),
        (cluster("issuer: 'https://example.org', ca_file: ca.crt"), "kubernetes.ca_file"),
        (cluster("issuer: 'https://example.org', check_process: maybe"), "kubernetes.check_process"),
        (cluster("issuer: 'https://example.org', node: '${MISSING}'"), "kubernetes.node"),
        (cluster("issuer: 'https://example.org', isuer: a"), "kubernetes.isuer"),
        (cluster("issuer: ['https://example.org']"), "kubernetes.issuer"),
        (
            "workloads: {app: {kubernetes: {namespace: shop, service_account: app}, stores: a}}",
            "workloads.app.kubernetes",
        ),
        (SPIFFE.replace("/app'", "'"), "workloads.web.spiffe"),
        (SPIFFE.replace("/app'", "/../app'"), "workloads.web.spiffe"),
        (SPIFFE.replace("'spiffe://example.org/app'", "[a]"), "workloads.web.spiffe"),
        (f"spiffe: yes\n{SPIFFE}", "spiffe"),
        (SPIFFE.replace("stores", "kubernetes: {}, stores"), "workloads.web"),
    ],
)
def test_problems_have_a_path(tmp_path: Path, text: str, path: str) -> None:
    """A wrong value is reported with its path."""
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert path in [problem.path for problem in caught.value.problems]


@pytest.mark.parametrize(
    "change", [lambda text: text.replace("shop", "Shop"), lambda text: text.replace("app}", "'*'}")]
)
def test_names_are_no_patterns(tmp_path: Path, change: Callable[[str], str]) -> None:
    """A service account is named exactly."""
    with pytest.raises(ConfigError):
        load(tmp_path, change(cluster("issuer: 'https://example.org'")))
