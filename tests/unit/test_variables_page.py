"""docs/reference/environment-variables.md names every variable that dsops reads."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "environment-variables.md"
FLAGS = ROOT / "docs" / "reference" / "cli.md"
NAME = re.compile(
    r"(?:AWS|DSOPS|XDG|SSL|REQUESTS|CURL)_[A-Z0-9_]*[A-Z0-9]|HTTPS?_PROXY|NO_PROXY|HOME|USER|LOGNAME|USERNAME|SUDO_UID"
)

NOT_READ = {
    # What `sandbox run` lets its command have.
    "AWS_CLI_AUTO_PROMPT",
    "AWS_CLI_FILE_ENCODING",
    "AWS_DEFAULT_OUTPUT",
    "AWS_MAX_ATTEMPTS",
    "AWS_PAGER",
    "AWS_RETRY_MODE",
    "AWS_SDK_UA_APP_ID",
    # KMS's word for where a key is from.
    "AWS_KMS",
    # What Lambda sets; `dsops sandbox env` does for a function that it plays.
    "AWS_LAMBDA_FUNCTION_NAME",
    # A name of ours, in an `__all__`.
    "AWS_KEYS",
}


def written(file: Path) -> set[str]:
    """The names of variables that stand in the file as texts of their own."""
    nodes = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    texts = (node.value for node in nodes if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and NAME.fullmatch(text)}


def test_every_variable_is_on_the_page() -> None:
    """A variable that is read and not told would surprise somebody."""
    pages = PAGE.read_text(encoding="utf-8") + FLAGS.read_text(encoding="utf-8")
    read = set().union(*(written(file) for file in (ROOT / "src").rglob("*.py")))

    assert {"AWS_REGION", "DSOPS_TRANSPORT", "SUDO_UID"} <= read
    assert [] == sorted(name for name in read - NOT_READ if not re.search(rf"\b{name}\b|`{name}\*`", pages))
