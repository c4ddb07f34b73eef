"""dsops.rb, a formula for Homebrew: the released sdist, and one `resource` for each package of the pinned list."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

from release.errors import ReleaseError
from release.tools import run

FORMULA = """\
class Dsops < Formula
  include Language::Python::Virtualenv

  desc "Short-lived AWS credentials, and commands that run with secrets"
  homepage "@REPOSITORY@"
  url "@REPOSITORY@/releases/download/v@VERSION@/@SDIST@"
  sha256 "@SHA256@"
  license "MIT"

  depends_on "libyaml"
  depends_on "python@3.13"
@RESOURCES@
  def install
    virtualenv_install_with_resources
    # `dsops` reads here who installed it, and then names a command that works beside Homebrew.
    libexec.glob("lib/python*/site-packages/dsops-*.dist-info/INSTALLER").each { |file| file.atomic_write "brew\\n" }
    generate_completions_from_executable(bin/"dsops", "completion")
    page = Utils.safe_popen_read(bin/"dsops", "help", "--man")
    (man1/"dsops.1").write page
    page.scan(/^\\.BR dsops\\\\-([a-z]+)/).flatten.each do |command|
      (man1/"dsops-#{command}.1").write Utils.safe_popen_read(bin/"dsops", "help", "--man", command)
    end
  end

  test do
    assert_equal "dsops #{version}\\n", shell_output("#{bin}/dsops --version")
  end
end
"""
RESOURCE = """
  resource "@NAME@" do
    url "@URL@"
    sha256 "@SHA256@"
  end
"""


def build(requirements: Path, sdist: Path, version: str, repository: str, epoch: str) -> str:
    """Return the text of the formula; uv says where the index that is in use has each package."""
    words = ("pip", "compile", "--quiet", "--no-deps", "--format", "pylock.toml", requirements.name)
    packages = tomllib.loads(run("uv", *words, folder=requirements.parent, epoch=epoch))["packages"]
    listed = set(re.findall(r"sha256:([0-9a-f]{64})", requirements.read_text(encoding="utf-8")))
    resources = []
    for package in sorted(packages, key=lambda each: str(each["name"])):
        file = _file(package)
        if file.sha256 not in listed:
            raise ReleaseError(f"{file.url} is not the file in {requirements.name}, by its hash")
        resources.append(_filled(RESOURCE, NAME=package["name"], URL=file.url, SHA256=file.sha256))
    own = hashlib.sha256(sdist.read_bytes()).hexdigest()
    return _filled(
        FORMULA, REPOSITORY=repository, VERSION=version, SDIST=sdist.name, SHA256=own,
        RESOURCES="".join(resources),
    )  # fmt: skip


class PublishedFile(NamedTuple):
    """A file of a package on the index."""

    url: str
    sha256: str


def _file(package: dict[str, Any]) -> PublishedFile:
    """Return the wheel, if Homebrew installs it without building anything, or else the sdist."""
    wheels = [wheel for wheel in package.get("wheels", ()) if re.search(r"[.-]py3[^-]*-none-any\.whl$", wheel["url"])]
    chosen = wheels[0] if wheels else package["sdist"]
    return PublishedFile(chosen["url"], chosen["hashes"]["sha256"])


def _filled(text: str, **values: str) -> str:
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
