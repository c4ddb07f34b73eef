"""docs/reference/environment-variables.md documents every variable that dsops reads."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from tests.project.source import nodes_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "environment-variables.md"
FLAGS = ROOT / "docs" / "reference" / "cli.md"
NAME = re.compile(
    r"(?:AWS|DSOPS|XDG|SSL|REQUESTS|CURL)_[A-Z0-9_]*[A-Z0-9]|HTTPS?_PROXY|NO_PROXY|HOME|USER|LOGNAME|USERNAME|SUDO_UID"
)

NOT_READ = {
    # set for the command of `sandbox run`
    "AWS_CLI_AUTO_PROMPT",
    "AWS_CLI_FILE_ENCODING",
    "AWS_DEFAULT_OUTPUT",
    "AWS_MAX_ATTEMPTS",
    "AWS_PAGER",
    "AWS_RETRY_MODE",
    "AWS_SDK_UA_APP_ID",
    # KMS's name for the origin of a key
    "AWS_KMS",
    # set by Lambda, and by `dsops sandbox env` for a function
    "AWS_LAMBDA_FUNCTION_NAME",
    # set for a function of the sandbox
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    # a name in `__all__`
    "AWS_KEYS",
}


def written(file: Path) -> set[str]:
    """Return the variable names that are strings in the file."""
    texts = (node.value for node in nodes_of(file) if isinstance(node, ast.Constant))
    return {text for text in texts if isinstance(text, str) and NAME.fullmatch(text)}


def test_every_variable_is_on_the_page() -> None:
    """Every variable that dsops reads is documented on the page."""
    pages = PAGE.read_text(encoding="utf-8") + FLAGS.read_text(encoding="utf-8")
    read = set().union(*(written(file) for file in (ROOT / "src").rglob("*.py")))

    assert {"AWS_REGION", "DSOPS_TRANSPORT", "SUDO_UID"} <= read
    assert [] == sorted(name for name in read - NOT_READ if not re.search(rf"\b{name}\b|`{name}\*`", pages))
