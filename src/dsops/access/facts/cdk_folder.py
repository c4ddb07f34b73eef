"""Read the folder that `cdk synth` writes (`cdk.out`): the templates of all stacks, with their accounts and regions.

Format: `manifest.json` of a cloud assembly (AWS CDK, cloud-assembly-schema).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Final

from dsops.access.facts.cloudformation import Stack, read_stacks
from dsops.access.facts.templates import DEFAULT_REGION, account_in
from dsops.access.facts.terraform_values import mapping
from dsops.access.facts.world import OrganizationFacts
from dsops.document import parse_json, to_plain
from dsops.errors import PolicyInvalid, PolicyUnreadable
from dsops.input_file import reason
from dsops.text import clean

_MANIFEST: Final = "manifest.json"
_ENDING: Final = ".template.json"
_ENVIRONMENT: Final = re.compile(r"aws://([0-9]{12}|[^/]*)/(.*)")
_MOST_STAGES: Final = 20
"""The maximum depth of stages within stages."""


def is_cdk_folder(folder: str) -> bool:
    """Whether a folder contains templates of CloudFormation, as `cdk synth` names them."""
    return os.path.isdir(folder) and bool(_template_files(folder) or _stages(_manifest(folder)))


def read_cdk_folder(folder: str) -> OrganizationFacts:
    """Return the facts in all stacks of a folder.

    Raises PolicyUnreadable for a file that can't be read, and PolicyInvalid for one that is not JSON, or for a folder
    without stacks.
    """
    stacks = [*_stacks(folder, 0)]
    if not stacks:
        raise PolicyInvalid(
            f"{clean(folder)} contains no CDK stacks",
            why=f"the folder has no file that ends in `{_ENDING}`",
            hint="run `cdk synth`, and name the folder that it writes, such as `cdk.out`",
        )
    common = account_in([stack.template for stack in stacks])
    return read_stacks([stack._replace(account=stack.account or common) for stack in stacks], folder)


def _stacks(folder: str, depth: int) -> Iterator[Stack]:
    """Yield the stacks of a folder and of the stages in it. A stack without a known account has the account ""."""
    manifest = _manifest(folder)
    by_file: dict[str, tuple[str, str, str]] = {}
    for key, artifact in mapping(manifest.get("artifacts")).items():
        properties = mapping(mapping(artifact).get("properties"))
        file = properties.get("templateFile")
        if mapping(artifact).get("type") == "aws:cloudformation:stack" and isinstance(file, str):
            found = _ENVIRONMENT.fullmatch(str(mapping(artifact).get("environment", "")))
            account = found[1] if found is not None and found[1].isdecimal() else ""
            region = found[2] if found is not None and not found[2].startswith("unknown-") else ""
            by_file[file] = (str(properties.get("stackName") or key), account, region or DEFAULT_REGION)
    for file in _template_files(folder):
        name, account, region = by_file.get(file, (file.removesuffix(_ENDING), "", DEFAULT_REGION))
        yield Stack(_read(os.path.join(folder, file)), name, account, region)
    for stage in _stages(manifest) if depth < _MOST_STAGES else ():
        yield from _stacks(os.path.join(folder, stage), depth + 1)


def _template_files(folder: str) -> list[str]:
    """Return the names of the stacks' templates. Templates of nested stacks belong to their stack."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise PolicyUnreadable(f"{clean(folder)} can't be read", why=reason(error), hint="name a folder") from error
    return [name for name in names if name.endswith(_ENDING) and not name.endswith(f".nested{_ENDING}")]


def _stages(manifest: Mapping[str, object]) -> list[str]:
    """Return the folders of a manifest's stages. A name that leads out of the folder is ignored."""
    names = (
        mapping(mapping(artifact).get("properties")).get("directoryName")
        for artifact in mapping(manifest.get("artifacts")).values()
        if mapping(artifact).get("type") == "cdk:cloud-assembly"
    )
    return [name for name in names if isinstance(name, str) and name == os.path.basename(name) and name.strip(".")]


def _manifest(folder: str) -> Mapping[str, object]:
    path = os.path.join(folder, _MANIFEST)
    return _read(path) if os.path.isfile(path) else {}


def _read(path: str) -> Mapping[str, object]:
    """Return the object in a JSON file."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
    except (OSError, UnicodeError) as error:
        why = reason(error) if isinstance(error, OSError) else "it is not UTF-8"
        raise PolicyUnreadable(f"{clean(path)} can't be read", why=why, hint="check the file") from error
    document = parse_json(text, path)
    if document.problems or document.root is None:
        hint = "write it again with `cdk synth`"
        raise PolicyInvalid(f"{clean(path)} can't be used", hint=hint, problems=document.problems)
    return mapping(to_plain(document.root))
