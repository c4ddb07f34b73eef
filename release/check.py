"""`python -m release.check TAG`: fail if the tag is not the version, or the files differ from the commit.

In a workflow of GitHub it also fails if the repository is not the one that pyproject.toml names.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from release import repository
from release.errors import ReleaseError, exit_code_of


def check(tag: str, root: Path = repository.ROOT) -> None:
    """Raise ReleaseError unless the tag is `v` and the version, and nothing differs from the commit."""
    version = repository.version(root)
    if tag != f"v{version}":
        raise ReleaseError(
            f"the tag {tag} is not v{version}, the version in src/dsops/version.py: change one of the two"
        )
    changed = repository.git(root, "status", "--porcelain").splitlines()
    if changed:
        raise ReleaseError(f"{len(changed)} files differ from the commit (the first: {changed[0][3:]})")
    server, name = (os.environ.get(f"GITHUB_{part}") for part in ("SERVER_URL", "REPOSITORY"))
    address = repository.address(root)
    if name and address != f"{server}/{name}":
        raise ReleaseError(
            f"pyproject.toml has {address} as the address of the repository, not {server}/{name}: correct the line "
            "Repository, because the package's description and the formula link there"
        )
    sys.stdout.write(f"{tag} is the version, and all files are committed\n")


def main(words: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m release.check", description=__doc__)
    parser.add_argument("tag", metavar="TAG", help="such as v1.2.3")
    arguments = parser.parse_args(words)
    return exit_code_of(lambda: check(arguments.tag))


if __name__ == "__main__":
    sys.exit(main())
