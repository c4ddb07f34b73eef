"""docs/reference/errors.md lists every error code with the text of `dsops help CODE`.

DSOPS_UPDATE_GOLDEN=1 writes the page again.
"""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path
from traceback import format_exception_only

import pytest

from dsops import errors
from dsops.cli.framework.causes import CAUSES
from dsops.cli.framework.command import Group
from dsops.cli.framework.commands import load
from dsops.errors import (
    CommandFailed,
    DsopsError,
    Failures,
    PolicyInvalid,
    Problem,
    SandboxRefusal,
    SecretError,
    Where,
    listed,
    nearest,
)
from tests.scripts.test_scripts import UPDATE

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"

HEAD = """\
# Errors

    dsops: error[sts.access-denied]: store `prod` may not assume arn:aws:iam::123456789012:role/ProdAccessRole
      at: dsops.yaml:9
      tried: AssumeRole, hop 2 of 2
      after: hop 1, store `jump`, gave arn:aws:sts::098765432109:assumed-role/Jump/ada until 2026-11-24T15:07:18Z
      why: AWS gives no reason to arn:aws:sts::098765432109:assumed-role/Jump/ada; ...
      hint: check that the role's trust policy names this caller, and that the caller may sts:AssumeRole on it
      aws: AccessDenied, request 7f3c... (sts.us-east-1)
      next: `dsops explain --env production prod` looks for the policy that decides

The text in brackets is the error's code. It does not change, and `dsops help CODE` explains it. The other lines appear
only if they have something to say:

- `at`: the line of the configuration.
- `tried`: the failed call to AWS: operation, role, caller (its ARN, or the masked id of its key), the hop of a chain,
  and the endpoint. Details that the other lines show are left out. In a chain, `tried` shows the first hop that
  failed.
- `after`: the session that each earlier hop returned, and its expiry.
- `why` and `hint`: the reason, and what to do next.
- `aws`: AWS's error code, the request id, the authorization id if the response has one (a preview), the endpoint, and
  AWS's own message if `why` does not contain it.
- `next`: for a denial, the command that [finds the reason](../how-to/explain.md).

With `--json` the error is one object on stderr, `{"error": {...}, "exit_code": N}`, and stdout stays empty. The error
always has the keys `code`, `message`, `why`, `hint`, `next`, `where`, `tried`, `aws`, `problems` and `errors`;
`tried` is null or has `operation`, `caller`, `store`, `role`, `secret`, `hop`, `hops`, `before` (a list of `store`,
`session`, `expires`), `region` and `endpoint`, each null if unknown. Several independent errors are printed one after
another, and the exit code is the smallest of their exit codes.

`dsops exec` exits with 125 for every failure of dsops itself, whatever the table says, because the other codes belong
to the command that it runs. For what each exit code means, see [the command line](cli.md).

This page is made from the program (`tests/unit/test_errors.py`).
"""
FORMS = {SandboxRefusal, Failures}
"""Errors that users never see: the sandbox's answers to clients, and the bundle of several errors."""


def family(root: type[DsopsError]) -> list[type[DsopsError]]:
    """Return the class and all its subclasses."""
    return [root, *(error for child in root.__subclasses__() for error in family(child))]


def page() -> str:
    """Return the page as generated from the errors."""
    kinds = [kind for kind in family(DsopsError) if kind not in FORMS]
    kinds.sort(key=lambda kind: (kind.exit_code, kind.code))
    text = HEAD
    for code, group in groupby(kinds, key=lambda kind: kind.exit_code):
        text += f"\n## Exit code {code}\n{''.join(section(kind) for kind in group)}"
    return text


def section(kind: type[DsopsError]) -> str:
    """Return one error's section, with the code as anchor (`-` for `.`)."""
    causes = "".join(f"- {what}: {remedy}\n" for what, remedy in CAUSES.get(kind.code, ()))
    head = f'\n<a id="{anchor(kind.code)}"></a>\n\n### `{kind.code}`\n\n'
    return f"{head}{' '.join((kind.__doc__ or '').split())}\n{causes and chr(10)}{causes}"


def anchor(code: str) -> str:
    """Return the anchor of a code."""
    return code.replace(".", "-")


def test_the_page_lists_every_error() -> None:
    """The page equals the generated text, so a changed error requires a changed page."""
    if UPDATE:
        PAGE.write_text(page(), encoding="utf-8")
    assert page() == PAGE.read_text(encoding="utf-8")


