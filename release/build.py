"""`python -m release.build`: fill dist/ with the artifacts of a release."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

from release import bill, distributions, formula, launcher, musl, packages, pyz, repository
from release.errors import exit_code_of
from release.wheels import download, licences_of


def build(out: Path, *, allow_dirty: bool) -> None:
    """Build every artifact in a temporary folder, then move them to `out`, which has nothing else afterwards."""
    with tempfile.TemporaryDirectory(prefix="dsops-dist-") as temporary:
        work = Path(temporary)
        source, made = work / "source", work / "made"
        made.mkdir()
        repository.export(source, allow_dirty=allow_dirty)
        _artifacts(source, work, made, repository.commit_time())
        write_sums(made)
        shutil.rmtree(out, ignore_errors=True)
        shutil.copytree(made, out)
    for file in sorted(out.iterdir()):
        sys.stdout.write(f"{file.stat().st_size:>10,}  {out.name}/{file.name}\n")


def _artifacts(source: Path, work: Path, made: Path, epoch: str) -> None:
    folders = [work / name for name in ("pinned", "pyz", "packages", "of-wheel", "of-musl", "of-pyz")]
    for folder in folders:
        folder.mkdir()
    pinned, packed, packaged, of_wheel, of_musl, of_pyz = folders
    requirements = source / "requirements"
    wheel, sdist = distributions.build(source, made, epoch)
    for_musl = musl.build(wheel)
    of_release = [wheel, sdist]
    if launcher.is_available():
        of_release.append(launcher.build(source, wheel, work, version=repository.version(source)))
    else:
        sys.stdout.write("the wheel with the native launcher is left out: it needs Linux on x86-64 and Rust\n")
    for name in ("install.txt", "pycurl.txt"):
        download((requirements / name).read_text(encoding="utf-8"), pinned, epoch)
    project = source / "pyproject.toml"
    needed = sorted(pinned.glob("*.whl"))
    _bills(project, [*needed, wheel], of_wheel, of_release, epoch)
    _bills(
        project, [*(each for each in needed if not each.name.startswith("pycurl-")), wheel], of_musl, for_musl, epoch
    )
    single = made / "dsops.pyz"
    contents = pyz.wheels(requirements / "pyz.txt", wheel, packed, epoch)
    with_the_same = [single]
    if packages.available():
        with_the_same += packages.build(contents, repository.version(source), packaged, made, epoch)
    else:
        sys.stdout.write("the packages for Debian and Fedora (.deb, .rpm) are left out: nfpm needs Go\n")
    _bills(project, contents, of_pyz, with_the_same, epoch)
    text = formula.build(requirements / "pyz.txt", sdist, repository.version(source), repository.address(source), epoch)
    (made / "dsops.rb").write_text(text, encoding="utf-8")
    (made / f"{single.name}.licenses.txt").write_text(licences_of(contents), encoding="utf-8")
    pyz.build(packed, repository.version(source), single, epoch)


def _bills(project: Path, contents: list[Path], folder: Path, artifacts: list[Path], epoch: str) -> None:
    """Write one bill of materials for each of the artifacts, which have the same contents."""
    text = bill.of(contents, project, folder, epoch)
    for artifact in artifacts:
        artifact.with_name(f"{artifact.name}.cdx.json").write_text(text, encoding="utf-8")


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS of all other files in the folder, as `sha256sum --check` reads it."""
    files = sorted(file for file in folder.iterdir() if file.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files]
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def main(words: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m release.build", description=__doc__)
    parser.add_argument("--allow-dirty", action="store_true", help="also build with changes that are not committed")
    parser.add_argument("--out", type=Path, default=repository.ROOT / "dist", help="the folder to fill (default: dist)")
    arguments = parser.parse_args(words)
    return exit_code_of(lambda: build(arguments.out, allow_dirty=arguments.allow_dirty))


if __name__ == "__main__":
    sys.exit(main())
