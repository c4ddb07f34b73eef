"""Reads the profiles of AWS's files as the lowest layer of a configuration."""

from __future__ import annotations

import os
from collections.abc import Collection

from dsops.aws.identity.ambient_files import config_file, content, credentials_file
from dsops.config.files import digest
from dsops.config.layers import ProfileLayer, user_file
from dsops.errors import ConfigUnreadable, Where
from dsops.model import Config, SourceFile
from dsops.runtime import Runtime
from dsops.startup import TYPE_CHECKING
from dsops.user_folders import shown_path

# `aws_config` is imported only where a file is parsed: `plan` parses no file that contains none of its names.
if TYPE_CHECKING:
    from dsops.aws_config.profiles import Profiles


def read_profile_layer(runtime: Runtime, names: Collection[str] | None) -> ProfileLayer:
    """Return the stores of the named profiles, or of all profiles if `names` is None.

    Raises ConfigUnreadable.
    """
    read, kept = _read_files(runtime), runtime.kept
    key = ("profiles", *[(file.shown, file.sha256) for file, _ in read], None if names is None else tuple(names))
    layer: ProfileLayer | None = kept.get(key) if kept else None
    if layer is None:
        from dsops.aws_config.layer import profile_sections

        sections, notes = profile_sections(_parsed(read), names)
        layer = ProfileLayer(sections, (), notes)
        if kept:
            kept.keep(key, layer, sum(file.size for file, _ in read))
    return layer._replace(files=_existing(read))


def read_aws_profiles(runtime: Runtime) -> tuple[Profiles, tuple[SourceFile, ...]]:
    """Return the profiles in AWS's config and credentials files, and a SourceFile for each file that exists.

    Raises ConfigUnreadable for a file that AWS's own programs can't read either.
    """
    read = _read_files(runtime)
    return _parsed(read), _existing(read)


def replaced_names(config: Config, runtime: Runtime) -> list[str]:
    """Return the user's stores, environments and AWS profiles whose names mean something else in the project's files.

    Each is in words, such as "your AWS profile `prod` (~/.aws/config:3)".
    """
    files = {file.shown for file in config.files if file.written != user_file(runtime.environ)}
    names = [name for name, store in config.stores.items() if store.where.file in files and not store.where.is_profile]
    texts = [data for _, data in _read_files(runtime)]
    names = [name for name in names if any(os.fsencode(name) in text for text in texts)]
    profiles = read_profile_layer(runtime, names).sections.stores if names else {}
    return [
        *config.replaced,
        *[f"your AWS profile `{name}` ({profiles[name][0].where})" for name in names if name in profiles],
    ]


def _read_files(runtime: Runtime) -> list[tuple[SourceFile, bytes]]:
    """Read AWS's config and credentials files; b"" for a file that does not exist."""
    paths = config_file(runtime.environ, runtime.folder), credentials_file(runtime.environ, runtime.folder)
    return [
        (SourceFile(path, digest(data), shown_path(path, runtime.environ), path, size=len(data)), data)
        for path, data in [(path, content(path)) for path in paths]
    ]


def _existing(read: list[tuple[SourceFile, bytes]]) -> tuple[SourceFile, ...]:
    return tuple([file for file, data in read if data])


def _parsed(read: list[tuple[SourceFile, bytes]]) -> Profiles:
    from dsops.aws_config.profiles import SourceText, read_profiles

    texts = []
    for file, data in read:
        try:
            texts.append(SourceText(text=data.decode(), shown=file.shown))
        except UnicodeDecodeError as error:
            # The error below is raised `from None`, because the original error shows the file's bytes, which may
            # contain keys.
            line, shown = error.object.count(b"\n", 0, error.start) + 1, file.shown
            raise ConfigUnreadable(f"{shown} is not UTF-8", hint="save it as UTF-8", where=Where(shown, line)) from None
    config, credentials = texts
    return read_profiles(config, credentials)