def test_every_code_has_an_anchor_of_its_own() -> None:
    """Every error code has its own anchor on the page."""
    anchors = re.findall(r'<a id="([^"]+)"></a>', page())
    assert len(anchors) == len(set(anchors))
    assert set(anchors) == {anchor(kind.code) for kind in family(DsopsError) if kind not in FORMS}


def test_what_ends_a_run_has_its_causes_told() -> None:
    """Every error that depends on AWS, the keyring or a value lists its causes; other errors list no causes."""
    codes = {kind.code for kind in family(DsopsError) if kind not in FORMS}
    ending = {kind.code for kind in family(DsopsError) if kind.exit_code in {3, 4, 5}} - {SecretError.code}
    assert set() == set(CAUSES) - codes
    assert set() == ending - set(CAUSES)


def test_remedies_name_commands_that_there_are() -> None:
    """The commands that remedies name in backticks exist."""
    texts = [part for causes in CAUSES.values() for cause in causes for part in cause]
    commands = [match.split() for text in texts for match in re.findall(r"`dsops ([^`]+)`", text)]
    assert commands
    for name, *words in commands:
        command = load(name)
        assert not isinstance(command, Group) or words[0] in command.commands, (name, words)


def test_every_error_has_a_code_of_its_own_and_a_sentence() -> None:
    """Every error class has a unique code and a sentence."""
    kinds = family(DsopsError)
    codes = [kind.code for kind in kinds]

    assert sorted(set(codes)) == sorted(codes)
    assert [] == [kind for kind in kinds if not (kind.__dict__.get("__doc__") or "").rstrip().endswith(".")]
    assert [] == [kind for kind in kinds if "code" not in kind.__dict__]


def test_exit_codes_are_the_documented_ones() -> None:
    """The exit codes are 0 to 6, plus a shell's codes for the command that `exec` runs."""
    for kind in family(DsopsError):
        allowed = {124, 126, 127} if issubclass(kind, CommandFailed) else {1, 2, 3, 4, 5, 6}
        assert kind.exit_code in allowed, kind.code


def test_no_other_module_defines_an_exception() -> None:
    """All exceptions of dsops are defined in the package `errors`, which offers each under its name."""
    found = [kind.__name__ for kind in family(DsopsError) if getattr(errors, kind.__name__, None) is not kind]
    found += [kind.__name__ for kind in family(DsopsError) if not kind.__module__.startswith(f"{errors.__name__}.")]

    assert [] == found


@pytest.mark.parametrize(
    ("word", "names", "meant"),
    [
        ("prodution", ["production", "staging"], "production"),
        ("us-esat-1", ["us-west-1", "us-east-1"], "us-east-1"),
        ("prod", ["production", "staging"], "production"),
        ("--environment", ["--env", "--config"], "--env"),
        ("Role-ARN", ["role_arn", "region"], "role_arn"),
        ("prod", ["production-eu-central", "production-us-west"], ""),
        ("st", ["staging"], ""),
        ("x", ["production"], ""),
    ],
)
def test_the_nearest_name_is_the_one_that_was_probably_meant(word: str, names: list[str], meant: str) -> None:
    """The suggestion corrects typos, swapped letters, prefixes and case; an ambiguous or distant name gives none."""
    assert nearest(word, names) == meant


def test_a_traceback_tells_all_that_the_command_line_would() -> None:
    """A traceback shows an error's `why`, `hint` and `problems`, and those of the errors that caused it."""
    problem = Problem(Where("a.yaml", 3), "Statement.Acton", "`Acton` is not an element of a policy", "write `Action`")
    error = PolicyInvalid("no policy", why="AWS says no", problems=(problem, problem._replace(path="", hint="")))
    result_text = [
        "a.yaml:3: Statement.Acton: `Acton` is not an element of a policy",
        "  hint: write `Action`",
        "a.yaml:3: `Acton` is not an element of a policy",
        "why: AWS says no",
    ]
    assert "".join(format_exception_only(error)).splitlines() == [
        "dsops.errors.configuration.PolicyInvalid: no policy",
        *result_text,
    ]
    error.retell("still none", hint="correct it", where=Where("b.yaml", 1))
    assert "".join(format_exception_only(error)).splitlines() == [
        "dsops.errors.configuration.PolicyInvalid: still none",
        "at: b.yaml:1",
        *result_text,
        "hint: correct it",
    ]


def test_a_hint_lists_at_most_twenty_names() -> None:
    """A hint lists all of a few names, and the number of the others of many."""
    assert listed(["a", "b"]) == "a, b"
    assert listed(f"n{number}" for number in range(25)).endswith("n18, n19, and 5 more")
