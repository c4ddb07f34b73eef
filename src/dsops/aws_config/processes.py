"""Profiles that use dsops as `credential_process`, and their block in the user's ~/.aws/config.

Source: AWS SDKs and Tools Reference Guide, "Process credential provider". Some SDKs split the command line of
`credential_process` like a shell (botocore, the AWS CLI, PHP), others pass the command line to a shell (Go, Java,
JavaScript, .NET). Shell quoting works for both.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dsops.aws_config.marked_block import find_block
from dsops.aws_config.profiles import Profiles, SourceText, read_profiles
from dsops.endpoint import is_region_name
from dsops.errors import UsageError, ValueUnusable

# Profile names that need no quotes, neither in config files nor in a shell.
_NAME = re.compile(r"(?!DEFAULT$)[A-Za-z0-9][\w.@+/-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessProfile:
    """A profile that gets its credentials from a store's session."""

    name: str
    store: str
    region: str
    """The region of the session; "" if the store has none, or takes it from an environment variable."""
    environment: str = ""
    """The environment in the configuration that decides the session policy (`session_policy: auto`); "" for none."""


def profile_lines(
    profile: ProcessProfile, program: Sequence[str], config: str, join: Callable[[Sequence[str]], str] = shlex.join
) -> list[str]:
    """Return the lines of the profile's section.

    - `program`: the command that starts dsops
    - `config`: the configuration's absolute path
    - `join`: quotes words as a shell does; on Windows, by the rules of Windows, which botocore follows

    Raises UsageError for a name that a section can't have, and ValueUnusable for a line that the file can't contain.
    """
    if profile.name == "default" or not _NAME.fullmatch(profile.name):
        raise UsageError(
            f"`{profile.name}` can't be the name of an exported profile",
            why="only ASCII letters, digits and `_.@+/-` are allowed; `default` is kept for the base credentials",
            hint="add a prefix to the names: `--prefix dsops-`",
        )
    if profile.region and not is_region_name(profile.region):
        # A region with a line break could add any section to the file, and a section can contain a command to run.
        raise ValueUnusable(
            f"the region of store `{profile.store}` is invalid: {profile.region!r}",
            hint="set `region` to a name such as us-east-1",
        )
    words = [*program, "credentials", profile.store, "--config", config, "--format", "process"]
    words += ["--env", profile.environment] if profile.environment else []
    words += ["--for-profile", profile.name]
    lines = [f"[profile {profile.name}]"]
    lines += [f"region = {profile.region}"] if profile.region else []
    return [*lines, f"credential_process = {_checked(join(words))}"]


def _checked(line: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]|\s[#;]", line):
        # Some readers would treat the rest of the line as a comment.
        raise ValueUnusable(
            "the credential_process command can't be written into ~/.aws/config",
            why="a path in the command has a control character, or a space before `#` or `;`",
            hint="move or rename the configuration file, or dsops",
        )
    return line


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The profiles of one configuration, between two marker lines that name the configuration."""

    config: str
    profiles: tuple[tuple[str, tuple[str, ...]], ...]
    """The name and the lines of each profile."""

    @property
    def begin(self) -> str:
        """The marker line above the profiles."""
        return f"# dsops: begin {self.config} (dsops export aws-config --write replaces what follows)"

    @property
    def end(self) -> str:
        """The marker line below the profiles."""
        return f"# dsops: end {self.config}"

    def text(self) -> str:
        """Return the whole block with its marker lines."""
        sections = "\n\n".join("\n".join(lines) for _, lines in self.profiles)
        return f"{self.begin}\n{sections}\n{self.end}\n"


def merge(old: SourceText, credentials: SourceText, block: Block) -> str:
    """Return the config file's text with the block replaced, or added at the end. Other text stays unchanged.

    Raises UsageError if the user has a profile of the same name in either file. Raises ConfigUnreadable for a block
    without its end marker, or a file that AWS's programs can't read.
    """
    lines = old.text.split("\n")
    place = find_block(lines, block.begin, block.end, old.shown)
    # A file with Windows line ends keeps them, and the added lines get Windows line ends, too.
    ending = "\r\n" if "\r\n" in old.text else "\n"
    new = block.text().replace("\n", ending)
    if place is None:
        before, after = old.text, ""
        if before and not before.endswith("\n"):
            before += ending
        between = ending if before and not before.endswith(ending * 2) else ""
    else:
        first, last = place
        before, after = "".join(f"{line}\n" for line in lines[:first]), "\n".join(lines[last + 1 :])
        between = ""
    _refuse_others(read_profiles(SourceText(text=before + after, shown=old.shown), credentials), block)
    return f"{before}{between}{new}{after}"


def _refuse_others(profiles: Profiles, block: Block) -> None:
    """Raise UsageError if the user has a profile of the same name: its keys would override credential_process."""
    for name, _ in block.profiles:
        own = profiles.by_name.get(name)
        if own is not None:
            raise UsageError(
                f"a profile `{name}` exists already",
                why="dsops replaces only profiles that it wrote itself for the same configuration",
                hint="use other profile names: `--prefix dsops-`; or export fewer stores: `--store NAME`",
                where=own.where,
            )
