"""The check of moto at start: the sandbox does not start with a moto that drops policies."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from dsops.errors import SandboxUnavailable
from dsops.extras import install_command
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.state.iam_backend import iam_models


def test_the_installed_moto_passes_the_probe() -> None:
    """The installed moto passes the probe, which leaves nothing behind."""
    sandbox = Sandbox()

    assert not sandbox.world.partitions
    assert sandbox.world.long_term_key("AKIAPROBE") is None


def forget(name: str) -> Any:  # moto's methods have various signatures
    """Return a function that does nothing, to replace a backend method of moto."""

    def method(*_: object, **__: object) -> None:
        return None

    method.__name__ = name
    return method


@pytest.mark.parametrize(
    "method", ["put_role_policy", "put_user_policy", "put_group_policy", "attach_user_policy", "add_user_to_group"]
)
def test_a_moto_that_drops_a_policy_is_refused(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """The sandbox refuses to start if moto drops a policy or a group membership."""
    monkeypatch.setattr(iam_models().IAMBackend, method, forget(method))

    with pytest.raises(SandboxUnavailable) as caught:
        Sandbox()
    assert "polic" in caught.value.why
    assert install_command("sandbox") in caught.value.hint


def test_a_moto_that_renamed_an_attribute_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox refuses to start if moto has renamed an attribute that it uses."""
    role = iam_models().Role
    original = role.__init__

    def renamed(self: Any, *arguments: object, **named: object) -> None:  # moto's Role
        original(self, *arguments, **named)
        self.boundary_arn = self.permissions_boundary_arn

    monkeypatch.setattr(role, "__init__", renamed)
    monkeypatch.setattr(role, "permissions_boundary_arn", property(lambda _: None, lambda _, __: None), raising=False)

    with pytest.raises(SandboxUnavailable) as caught:
        Sandbox()
    assert "policies of a role" in caught.value.why


def test_starting_loads_no_unneeded_service() -> None:
    """Starting a sandbox imports neither SSM (0.7 s and 125 MB), nor moto's web framework, nor dsops' pipeline."""
    code = (
        "import sys; from dsops.sandbox.control.launch import open_server; from dsops.sandbox.seed.model import Seed; "
        "server = open_server(Seed()); print(' '.join(sorted(sys.modules)))"
    )
    loaded = set(subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60).split())

    assert {"moto.iam.models", "moto.secretsmanager.models", "waitress"} <= loaded
    unwanted = {"moto.ssm", "moto.ec2", "moto.s3", "moto.sts", "moto.organizations", "moto.server", "flask"}
    assert not loaded & unwanted
    assert not loaded & {"pyotp", "jwt", "lxml", "signxml"}
    assert not [name for name in loaded if name.startswith(("dsops.config", "dsops.plan", "dsops.stores", "dsops.aws"))]
