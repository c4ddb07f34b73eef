"""Add profiles whose sessions come from dsops to AWS's config file, and keep its other contents."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsops.aws_config.processes import Block, ProcessProfile, merge, profile_lines
from dsops.aws_config.profiles import SourceText, read_profiles
from dsops.errors import ConfigUnreadable, UsageError, ValueUnusable

PROGRAM = ("/opt/dsops",)
NOTHING = SourceText(text="", shown="credentials")
BLOCK = Block(config="/p/dsops.yaml", profiles=(("target", ("[profile target]", "region = us-east-1")),))
OWN = "# mine\n[default]\nregion = eu-west-1 \n\n\n[profile a]\noutput=json"


def lines(name: str = "target", config: str = "/p/dsops.yaml", program: tuple[str, ...] = PROGRAM) -> list[str]:
    """Return the section for a store with that name."""
    return profile_lines(ProcessProfile(name=name, store="target", region="us-east-1"), program, config)


def merged(text: str, block: Block = BLOCK, credentials: SourceText = NOTHING) -> str:
    """Return the config file with the block added."""
    return merge(SourceText(text=text, shown="config"), credentials, block)


def test_a_profile_runs_dsops_for_its_store() -> None:
    """The exported profile runs dsops by absolute path, in any working folder, with any profile in the environment."""
    words = "credentials target --config /p/dsops.yaml --format process --for-profile target"
    assert ["[profile target]", "region = us-east-1", f"credential_process = /opt/dsops {words}"] == lines()


@pytest.mark.parametrize("region", ["us-east-1\n[default]\ncredential_process = evil", "us-east-1\r[x]", "a b", "${R}"])
def test_a_region_never_writes_lines_of_its_own(region: str) -> None:
    """A region with a line break is refused, because it could add a command that every AWS client runs."""
    with pytest.raises(ValueUnusable, match="region of store `target`"):
        profile_lines(ProcessProfile(name="target", store="target", region=region), PROGRAM, "/p/dsops.yaml")


PATHS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="#;"), min_size=1)


@given(st.lists(PATHS, min_size=2, max_size=2))
def test_botocore_and_a_shell_split_the_command_line_alike(paths: list[str]) -> None:
    """botocore and a shell split the command line alike, even with blanks, quotes, `$` and backslashes."""
    program, config = (f"/{path}" for path in paths)
    (profile,) = read_profiles(
        SourceText(text="\n".join(lines(config=config, program=(program,))), shown="config"), NOTHING
    ).by_name.values()
    line = profile.text("credential_process")
    expected = [program, "credentials", "target", "--config", config, "--format", "process", "--for-profile", "target"]

    assert expected == shlex.split(line)


@pytest.mark.parametrize("path", ["/a b/$HOME/`id`/it's", '/"x"/\\y', "/ö/*"])
def test_a_shell_reads_the_words_back(path: str) -> None:
    """A shell splits the command line into the original words (the SDKs for Go, Java and JavaScript use a shell)."""
    line = lines(config=path, program=(sys.executable, "-c", "import sys; print(sys.argv[1:])"))[-1].partition(" = ")[2]
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=True, timeout=60)

    assert repr(path) in done.stdout


@pytest.mark.parametrize("path", ["/a #b", "/a ;b", "/a\nb", "/a\x1bb"])
def test_a_path_that_would_end_the_line_is_refused(path: str) -> None:
    """A path with a line break is refused, because some readers treat the rest as a comment or another key."""
    with pytest.raises(ValueUnusable):
        lines(config=path)


@pytest.mark.parametrize("name", ["default", "DEFAULT", "a b", "a]b", "ä", "-x", ""])
def test_a_name_that_no_profile_can_have_is_refused(name: str) -> None:
    """Names that no profile can have are refused, and so is `default`, because dsops would then depend on itself."""
    with pytest.raises(UsageError) as caught:
        lines(name)
    assert "--prefix" in caught.value.hint


@pytest.mark.parametrize("ending", ["", "\n", "\n\n"])
@pytest.mark.parametrize("own", ["", OWN])
def test_other_contents_stay_byte_for_byte(own: str, ending: str) -> None:
    """The exported block is appended after a blank line, other content stays, and a second merge changes nothing."""
    text = own + ending if own else ""
    once = merged(text)

    assert once.startswith(text)
    assert once.endswith(BLOCK.text())
    assert once == merged(once)
    assert {"target"} | ({"default", "a"} if own else set()) == set(
        read_profiles(SourceText(text=once, shown="config"), NOTHING).by_name
    )


def test_an_older_block_is_replaced_in_its_place() -> None:
    """An older block of the same configuration is replaced where it is, and the text after it stays."""
    first = f"{merged(OWN)}\n[profile z]\nregion = x\n"
    other = Block(config=BLOCK.config, profiles=(("other", ("[profile other]",)),))
    second = merged(first, other)

    assert first.replace(BLOCK.text(), other.text()) == second
    assert first == merged(second)


def test_each_configuration_has_a_block_of_its_own() -> None:
    """Each configuration has its own block, so one file can contain the blocks of two projects."""
    other = Block(config="/q/dsops.yaml", profiles=(("other", ("[profile other]",)),))
    both = merged(merged(OWN), other)

    assert both == merged(both)
    assert both == merged(both, other)
    assert {"target", "other"} <= set(read_profiles(SourceText(text=both, shown="config"), NOTHING).by_name)


def test_a_file_of_windows_keeps_its_line_ends() -> None:
    """Lines added to a file with Windows line ends have Windows line ends, too."""
    once = merged("[default]\r\nregion = x\r\n")

    assert once.count("\n") == once.count("\r\n")
    assert once == merged(once)


@pytest.mark.parametrize(
    ("config", "credentials"),
    [("[profile target]\nregion = x\n", ""), ('[profile "target"]\n', ""), ("", "[target]\naws_access_key_id = x\n")],
)
def test_a_handwritten_profile_is_not_replaced(config: str, credentials: str) -> None:
    """A profile that the user wrote in the config or credentials file is not replaced, and the merge is refused.

    Keys in the credentials file would take precedence over the new profile.
    """
    with pytest.raises(UsageError) as caught:
        merged(config, credentials=SourceText(text=credentials, shown="credentials"))
    assert caught.value.where is not None
    assert 1 == caught.value.where.line


def test_a_profile_of_another_configurations_block_is_not_replaced() -> None:
    """If two projects have a store of the same name, the merge is refused, and the error suggests a prefix."""
    with pytest.raises(UsageError):
        merged(merged(""), Block(config="/q/dsops.yaml", profiles=BLOCK.profiles))


@pytest.mark.parametrize("kept", [BLOCK.begin, BLOCK.end, f"{BLOCK.end}\n{BLOCK.begin}", BLOCK.text() * 2])
def test_half_a_block_is_an_error(kept: str) -> None:
    """A block without an end marker is an error, because dsops does not guess where the block ends."""
    with pytest.raises(ConfigUnreadable):
        merged(f"{OWN}\n{kept}\n")


def test_a_file_that_can_not_be_read_is_not_written() -> None:
    """A config file that AWS's programs cannot read is an error with its line, and the file is not written."""
    with pytest.raises(ConfigUnreadable) as caught:
        merged("[default]\nhush\n")
    assert "hush" not in str(caught.value.__notes__)
