"""Commands in hints, completed with the configuration that the user named."""

from __future__ import annotations

import pytest

from dsops.cli.framework.command_hint import with_config
from dsops.cli.framework.output import error_text, error_value
from dsops.errors import UsageError


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("`dsops diff a b` shows it", "`dsops diff --config 'my file' a b` shows it"),
        ("did you mean `dsops stores`?", "did you mean `dsops stores --config 'my file'`?"),
        ("write it: dsops exec NAME -- CMD; or not", "write it: dsops exec --config 'my file' NAME -- CMD; or not"),
        ("`dsops policy generate` says", "`dsops policy generate --config 'my file'` says"),
        ("`dsops audit` says", "`dsops audit` says"),
        ("`dsops mfa add ARN` adds it", "`dsops mfa add ARN` adds it"),
        ("`dsops plan --config x`, `dsops plan -c x`", "`dsops plan --config x`, `dsops plan -c x`"),
        ("`dsops nothing`, dsops and `dsops`", "`dsops nothing`, dsops and `dsops`"),
    ],
)
def test_a_command_that_takes_the_flag_gets_it(hint: str, expected: str) -> None:
    """Only a dsops command that accepts --config gets the flag after its name, unless it has the flag already."""
    assert with_config(hint, "my file") == expected


def test_errors_have_it_in_text_and_json() -> None:
    """The hint of an error repeats --config in text and JSON; without the flag, the hint is unchanged."""
    error = UsageError("x", hint="`dsops stores` lists them")
    assert "  hint: `dsops stores --config f.yaml` lists them" in error_text(error, config="f.yaml")
    assert "  hint: `dsops stores` lists them" in error_text(error)
    value = error_value(error, config="f.yaml")
    assert isinstance(value, dict)
    assert value["hint"] == "`dsops stores --config f.yaml` lists them"
