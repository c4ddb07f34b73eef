"""Reads the profiles of AWS's files as the lowest layer of a configuration."""

from __future__ import annotations

from collections.abc import Collection

from dsops.aws.identity.ambient_files import config_file, content, credentials_file, shown_file
from dsops.aws_config.layer import profile_sections
from dsops.aws_config.profiles import Profiles, SourceText, read_profiles
from dsops.config.files import digest
from dsops.config.layers import ProfileLayer
from dsops.errors import ConfigUnreadable, Where
from dsops.model import SourceFile
from dsops.runtime import Runtime


def read_profile_layer(runtime: Runtime, names: Collection[str] | None) -> ProfileLayer:
    """Return the stores of the named profiles, or of all with None. Raises ConfigUnreadable."""
    profiles, files = read_aws_profiles(runtime)
    sections, notes = profile_sections(profiles, names)
    return ProfileLayer(sections, files, notes)


def read_aws_profiles(runtime: Runtime) -> tuple[Profiles, tuple[SourceFile, ...]]:
    """Return the profiles of AWS's config and credentials files, and these files as far as they exist.

    Raises ConfigUnreadable for a file that AWS's own programs can't read either.
    """
    texts, files = [], list[SourceFile]()
    for path in (config_file(runtime.environ, runtime.folder), credentials_file(runtime.environ, runtime.folder)):
        data = content(path)
        shown = shown_file(path, runtime.environ)
        try:
            texts.append(SourceText(text=data.decode(), shown=shown))
        except UnicodeDecodeError as error:
            # Raised from None: the original error shows the file's bytes, which may contain keys.
            line = error.object.count(b"\n", 0, error.start) + 1
            raise ConfigUnreadable(f"{shown} is not UTF-8", hint="save it as UTF-8", where=Where(shown, line)) from None
        if data:
            files.append(SourceFile(path, digest(data), shown, path))
    config, credentials = texts
    return read_profiles(config, credentials), tuple(files)
