"""The wheel and the sdist, built by the backend of pyproject.toml and checked as an index would check them."""

from __future__ import annotations

from pathlib import Path

from release.tools import run


def build(source: Path, out: Path, epoch: str) -> tuple[Path, Path]:
    """Build the sdist from the source, and the wheel from the sdist; return the paths of the wheel and the sdist."""
    run("build", "--no-isolation", "--outdir", str(out), str(source), folder=source, epoch=epoch)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    run("twine", "check", "--strict", str(wheel), str(sdist), folder=source, epoch=epoch)
    run("check_wheel_contents", str(wheel), folder=source, epoch=epoch)
    return wheel, sdist
