"""The flags of `dsops audit report --engine` that do not fit together; no cluster is asked."""

from __future__ import annotations

import pytest

from dsops.cli import main

ENGINE = ("--engine", "trino+http://ada@127.0.0.1:1/hive/default")


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (("--dialect", "ocsf"), "`--dialect` has no effect without `--engine`", "leave out `--dialect`"),
        ((*ENGINE, "logs"), "`--engine` can't be combined with LOGS", "name either files or an engine"),
        (
            (*ENGINE, "--dialect", "ocsf"),
            "`--dialect ocsf` needs the name of Security Lake's table",
            "add `--from TABLE`",
        ),
    ],
)
def test_flags_that_do_not_fit_together(
    capfd: pytest.CaptureFixture[str], words: tuple[str, ...], message: str, hint: str
) -> None:
    """Each is an error of the command line, with a hint."""
    assert main(["audit", "report", *words]) == 2
    shown = capfd.readouterr().err
    assert f"error[usage]: {message}" in shown
    assert f"hint: {hint}" in shown
