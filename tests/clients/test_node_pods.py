"""EKS Pod Identity with `dsops node serve`: pods in network namespaces and cgroups of their own, and real boto3.

The machine is a network namespace, too, so that the address of EKS is free. This needs root and a writable cgroup.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.children import SECONDS, Child
from tests.permission import allow_found
from tests.workload_tokens import CLUSTER, TokenIssuer, pod_claims

ADDRESS = "169.254.170.23"
IPV6_ADDRESS = "fd00:ec2::23"
HAS_IPV6 = Path("/proc/net/if_inet6").is_file()
SEED = """\
accounts:
  "111111111111":
    roles:
      App:
        trust:
          Version: "2012-10-17"
          Statement: {Effect: Allow, Principal: {AWS: "111111111111"}, Action: [sts:AssumeRole, sts:TagSession]}
"""
STORES = """\
version: 1
secretStores:
  app: {type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::111111111111:role/App"}
  tagged:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::111111111111:role/App
    tags: {kubernetes-namespace: "${KUBERNETES_NAMESPACE}", kubernetes-pod-name: "${KUBERNETES_POD_NAME}"}
"""
NODE = f"""\
listen: [{f'"[{IPV6_ADDRESS}]:80", ' if HAS_IPV6 else ""}"{ADDRESS}:80"]
tokens: tokens
kubernetes: {{issuer: "{CLUSTER}", jwks: JWKS, node: "${{NODE_NAME}}"}}
workloads:
  app: {{kubernetes: {{namespace: shop, service_account: app}}, stores: [app, tagged]}}
"""
BOTO3 = "import boto3; print(boto3.Session().get_credentials().get_frozen_credentials().access_key)"
ASK = f"""\
import http.client, json, sys
for file, path in json.loads(sys.argv[1]):
    connection = http.client.HTTPConnection("{ADDRESS}", timeout=100)
    connection.request("GET", path, headers={{"Authorization": open(file).read()}})
    response = connection.getresponse()
    print(json.loads(response.read()).get("AccessKeyId", response.status))
    connection.close()
"""


def run(*words: str) -> None:
    """Run a program that must succeed."""
    subprocess.run(words, check=True, capture_output=True, text=True, timeout=SECONDS)


def cgroups() -> Path | None:
    """The root of the hierarchy that systemd's units are in; None if this machine shows none."""
    for path in (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup")):
        if (path / "cgroup.procs").is_file():
            return path
    return None


@contextmanager
def namespace(name: str) -> Iterator[str]:
    """A network namespace with a loopback device."""
    run("ip", "netns", "add", name)
    try:
        run("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        run("ip", "netns", "del", name)


class Cluster:
    """A node of a cluster, and its pods."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        root = cgroups()
        if os.geteuid() != 0 or shutil.which("ip") is None or root is None:
            pytest.skip("this test needs root, the program ip, and a cgroup")
        self.folder = folder
        self.cgroups = root / f"kubepods-dsops-{os.getpid()}"
        self._stack = stack
        self._tag = f"dsops{os.getpid()}"
        self._pods = 0
        try:
            self.machine = stack.enter_context(namespace(f"{self._tag}m"))
            self.cgroups.mkdir()
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"network namespaces or cgroups can't be made here: {error}")
        stack.callback(self.cgroups.rmdir)
        self.issuer = TokenIssuer()
        self.environ = {**os.environ, "HOME": str(folder), "NODE_NAME": "node-1"}

    def add_pod(self, uid: str) -> str:
        """A pod's network namespace, which reaches the address of EKS on the machine; its cgroup is made, too."""
        self._pods += 1
        name, ours, theirs = f"{self._tag}p{self._pods}", f"m{self._pods}", f"10.9.{self._pods}.2"
        self._stack.enter_context(namespace(name))
        run("ip", "-n", self.machine, "link", "add", ours, "type", "veth", "peer", "name", "eth0", "netns", name)
        if self._pods == 1:
            run("ip", "-n", self.machine, "address", "add", f"{ADDRESS}/32", "dev", "lo")
        run("ip", "-n", self.machine, "link", "set", ours, "up")
        run("ip", "-n", self.machine, "route", "add", theirs, "dev", ours)
        run("ip", "-n", name, "address", "add", f"{theirs}/32", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "eth0", "up")
        run("ip", "-n", name, "route", "add", ADDRESS, "dev", "eth0", "src", theirs)
        if HAS_IPV6:
            self._add_ipv6(name, ours)
        (self.cgroups / f"pod{uid}").mkdir()
        self._stack.callback(self._remove, self.cgroups / f"pod{uid}")
        return name

    def _add_ipv6(self, name: str, ours: str) -> None:
        """Add the addresses and routes of IPv6 for a pod."""
        theirs = f"2001:db8:{self._pods}::2"
        addresses = [(self.machine, "fe80::1/64", ours), (name, "fe80::2/64", "eth0"), (name, f"{theirs}/128", "eth0")]
        if self._pods == 1:
            addresses.append((self.machine, f"{IPV6_ADDRESS}/128", "lo"))
        for place, address, device in addresses:
            run("ip", "-n", place, "-6", "address", "add", address, "dev", device, "nodad")
        run("ip", "-n", self.machine, "-6", "route", "add", theirs, "via", "fe80::2", "dev", ours)
        run("ip", "-n", name, "-6", "route", "add", IPV6_ADDRESS, "via", "fe80::1", "dev", "eth0", "src", theirs)

    def serve(self) -> None:
        """Start the node, with a sandbox, in the machine's namespace."""
        for name, text in (("seed.yaml", SEED), ("dsops.yaml", STORES), ("node.yaml", NODE)):
            (self.folder / name).write_text(text.replace("JWKS", str(self.folder / "keys.json")))
            (self.folder / name).chmod(0o600)
        (self.folder / "keys.json").write_text(json.dumps(self.issuer.key_set))
        allow_found(self.folder, self.environ)
        dsops = [sys.executable, "-m", "dsops"]
        command = ["ip", "netns", "exec", self.machine, *dsops, "sandbox", "run", "--seed", "seed.yaml", "--", *dsops]
        child = Child(
            [*command, "node", "serve", "--node", "node.yaml"],
            cwd=self.folder,
            env=self.environ,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stack.enter_context(child)
        self._stack.callback(child.terminate)
        assert child.stderr is not None
        said = []
        for line in child.stderr:
            said.append(line)
            if f"serves at http://{ADDRESS}" in line:
                break
        assert said[-1].endswith(f" http://{ADDRESS}\n"), "".join(said)

    def token(self, pod: str) -> Path:
        """The file with the token that Kubernetes projects into the pod."""
        moment = int(time.time()) - 10
        file = self.folder / f"token-{pod}"
        file.write_text(self.issuer.sign(pod_claims(pod, iat=moment, nbf=moment, exp=moment + 3600)))
        return file

    def in_pod(self, namespace_name: str, uid: str, *words: str, environ: Mapping[str, str]) -> str:
        """The output of a Python program in the pod."""
        enter = f'echo $$ > "{self.cgroups}/pod{uid}/cgroup.procs" && exec "$@"'
        command = ["sh", "-c", enter, "sh", "ip", "netns", "exec", namespace_name, sys.executable, "-c", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(environ), timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _remove(self, folder: Path) -> None:
        """Remove the cgroup after its last process has left it."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with suppress(OSError):
                folder.rmdir()
                return
            time.sleep(0.01)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A node without pods."""
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


@pytest.mark.timeout(600)
def test_a_pod_gets_its_session_and_no_other_pod_can_use_its_token(cluster: Cluster) -> None:
    """boto3 in a pod gets a session with two variables; the token is refused from another pod and from the machine.

    A store with the variables of pods has a session for each pod, with the pod's name as a tag.
    """
    app, thief = cluster.add_pod("uid-of-app-1"), cluster.add_pod("uid-of-thief")
    token = cluster.token("app-1")
    cluster.serve()
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": str(cluster.folder / "nowhere"),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{ADDRESS}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
    }
    key = cluster.in_pod(app, "uid-of-app-1", BOTO3, environ=variables)
    assert key.startswith("ASIA")
    if HAS_IPV6:
        variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = f"http://[{IPV6_ADDRESS}]/v1/credentials"
        assert cluster.in_pod(app, "uid-of-app-1", BOTO3, environ=variables) == key

    def asked(namespace_name: str, pod: str, *requests: tuple[Path, str]) -> list[str]:
        text = json.dumps([(str(file), path) for file, path in requests])
        return cluster.in_pod(namespace_name, f"uid-of-{pod}", ASK, text, environ=variables).split()

    own, first, tagged = cluster.token("thief"), "/v1/credentials", "/credentials/tagged"
    _, of_app, again = asked(app, "app-1", (token, first), (token, tagged), (token, tagged))
    stolen, session, of_thief = asked(thief, "thief", (token, first), (own, first), (own, tagged))
    assert (stolen, session, again) == ("403", key, of_app)
    assert len({key, of_app, of_thief}) == 3
    # Processes of the host's network have a cgroup, too.
    assert asked(cluster.machine, "thief", (token, first)) == ["403"]
    assert asked(cluster.machine, "app-1", (token, first)) == [key]

    trail = (cluster.folder / ".local/state/dsops/audit.jsonl").read_text()
    events = [json.loads(line) for line in trail.splitlines()]
    given = [event["additionalEventData"] for event in events if event["eventName"] == "GetCredentials"]
    facts = given[0]
    assert (facts["namespace"], facts["service_account"], facts["pod"]) == ("shop", "app", "app-1")
    assert facts["subject"] == "system:serviceaccount:shop:app"
    assert {each["pod"] for each in given} == {"app-1", "thief"}
    tags = [event["requestParameters"].get("tags") for event in events if event["eventName"] == "AssumeRole"]
    pods = [{tag["key"]: tag["value"] for tag in found or ()}.get("kubernetes-pod-name") for found in tags]
    assert pods == [None, "app-1", "thief"]
