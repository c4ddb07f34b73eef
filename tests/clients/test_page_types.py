"""TypeScript checks the scripts of the sandbox's page by the types in their comments."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from dsops.sandbox import page
from tests.installed import OUTSIDE, ToolMissingError, installed, tool

SOURCE = Path(__file__).parent / "programs" / "typescript"
SCRIPTS = Path(str(page.__file__)).parent / "static"

# The first run installs TypeScript.
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def compiler() -> list[str]:
    """The command line of TypeScript's compiler, which only checks."""
    sources = [SOURCE / name for name in ("package.json", "package-lock.json")]
    try:
        npm, node = tool("npm", OUTSIDE), tool("node", OUTSIDE)
        install = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        folder = installed("typescript", sources, [install], OUTSIDE)
    except ToolMissingError as error:
        pytest.skip(str(error))
    words = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--noUnusedLocals", "--noUnusedParameters"]
    library = [
        "--target",
        "esnext",
        "--module",
        "esnext",
        "--moduleResolution",
        "bundler",
        "--lib",
        "esnext,dom,dom.iterable",
    ]
    return [node, str(folder / "node_modules" / "typescript" / "bin" / "tsc"), *words, *library]


def check(compiler: list[str], *files: Path) -> str:
    """What the compiler finds in the files."""
    done = subprocess.run(
        [*compiler, *map(str, files)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    return done.stdout


def test_the_scripts_have_no_type_errors(compiler: list[str]) -> None:
    """Every script of the page passes in strict mode."""
    scripts = sorted(SCRIPTS.glob("*.js"))
    assert len(scripts) >= 6
    assert all(script.read_text(encoding="utf-8").startswith("// @ts-check\n") for script in scripts)
    assert check(compiler, *scripts) == ""


def test_a_type_error_is_found(compiler: list[str], tmp_path: Path) -> None:
    """The check can fail: a wrong argument is reported."""
    wrong = tmp_path / "wrong.js"
    wrong.write_text(
        "// @ts-check\n/** @param {number} count */\nexport function f(count) { return count; }\nf('x');\n"
    )
    assert "TS2345" in check(compiler, wrong)
