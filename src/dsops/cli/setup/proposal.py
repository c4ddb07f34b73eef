"""Proposes a dsops.yaml: finds profiles and the roles of CI files, and makes the text for the chosen one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from dsops.aws_config.as_yaml import stores_text
from dsops.aws_config.profiles import Profiles
from dsops.aws_config.stores import MadeStore, make_stores
from dsops.cli.framework.picker.choices import choice_of_profile
from dsops.errors import DsopsError, Where
from dsops.input_file import read_file
from dsops.pipeline.profiles import read_aws_profiles
from dsops.runtime import Choice, Runtime
from dsops.schema import STS_TYPE
from dsops.startup import NamedTuple
from dsops.text import counted

_WORKFLOWS = os.path.join(".github", "workflows")
_GITLAB = ".gitlab-ci.yml"
_MOST_FILES, _MOST_BYTES = 50, 1 << 20
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]{1,512}", re.ASCII)
_REGION = re.compile(
    r"(?:aws-region|AWS_REGION|AWS_DEFAULT_REGION)\s*[:=]\s*[\"']?([a-z]{2}(?:-[a-z]+)+-[0-9])", re.ASCII
)
_DEFAULT_REGION = "us-east-1"

_HEAD = """\
# Proposed by `dsops init` from {source}.
#
#   dsops validate                         checks this file
#   dsops plan                             shows what a run would do, without doing it
#   dsops exec -- CMD                      runs CMD with the variables of the default environment
#   {example:<38} runs CMD with the session of the store `{store}`
version: 1

secretStores:
"""
_REST = """
  # AWS Secrets Manager, read with that session.
  {secrets}:
    type: aws.secretsmanager
    region: {region}
    credentials_from: {store}

# The environment that is used if --env is left out.
default_env: development

envs:
  development:
    LOG_LEVEL:
      literal: debug
    # DATABASE_URL:
    #   from:
    #     store: {secrets}
    #     key: development/database/connection
"""


class RoleInFile(NamedTuple):
    """A role that a CI file names, with the file, the line, the nearest region, and the issuer of the job's token."""

    arn: str
    file: str
    line: int
    region: str
    provider: str


class Findings(NamedTuple):
    """What `dsops init` has found: profiles that can be stores, and roles in CI files."""

    profiles: Profiles
    names: tuple[str, ...]
    """The names of the profiles that can be stores."""
    roles: tuple[RoleInFile, ...]

    @property
    def summary(self) -> str:
        """Return one line that says what was found."""
        sessions = len(self.profiles.sso_sessions)
        parts = [counted(len(self.names), "usable profile")] if self.names else []
        parts += [f"{counted(sessions, 'sso-session')} of IAM Identity Center"] if sessions else []
        files = ", ".join(dict.fromkeys(role.file for role in self.roles))
        return "; ".join([*parts, *([f"{counted(len(self.roles), 'role')} in {files}"] if self.roles else [])])


def look(runtime: Runtime) -> Findings:
    """Read AWS's files and the CI files of the working folder. A file that can't be read is left out."""
    try:
        profiles = read_aws_profiles(runtime)[0]
    except DsopsError:
        profiles = Profiles(by_name={}, sso_sessions=frozenset(), notes=())
    made = make_stores(profiles)
    return Findings(profiles, tuple([store.profile for store in made.stores]), tuple(_roles(runtime.folder)))


def choices_of(findings: Findings) -> dict[Choice, RoleInFile | str]:
    """Map each choice to its profile's name or its role."""
    profiles = {choice_of_profile(findings.profiles.by_name[name]): name for name in findings.names}
    return {**{Choice(role.arn, f"role in {role.file}, line {role.line}"): role for role in findings.roles}, **profiles}


def proposed_text(findings: Findings, chosen: RoleInFile | str) -> str:
    """Return the text of a dsops.yaml whose first environment reads secrets with the chosen role or profile."""
    if isinstance(chosen, str):
        stores: Sequence[MadeStore] = make_stores(findings.profiles, [chosen]).stores
        source = f"profile {_comment(chosen)}"
    else:
        stores, source = [_store_of_role(chosen)], f"{_comment(chosen.file)}, line {chosen.line}"
    store, names = stores[-1], [each.name for each in stores]
    region = next((value for key, value in store.settings if key == "region"), _DEFAULT_REGION)
    secrets = next(name for name in ("secrets", "secrets-2", "secrets-3") if name not in names)
    head = _HEAD.format(source=source, store=store.name, example=f"dsops exec {store.name} -- CMD")
    return head + stores_text(stores) + _REST.format(secrets=secrets, region=region, store=store.name)


def _store_of_role(role: RoleInFile) -> MadeStore:
    name = re.sub(r"[^a-z0-9]+", "-", role.arn.rpartition("/")[2].lower()).strip("-") or "deploy"
    settings = {"type": STS_TYPE.name, "region": role.region, "role_arn": role.arn, "web_identity": role.provider}
    comment = f"The role in {role.file}, line {role.line}, assumed with the token of the CI job."
    where = Where(role.file, role.line)
    return MadeStore(name=name, profile="", where=where, settings=tuple(settings.items()), comments=(comment,))


def _comment(text: str) -> str:
    return "".join([character if character.isprintable() else "?" for character in text])


def _roles(folder: str) -> Iterator[RoleInFile]:
    """Yield the roles that the CI files of the folder name, each once."""
    seen = set()
    for file, provider in _ci_files(folder):
        try:
            text = read_file(os.path.join(folder, file), _MOST_BYTES, follows_links=False).data.decode(errors="replace")
        except OSError:
            continue
        region = _REGION.search(text)
        for number, line in enumerate(text.splitlines(), 1):
            for arn in _ROLE.findall(line) if not line.lstrip().startswith("#") else ():
                if arn not in seen:
                    seen.add(arn)
                    yield RoleInFile(arn, file, number, region[1] if region else _DEFAULT_REGION, provider)


def _ci_files(folder: str) -> Iterator[tuple[str, str]]:
    """Yield the workflow files, relative to the folder, each with the provider of its jobs' tokens."""
    try:
        names = sorted(os.listdir(os.path.join(folder, _WORKFLOWS)))
    except OSError:
        names = []
    for name in [name for name in names if name.endswith((".yml", ".yaml"))][:_MOST_FILES]:
        yield os.path.join(_WORKFLOWS, name), "github"
    yield _GITLAB, "gitlab"
