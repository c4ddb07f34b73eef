"""Every error has a hint, or problems with hints; exceptions are listed with a reason."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from dsops.errors import DsopsError
from tests.project.source import nodes_of
from tests.unit.test_errors import FORMS, family

SOURCE = Path(__file__).parents[2] / "src" / "dsops"

WITHOUT = {
    "aws/identity/ambient_child.py": "told again by the process that asked, with a hint",
    "audit/otlp.py": "told by the one who sends, with what to do",
    "audit/syslog.py": "told by the one who sends, with what to do",
    "pipeline/execution.py": "not shown: the command has ended",
    "cli/hook/load.py": "only the hook's own code calls it",
    "cli/policy/simulate.py": "the sentence says what to write",
    "cli/sandbox/start.py": "the sentence says what can be limited",
    "config/allow.py": "the message has the file and the reason",
    "explain/findings/investigate.py": "never told: it stands for a refusal that another program met",
    "explain/evidence/message.py": "the reason says all",
    "keyring/child.py": "told again by the process that asked, with a hint",
    "keyring/index.py": "the message has the file and the reason",
    "keyring/private_file.py": "the message has the file and the reason",
    "resolve/sessions.py": "a bug of ours: every plan has it",
    "sandbox/control/running_sandboxes.py": "the sandbox's own sentence says what there is",
    "seed/planned_identities.py": "a bug of ours: the plan has checked it",
    "stores/__init__.py": "the plan refuses it before, with a hint",
    "stores/aws_sts.py": "a bug of ours: the plan gives it some",
    "stores/mfa.py": "the reason says what was wrong with each code",
    "stores/saml_login.py": "a person gave it up",
    "stores/session_parts.py": "a bug of ours: the plan gives it some",
    "workload/identities.py": "the class TokenInvalid has the hint",
    "workload/jwt.py": "the class TokenInvalid has the hint",
    "workload/verifier.py": "the class TokenInvalid has the hint",
    "testing/child.py": "for the author of the test, whose traceback has the line",
}
"""Maps a file to the reason why its errors need no hint."""


@cache
def without_hint() -> dict[str, list[str]]:
    """Return a mapping of files to the errors created in them without hint and problems."""
    names = {kind.__name__ for kind in family(DsopsError) if kind not in FORMS}
    collected: dict[str, list[str]] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        for node in nodes_of(file):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                given = {keyword.arg for keyword in node.keywords}
                if not given & {"hint", "problems", None}:
                    collected.setdefault(str(file.relative_to(SOURCE)), []).append(
                        f"{node.func.id}, line {node.lineno}"
                    )
    return collected


def test_an_error_says_what_to_do_next() -> None:
    """Only files in the list create errors without a hint."""
    assert {} == {file: errors for file, errors in without_hint().items() if file not in WITHOUT}


def test_no_exception_is_kept_for_nothing() -> None:
    """Every file in the list still creates errors without a hint."""
    assert [] == sorted(set(WITHOUT) - set(without_hint()))
