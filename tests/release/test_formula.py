"""dsops.rb for Homebrew and flake.nix, as far as they can be checked without Homebrew and nixpkgs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dsops.version import __version__
from release.repository import address
from tests.installed import OUTSIDE
from tests.release.places import ROOT

PACKAGES = """
let
  pkgs = {
    python3Packages = { buildPythonApplication = made: made; hatchling = 0; botocore = 0; prompt-toolkit = 0;
      pycurl = 0; pyyaml = 0; rich = 0; urllib3 = 0; };
    python3.sitePackages = "lib/python3.13/site-packages";
    installShellFiles = 0;
    lib.licenses.mit = "MIT";
  };
  nixpkgs = {
    lib.genAttrs = names: made: builtins.listToAttrs (map (name: { inherit name; value = made name; }) names);
    legacyPackages.x86_64-linux = pkgs;
  };
  made = ((import ROOT/flake.nix).outputs { self = { }; inherit nixpkgs; }).packages.x86_64-linux.default;
in { inherit (made) pname version dependencies postInstall; }
"""


@pytest.fixture
def formula(dist: Path) -> str:
    """The formula among the artifacts."""
    return (dist / "dsops.rb").read_text(encoding="utf-8")


def test_the_formula_has_each_package_by_its_pinned_hash(formula: str, dist: Path) -> None:
    """Each resource's hash is in the pinned list; the formula's source is the sdist listed in SHA256SUMS."""
    listed = (ROOT / "requirements" / "pyz.txt").read_text(encoding="utf-8")
    names = re.findall(r"(?m)^([\w.-]+)==", listed)
    resources = re.findall(r'resource "([^"]+)" do\n    url "(https://[^"]+)"\n    sha256 "(\w{64})"\n', formula)
    assert [name for name, _, _ in resources] == names
    for name, url, sha256 in resources:
        of_package = listed[listed.index(f"{name}==") :].partition("# via")[0]
        assert f"--hash=sha256:{sha256}" in of_package, url
    sums = (dist / "SHA256SUMS").read_text(encoding="utf-8")
    own = re.search(rf'url "{address()}/releases/download/v{__version__}/(\S+)"\n  sha256 "(\w+)"', formula)
    assert own
    assert f"{own[2]}  {own[1]}\n" in sums


def test_ruby_reads_the_formula(formula: str) -> None:
    """The formula is valid Ruby."""
    if not shutil.which("ruby"):
        pytest.skip("there is no ruby")
    done = subprocess.run(["ruby", "-c"], input=formula, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "Syntax OK\n", done.stderr


def test_nix_evaluates_the_flake(tmp_path: Path) -> None:
    """With a stand-in for nixpkgs, the flake has the version and marks the installation as one of Nix."""
    if not shutil.which("nix-instantiate"):
        pytest.skip("there is no nix-instantiate")
    (tmp_path / "made.nix").write_text(PACKAGES.replace("ROOT", str(ROOT)), encoding="utf-8")
    words = ["nix-instantiate", "--eval", "--strict", "--json", str(tmp_path / "made.nix")]
    done = subprocess.run(words, env=dict(OUTSIDE), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (made["pname"], made["version"], len(made["dependencies"])) == ("dsops", __version__, 6)
    assert "echo nix >" in made["postInstall"]
