"""Read the folder that `dsops access collect` writes, as a `OrganizationFacts`.

Policies stay texts until a question needs them, because an organization has tens of thousands.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from dsops.access.facts.account_folder import AccountFolder
from dsops.access.facts.documents import Documents
from dsops.access.facts.gaps import unknown_membership
from dsops.access.facts.iam_collect import is_iam_collect, read_iam_collect
from dsops.access.facts.identity_center import read_assignments
from dsops.access.facts.json_files import read_object
from dsops.access.facts.layout import ACCOUNTS, GLOBAL_SERVICES, IDENTITY_CENTER, ORGANIZATION, REGIONAL_SERVICES
from dsops.access.facts.organization import ListedAccounts, OrganizationFile
from dsops.access.facts.world import Gap, OrganizationFacts, merge_worlds
from dsops.arn import is_account_id
from dsops.errors import PolicyInvalid, PolicyUnreadable
from dsops.input_file import reason
from dsops.text import clean

_OTHER_SERVICES: Final = Gap(
    "",
    "resources",
    "only resources of KMS, Lambda, Parameter Store, S3, Secrets Manager, SNS and SQS are collected",
    known_services=(*GLOBAL_SERVICES, *REGIONAL_SERVICES),
)
_RESERVED: Final = ":role/aws-reserved/sso.amazonaws.com/"
"""The path of the roles that Identity Center creates for its permission sets."""


def read_folder(folder: str) -> OrganizationFacts:
    """Return the facts in a folder, with a gap for each fact that is missing or could not be collected.

    A folder that iam-collect wrote is recognised by its content.

    Raises PolicyUnreadable for a file that can't be read or is a symbolic link, and PolicyInvalid for a file that is
    not what its name says, or for two versions of the same account, user or role.
    """
    if is_iam_collect(folder):
        return read_iam_collect(folder)
    documents = Documents()
    listed = _read_organization(folder, documents)
    folders = _account_folders(folder)
    worlds = [AccountFolder(path, account, documents).read() for account, path in folders.items()]
    facts = merge_worlds([world._replace(accounts={}) for world in worlds])
    center = read_object(os.path.join(folder, IDENTITY_CENTER), shown=IDENTITY_CENTER)
    assignments = read_assignments(center.value)
    gaps = [*listed.world.gaps, *facts.gaps, *assignments.gaps, _OTHER_SERVICES]
    if center.problem and listed.expected:
        gaps.append(Gap("", "identities", f"assignments of Identity Center: {center.problem}"))
    elif not assignments.assignments and any(_RESERVED in arn for arn in facts.identities):
        gaps.append(
            Gap("", "identities", f"{IDENTITY_CENTER} has no assignment, but there are roles of Identity Center")
        )
    gaps += listed.missing(folders)
    found = {identifier: account for world in worlds for identifier, account in world.accounts.items()}
    accounts = dict(listed.world.accounts)
    for identifier, account in found.items():
        if identifier not in accounts:
            accounts[identifier] = account._replace(organization_id=None)
            gaps += unknown_membership(identifier, f"{ORGANIZATION} is missing, or does not have account {identifier}")
    return OrganizationFacts(
        accounts,
        facts.identities,
        facts.resources,
        facts.groups,
        facts.providers,
        assignments.assignments,
        tuple(_of_the_organization(dict.fromkeys(gaps), folders)),
        (folder,),
    )


def _of_the_organization(gaps: Iterable[Gap], accounts: Collection[str]) -> list[Gap]:
    """Return the gaps; one that each collected account has becomes one gap of the organization."""
    owners: dict[Gap, set[str]] = {}
    for gap in gaps:
        owners.setdefault(gap._replace(account=""), set()).add(gap.account)
    shared = {gap for gap, names in owners.items() if len(names) > 1 and names >= set(accounts) and not gap.arn}
    kept = [gap for gap in gaps if gap._replace(account="") not in shared]
    return [*kept, *shared]


def _read_organization(folder: str, documents: Documents) -> ListedAccounts:
    content = read_object(os.path.join(folder, ORGANIZATION), shown=ORGANIZATION)
    return OrganizationFile(content.value, ORGANIZATION, documents).read()


def _account_folders(folder: str) -> Mapping[str, str]:
    """Map the id of each account to its folder. Raises PolicyUnreadable if there is no account, or a symbolic link."""
    parent = os.path.join(folder, ACCOUNTS)
    try:
        names = sorted(os.listdir(parent))
    except OSError as error:
        raise PolicyUnreadable(
            f"{clean(folder)} has no files about accounts",
            why=f"the folder `{ACCOUNTS}` in it can't be read: {reason(error)}",
            hint="`dsops access collect` writes such a folder",
        ) from error
    folders = {}
    for name in names:
        path = os.path.join(parent, name)
        mode = os.lstat(path).st_mode
        if stat.S_ISLNK(mode):
            raise PolicyUnreadable(
                f"{clean(path)} can't be read", why="it is a symbolic link", hint="copy the folder itself"
            )
        if stat.S_ISDIR(mode):
            folders[_checked(name, folder)] = path
    return folders


def _checked(name: str, folder: str) -> str:
    if not is_account_id(name):
        raise PolicyInvalid(
            f"the folder `{clean(name)}` in {clean(folder)}/{ACCOUNTS} is not named after an account",
            why="the name of each folder there is an account id of twelve digits",
            hint="rename the folder, or move it elsewhere",
        )
    return name
