"""Parsing of command lines: flags, their variables, operands, and where the command to run begins."""

from __future__ import annotations

import pytest

from dsops.cli.framework.command import Arguments, Command, Flag, Operand
from dsops.cli.framework.parser import parse
from dsops.errors import UsageError
from dsops.runtime import Runtime


def nothing(_arguments: Arguments, _runtime: Runtime) -> int:
    """A command that does nothing."""
    return 0


FLAGS = (
    Flag("--env", "the environment", value="NAME"),
    Flag("--keep-existing", "a switch", "switch"),
    Flag("--format", "a choice", choices=("json", "yaml"), default="json", own_variable="DSOPS_RENDER_FORMAT"),
    Flag("--timeout", "a time", "seconds", short="-t"),
    Flag("--last", "a number", "integer"),
    Flag("--port", "a port", "port"),
)
PLAIN = Command("help", nothing, FLAGS, (Operand("STORE", "a store"), Operand("KEY", "a key", is_required=False)))
LAUNCHER = Command("help", nothing, FLAGS, takes_command=True)


def test_flags_take_the_next_word_or_what_follows_the_equals_sign() -> None:
    """`--flag value` and `--flag=value` are equal; a value can contain `=`; an empty value needs `--flag=`."""
    for words in (["--env", "a=b", "x"], ["--env=a=b", "x"], ["x", "--env=a=b"]):
        assert parse(PLAIN, words, {}).text("--env") == "a=b"
    assert parse(PLAIN, ["--env=", "x"], {"DSOPS_ENV": "theirs"}).text("--env") == ""
    with pytest.raises(UsageError, match="`--env` needs a value"):
        parse(PLAIN, ["x", "--env"], {})
    with pytest.raises(UsageError, match="`--env` needs a value"):
        parse(PLAIN, ["x", "--env", "--json"], {})


def test_the_last_occurrence_of_a_flag_wins() -> None:
    """The last occurrence of a flag wins, so that an alias can be overridden."""
    assert parse(PLAIN, ["--env", "a", "x", "--env", "b"], {}).text("--env") == "b"


def test_a_repeatable_flag_keeps_all_values() -> None:
    """A repeatable flag keeps all values in order; flags on the command line replace the variable's values."""
    command = Command("help", nothing, (Flag("--also", "more", value="X", is_repeatable=True),))

    assert parse(command, ["--also", "a,b", "--also=", "--also=c"], {}).texts("--also") == ("a,b", "", "c")
    assert parse(command, [], {"DSOPS_ALSO": "a b\nc\n"}).texts("--also") == ("a b", "c")
    assert parse(command, ["--also", "x"], {"DSOPS_ALSO": "a"}).texts("--also") == ("x",)
    assert parse(command, [], {}).texts("--also") == ()


def test_flags_are_not_abbreviated() -> None:
    """An abbreviated flag is an error with a suggestion, because a new flag must not change existing scripts."""
    with pytest.raises(UsageError, match="no flag `--keep`"):
        parse(PLAIN, ["x", "--keep"], {})
    with pytest.raises(UsageError) as caught:
        parse(PLAIN, ["x", "--evn", "a"], {})
    assert caught.value.hint == "did you mean `--env`?"


def test_each_flag_has_a_variable_that_the_command_line_overrides() -> None:
    """Every flag has a `DSOPS_` variable that the command line overrides; an empty variable counts as unset."""
    environ = {"DSOPS_ENV": "theirs", "DSOPS_KEEP_EXISTING": "1", "DSOPS_RENDER_FORMAT": "yaml", "DSOPS_TIMEOUT": "2"}
    arguments = parse(PLAIN, ["x"], environ)
    assert (arguments.text("--env"), arguments.text("--format")) == ("theirs", "yaml")
    assert arguments.switch("--keep-existing")
    assert arguments.seconds("--timeout") == 2
    arguments = parse(PLAIN, ["x", "--env", "mine", "--keep-existing=0", "--format=json"], environ)
    assert (arguments.text("--env"), arguments.text("--format")) == ("mine", "json")
    assert not arguments.switch("--keep-existing")
    arguments = parse(PLAIN, ["x"], {"DSOPS_ENV": "", "DSOPS_FORMAT": "yaml"})
    assert (arguments.text("--env"), arguments.text("--format")) == ("", "json")


@pytest.mark.parametrize("value", ["1", "true", "YES", "on"])
def test_a_switch_is_on_in_many_words(value: str) -> None:
    """Several spellings of "on" in a switch's variable turn the switch on."""
    assert parse(PLAIN, ["x"], {"DSOPS_KEEP_EXISTING": value}).switch("--keep-existing")


@pytest.mark.parametrize("value", ["0", "false", "No", "off"])
def test_a_switch_is_off_in_many_words(value: str) -> None:
    """Several spellings of "off" in a switch's variable turn the switch off, such as `DSOPS_KEEP_EXISTING=0`."""
    assert not parse(PLAIN, ["x"], {"DSOPS_KEEP_EXISTING": value}).switch("--keep-existing")


