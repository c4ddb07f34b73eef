"""Stores -> profiles that ask dsops for a session, and their place in an ~/.aws/config that is somebody's own.

AWS SDKs and Tools Reference Guide, "Process credential provider": the command line of `credential_process` is split as
a shell would (botocore, the AWS CLI, PHP), or given to one (Go, Java, JavaScript, .NET). Quoted as for a shell both do.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dsops.aws_config.profiles import Profiles, SourceText, read_profiles
from dsops.endpoint import is_region_name
from dsops.errors import ConfigUnreadable, UsageError, ValueUnusable, Where

# What every reader of such files takes for a name, without quotes; and what a shell takes as it is.
_NAME = re.compile(r"(?!DEFAULT$)[A-Za-z0-9][\w.@+/-]*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessProfile:
    """A profile whose credentials are a store's session."""

    name: str
    store: str
    region: str
    """Empty where the store has none, or one that an environment variable gives."""
    environment: str = ""
    """Of the configuration: what decides what the session may do, where that follows from what is read."""


def profile_lines(
    profile: ProcessProfile, program: Sequence[str], config: str, join: Callable[[Sequence[str]], str] = shlex.join
) -> list[str]:
    """The section. `program` starts dsops, `config` is the absolute path of the configuration.

    `join` quotes words as a shell does; Windows has a way of its own, which botocore knows.

    Raises UsageError for a name that can't head a section, ValueUnusable for what no line can hold.
    """
    if profile.name == "default" or not _NAME.fullmatch(profile.name):
        raise UsageError(
            f"`{profile.name}` can't be the name of such a profile",
            why="that has ASCII letters, digits and `_.@+/-`, and `default` is where dsops itself begins",
            hint="`--prefix` puts something before the names: `--prefix dsops-`",
        )
    if profile.region and not is_region_name(profile.region):
        # A line break in it would write a section of its own choice, in a file that runs commands.
        raise ValueUnusable(
            f"the region of store `{profile.store}` is none: {profile.region!r}",
            hint="`region` is a name such as us-east-1",
        )
    words = [*program, "credentials", profile.store, "--config", config, "--format", "process"]
    words += ["--env", profile.environment] if profile.environment else []
    words += ["--for-profile", profile.name]
    lines = [f"[profile {profile.name}]"]
    lines += [f"region = {profile.region}"] if profile.region else []
    return [*lines, f"credential_process = {_checked(join(words))}"]


def _checked(line: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]|\s[#;]", line):
        # Some readers end a value there: it would begin a comment.
        raise ValueUnusable(
            "that command line can't stand in ~/.aws/config",
            why="a path in it has a control character, or a blank before `#` or `;`",
            hint="move or rename the configuration, or dsops",
        )
    return line


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """The lines that belong to one configuration, between two markers that name it."""

    config: str
    profiles: tuple[tuple[str, tuple[str, ...]], ...]
    """Name -> lines."""

    @property
    def begin(self) -> str:
        """The line before them."""
        return f"# dsops: begin {self.config} (dsops export aws-config --write replaces what follows)"

    @property
    def end(self) -> str:
        """The line behind them."""
        return f"# dsops: end {self.config}"

    def text(self) -> str:
        """The whole block."""
        sections = "\n\n".join("\n".join(lines) for _, lines in self.profiles)
        return f"{self.begin}\n{sections}\n{self.end}\n"


def merge(old: SourceText, credentials: SourceText, block: Block) -> str:
    """The config file's text with the block in the place of an older one, else at its end; all else as it was.

    Raises UsageError for a profile that somebody else has made, in either file, and ConfigUnreadable for a block
    that has lost its end or a file that AWS's programs can't read.
    """
    lines = old.text.split("\n")
    found = _place(lines, block, old.shown)
    # A file of Windows keeps its line ends, and so do the lines that are added.
    ending = "\r\n" if "\r\n" in old.text else "\n"
    new = block.text().replace("\n", ending)
    if found is None:
        before, after = old.text, ""
        if before and not before.endswith("\n"):
            before += ending
        between = ending if before and not before.endswith(ending * 2) else ""
    else:
        first, last = found
        before, after = "".join(f"{line}\n" for line in lines[:first]), "\n".join(lines[last + 1 :])
        between = ""
    _refuse_others(read_profiles(SourceText(text=before + after, shown=old.shown), credentials), block)
    return f"{before}{between}{new}{after}"


def _place(lines: Sequence[str], block: Block, shown: str) -> tuple[int, int] | None:
    """The lines of the markers; None where there are none."""
    marks = [line.removesuffix("\r") for line in lines]
    starts = [number for number, line in enumerate(marks) if line == block.begin]
    ends = [number for number, line in enumerate(marks) if line == block.end]
    if not starts and not ends:
        return None
    if len(starts) != 1 or len(ends) != 1 or ends[0] < starts[0]:
        number = (starts or ends)[0] + 1
        raise ConfigUnreadable(
            f"the lines that dsops has put into {shown} have lost their beginning or end",
            hint=f"remove what is left of them, and of `{block.end}`",
            where=Where(shown, number),
        )
    return starts[0], ends[0]


def _refuse_others(profiles: Profiles, block: Block) -> None:
    """A profile of somebody's own is never replaced; one with keys would win over a credential_process anyway."""
    for name, _ in block.profiles:
        own = profiles.by_name.get(name)
        if own is not None:
            raise UsageError(
                f"there is a profile `{name}` already",
                why="dsops replaces only what it has written itself, for the same configuration",
                hint="give its own ones other names: `--prefix dsops-`; or export fewer: `--store NAME`",
                where=own.where,
            )
