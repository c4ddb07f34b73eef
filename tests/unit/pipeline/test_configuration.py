"""Choose the environment of a run, and the variables of it that the run needs."""

from __future__ import annotations

import pytest

from dsops.errors import EnvironmentUnknown, VariableUnknown
from dsops.pipeline.configuration import choose_environment, only_variable
from tests.plans import config_of

TWO = config_of("envs:\n  blue: {A: {literal: a}, B: {literal: b}}\n  green: {C: {literal: c}}\n")._replace(
    default_environment=""
)


def test_the_named_one_counts_then_the_only_one() -> None:
    """Without a name, the default environment or the only environment is used.

    If the user names an environment, it is used; the plan refuses an unknown name.
    """
    assert choose_environment(TWO, "red") == "red"
    one = config_of("envs:\n  blue: {A: {literal: a}}\n")._replace(default_environment="")
    assert choose_environment(one, "") == "blue"
    assert choose_environment(TWO._replace(default_environment="green"), "") == "green"


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (("green", "true"), "write `--env green`, and the command after `--`"),
        (("true", "--env=green"), "write `--env` before the command"),
        (("true",), "write `--env blue`, or `default_env: blue`"),
    ],
)
def test_without_a_name_the_error_says_what_to_write(command: tuple[str, ...], hint: str) -> None:
    """If no environment is named and there are several, the hint says where to write `--env` and which name."""
    with pytest.raises(EnvironmentUnknown) as caught:
        choose_environment(TWO, "", command)
    assert caught.value.hint.startswith(hint)


def test_one_variable_is_all_that_is_left_of_its_environment() -> None:
    """If one variable is requested, its environment has only that variable; other environments are unchanged."""
    config = only_variable(TWO, "blue", "B")
    assert {name: list(each.variables) for name, each in config.environments.items()} == {"blue": ["B"], "green": ["C"]}


def test_an_unknown_variable_is_an_error_with_the_nearest_name() -> None:
    """An unknown variable is an error that suggests the nearest name.

    The plan reports an unknown environment, since its error is better.
    """
    with pytest.raises(VariableUnknown) as caught:
        only_variable(config_of("envs:\n  blue: {TOKEN: {literal: a}}\n"), "blue", "TOKN")
    assert caught.value.hint == "did you mean `TOKEN`?"
    assert only_variable(TWO, "red", "A") is TWO