@pytest.mark.parametrize(
    ("words", "environ", "named"),
    [
        (["x", "--keep-existing=maybe"], {}, "--keep-existing"),
        (["x"], {"DSOPS_KEEP_EXISTING": "maybe"}, "DSOPS_KEEP_EXISTING"),
        (["x", "--format", "xml"], {}, "`--format`"),
        (["x"], {"DSOPS_RENDER_FORMAT": "xml"}, "DSOPS_RENDER_FORMAT"),
        (["x", "--timeout", "0"], {}, "`--timeout`"),
        (["x", "-t", "-1"], {}, "`-t`"),
        (["x", "--timeout", "inf"], {}, "`--timeout`"),
        (["x", "--timeout", "nan"], {}, "`--timeout`"),
        (["x", "--timeout", "soon"], {}, "`--timeout`"),
        (["x", "--last", "-1"], {}, "`--last`"),
        (["x", "--last", "1.5"], {}, "`--last`"),
        (["x", "--port", "-1"], {}, "`--port`"),
        (["x", "--port", "65536"], {}, "`--port`"),
        (["x", "--port", "9" * 5000], {}, "`--port`"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_where_it_was_written(
    words: list[str], environ: dict[str, str], named: str
) -> None:
    """An invalid value gives an error that names the flag or variable and the valid values."""
    with pytest.raises(UsageError) as caught:
        parse(PLAIN, words, environ)
    assert caught.value.message.startswith(named)
    assert caught.value.hint


def test_numbers_are_read() -> None:
    """Seconds can have a fraction, and the value of an omitted number is None."""
    arguments = parse(PLAIN, ["x", "-t", "1.5", "--port=8080"], {})
    assert (arguments.seconds("--timeout"), arguments.integer("--port")) == (1.5, 8080)
    arguments = parse(PLAIN, ["x"], {})
    assert (arguments.seconds("--timeout"), arguments.integer("--port")) == (None, None)


def test_operands_come_in_order_and_may_be_left_out_at_the_end() -> None:
    """Flags may stand between operands; `-` and every word after `--` are operands."""
    arguments = parse(PLAIN, ["store", "--env", "a", "-"], {})
    assert (arguments.operand("STORE"), arguments.operand("KEY")) == ("store", "-")
    assert parse(PLAIN, ["store"], {}).operand("KEY") == ""
    assert parse(PLAIN, ["--", "--env"], {}).operand("STORE") == "--env"


def test_missing_and_surplus_operands_are_refused() -> None:
    """Errors about missing or surplus operands name the operand or word."""
    with pytest.raises(UsageError, match="STORE is missing"):
        parse(PLAIN, [], {})
    with pytest.raises(UsageError, match="`c` is one word too many"):
        parse(PLAIN, ["a", "b", "c"], {})


def test_an_operand_may_have_choices_and_may_take_all_the_rest() -> None:
    """A repeatable operand takes all remaining words and checks each of them against its choices."""
    command = Command("help", nothing, (), (Operand("SHELL", "a shell", choices=("a", "b"), is_repeatable=True),))
    assert parse(command, ["a", "b", "a"], {}).words("SHELL") == ("a", "b", "a")
    with pytest.raises(UsageError, match="SHELL can't be `c`"):
        parse(command, ["a", "c"], {})


def test_what_follows_the_dashes_is_the_command() -> None:
    """Everything after `--` is the command for exec, including a second `--`."""
    arguments = parse(LAUNCHER, ["--env", "a", "--", "git", "log", "--help", "--", "x"], {})
    assert arguments.command == ("git", "log", "--help", "--", "x")
    assert not arguments.is_help


def test_without_dashes_the_first_word_begins_the_command() -> None:
    """Without `--` the command starts at the first word, and later flags belong to that command."""
    arguments = parse(LAUNCHER, ["--env", "a", "ls", "--env", "b", "-l"], {})
    assert arguments.text("--env") == "a"
    assert arguments.command == ("ls", "--env", "b", "-l")


def test_a_word_before_the_dashes_is_refused() -> None:
    """Words before `--` are an error for a command without operands: it is unclear where the program begins."""
    with pytest.raises(UsageError, match="before `--`: `npm test`") as caught:
        parse(LAUNCHER, ["npm", "test", "--", "--fast"], {})
    assert "in front of `npm`" in caught.value.hint


def test_one_word_before_the_dashes_is_the_operand() -> None:
    """A command with an operand takes one word before `--`, between flags; a second word is an error."""
    launcher = LAUNCHER._replace(operands=(Operand("NAME", "a name", is_required=False),))
    arguments = parse(launcher, ["prod", "--env", "a", "--", "ls", "-l"], {})
    assert (arguments.operand("NAME"), arguments.text("--env"), arguments.command) == ("prod", "a", ("ls", "-l"))
    assert parse(launcher, ["ls", "-l"], {}).command == ("ls", "-l")
    with pytest.raises(UsageError, match="before `--`: `prod npm`") as caught:
        parse(launcher, ["prod", "npm", "--", "--fast"], {})
    assert "in front of `prod`" in caught.value.hint


@pytest.mark.parametrize("words", [["--help"], ["x", "-h"], ["--env", "a", "--help", "--nonsense"]])
def test_help_works_with_a_wrong_command_line(words: list[str]) -> None:
    """`--help` works even if operands are missing."""
    assert parse(PLAIN, words, {}).is_help


def test_every_command_takes_the_common_flags() -> None:
    """Every command accepts the common flags."""
    arguments = parse(PLAIN, ["x", "--json", "-v"], {"DSOPS_DEBUG": "1"})
    assert arguments.switch("--json")
    assert arguments.switch("--verbose")
    assert arguments.switch("--debug")


def test_asking_for_a_flag_that_was_not_declared_is_a_bug() -> None:
    """Reading a flag that the command did not declare raises KeyError."""
    with pytest.raises(KeyError):
        parse(PLAIN, ["x"], {}).text("--out")


def test_a_command_after_shell_belongs_to_exec() -> None:
    """`dsops shell NAME -- CMD` names the command line of `exec` that the user meant."""
    shell = Command("help", nothing, FLAGS, (Operand("NAME", "a name"),))
    with pytest.raises(UsageError, match="`ls` is one word too many") as caught:
        parse(shell, ["prod", "--", "ls", "-l"], {}, name="shell")
    assert caught.value.hint == "`dsops exec prod -- ls -l` runs one command, and `shell` opens a shell"
