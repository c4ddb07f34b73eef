"""dsops.rb for Homebrew and flake.nix, as far as they can be checked without Homebrew and nixpkgs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dsops.version import __version__
from tests.installed import OUTSIDE
from tests.release.places import ROOT, TOOLS

BUILD = """
import sys
from pathlib import Path
from release import formula
print(formula.build(Path("requirements/pyz.txt"), Path(sys.argv[1]), sys.argv[2], "owner/name", "1700000000"), end="")
"""
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


@pytest.fixture(scope="module")
def formula(dist: Path) -> str:
    """The formula for the sdist among the artifacts, made with the index that is in use."""
    (sdist,) = dist.glob("*.tar.gz")
    words = [str(TOOLS / "python"), "-c", BUILD, str(sdist), __version__]
    done = subprocess.run(words, cwd=ROOT, env=dict(OUTSIDE), capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_formula_has_each_package_by_its_pinned_hash(formula: str, dist: Path) -> None:
    """Each resource is a file of the pinned list, and the formula's own file is the sdist of SHA256SUMS."""
    listed = (ROOT / "requirements" / "pyz.txt").read_text(encoding="utf-8")
    names = re.findall(r"(?m)^([\w.-]+)==", listed)
    resources = re.findall(r'resource "([^"]+)" do\n    url "(https://[^"]+)"\n    sha256 "(\w{64})"\n', formula)
    assert [name for name, _, _ in resources] == names
    for name, address, sha256 in resources:
        of_package = listed[listed.index(f"{name}==") :].partition("# via")[0]
        assert f"--hash=sha256:{sha256}" in of_package, address
    sums = (dist / "SHA256SUMS").read_text(encoding="utf-8")
    own = re.search(r'url "https://github.com/owner/name/releases/download/v\S+/(\S+)"\n  sha256 "(\w+)"', formula)
    assert own
    assert f"{own[2]}  {own[1]}\n" in sums


def test_ruby_reads_the_formula(formula: str) -> None:
    """The formula is Ruby."""
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
