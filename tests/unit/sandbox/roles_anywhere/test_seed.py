"""The `roles_anywhere` section of a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dsops.errors import SeedInvalid
from dsops.sandbox.seed.file import read_seed
from tests.anywhere import ANCHOR, ROOT
from tests.sandboxes import ACCOUNT, Lab

if TYPE_CHECKING:
    from pathlib import Path

IDENTIFIER = "11111111-2222-3333-4444-555555555555"


def test_certificates_and_lists_can_be_files(tmp_path: Path) -> None:
    """Names of files are relative to the seed; the region and ids of the seed are used."""
    (tmp_path / "ca.pem").write_text(ROOT.pem)
    (tmp_path / "list.pem").write_text(ROOT.crl())
    text = f"""
accounts:
  "{ACCOUNT}":
    roles_anywhere:
      region: eu-west-1
      trust_anchors: {{factory: {{id: {IDENTIFIER}, certificates: ca.pem, crl: list.pem}}}}
"""
    lab = Lab.of(read_seed(text, "seed.yaml", str(tmp_path)))
    admin = lab.user("admin")
    admin.region = "eu-west-1"
    [anchor] = admin.call("rolesanywhere", "ListTrustAnchors")["trustAnchors"]
    assert anchor["trustAnchorArn"] == f"arn:aws:rolesanywhere:eu-west-1:{ACCOUNT}:trust-anchor/{IDENTIFIER}"
    assert [crl["enabled"] for crl in admin.call("rolesanywhere", "ListCrls")["crls"]] == [True]


def test_ids_are_the_same_in_each_sandbox() -> None:
    """A configuration can name a trust anchor of the seed by its ARN, because its id depends on names only."""
    assert ANCHOR == f"arn:aws:rolesanywhere:us-east-1:{ACCOUNT}:trust-anchor/971f481d-af71-55b2-a936-c3ec52fa2a64"


def test_all_problems_are_reported() -> None:
    """Each wrong value is reported with its line."""
    text = f"""
accounts:
  "{ACCOUNT}":
    roles_anywhere:
      region: nowhere
      trust_anchors:
        "a/b": {{}}
        c: {{id: x, certificates: missing.pem, enabled: maybe, key: 1}}
      profiles:
        p: {{duration_seconds: 60, policy_arns: [x], accept_role_session_name: 1}}
"""
    with pytest.raises(SeedInvalid) as caught:
        read_seed(text, "seed.yaml")
    found = {(problem.where.line, problem.path.partition("roles_anywhere.")[2]) for problem in caught.value.problems}
    assert found == {
        (5, "region"),
        (7, "trust_anchors.a/b"),
        (7, "trust_anchors.a/b.certificates"),
        (8, "trust_anchors.c.id"),
        (8, "trust_anchors.c.certificates"),
        (8, "trust_anchors.c.enabled"),
        (8, "trust_anchors.c.key"),
        (10, "profiles.p.duration_seconds"),
        (10, "profiles.p.policy_arns"),
        (10, "profiles.p.accept_role_session_name"),
    }
