"""Save the present state of a sandbox as a seed file."""

from __future__ import annotations

from typing import NamedTuple

from dsops.errors import SeedInvalid
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.seed.file import read_seed
from dsops.sandbox.seed.model import Seed, SeedAccount, SeedOidcProvider
from dsops.sandbox.seed.present_account import AccountReader, issued
from dsops.sandbox.seed.present_anywhere import present_roles_anywhere
from dsops.sandbox.seed.present_regions import RegionReader
from dsops.sandbox.seed.writing import write_seed
from dsops.sandbox.state.organization_builder import read_organization
from dsops.sandbox.state.resource_policies import other_resources

_HEAD = (
    "The state of a dsops sandbox, saved as a seed: `dsops sandbox serve --seed FILE` starts from it.",
    "It contains the sandbox's access keys, the seeds of its MFA devices and the values of its secrets.",
)
_COMPLETE = "Everything that the sandbox held is in it, except sessions, decisions and events."
_NOT_SAVED = "Not saved, because a seed can't express it:"


class SavedSeed(NamedTuple):
    """A seed file, and what the sandbox holds that is not in it."""

    text: str
    not_saved: tuple[str, ...]


def save(sandbox: Sandbox) -> SavedSeed:
    """Return the sandbox's present state as a seed file."""
    with sandbox.world.lock:
        seed, notes = present_seed(sandbox)
        arns = [secret.arn for secret, _ in sandbox.secret_storage.kept_secrets()]
    text = write_seed(seed, ())
    notes += [f"the last six characters of {arn}, which a policy names" for arn in arns if arn in text]
    try:
        read_seed(text, "the saved seed")
    except SeedInvalid as error:
        notes += [f"correct this before use: {problem.path}: {problem.message}" for problem in error.problems]
    listed = tuple(dict.fromkeys(notes))
    comments = (*_HEAD, _NOT_SAVED, *(f"- {note}" for note in listed)) if listed else (*_HEAD, _COMPLETE)
    return SavedSeed(write_seed(seed, comments), listed)


def present_seed(sandbox: Sandbox) -> tuple[Seed, list[str]]:
    """Return the present state as a seed, and what a seed can't express. The caller must hold the lock."""
    world, notes = sandbox.world, list[str]()
    start = sandbox.seed or Seed()
    accounts = [_account(sandbox, account, start, notes) for account in _ordered(sandbox)]
    regions = RegionReader(world, sandbox.secret_storage, sandbox.keys, notes).read()
    notes += other_resources(world)
    if sandbox.has_stacks:
        notes.append("CloudFormation stacks; what they created is saved like other resources")
    owners = {place.management_account for place in map(world.organizations.membership, world.partitions) if place}
    organizations = [read_organization(world.organizations, owner, notes) for owner in sorted(owners)]
    if len(organizations) > 1:
        notes.append(f"the organizations of the accounts {', '.join(sorted(owners)[1:])}: a seed has one organization")
    seed = start._replace(
        accounts=tuple(account._replace(regions=regions.get(account.account, {})) for account in accounts),
        organization=organizations[0] if organizations else None,
        throttle=sandbox.throttle.rates,
        authorization_ids=sandbox.authorization_records.services,
    )
    return seed, notes


def _ordered(sandbox: Sandbox) -> list[str]:
    """Return the accounts, the default account first, as a seed names them."""
    sandbox.world.adopt_accounts()
    return sorted(sandbox.world.partitions, key=lambda account: account != sandbox.default_account)


def _account(sandbox: Sandbox, account: str, start: Seed, notes: list[str]) -> SeedAccount:
    center = sandbox.identity_center.instance
    roles = () if center is None else center.roles.values()
    reader = AccountReader(sandbox.world, sandbox.issuers, account, notes)
    present = reader.read({role.role_id for role in roles}, {role.provider_arn for role in roles})
    return present._replace(
        oidc_providers=(*present.oidc_providers, *_providers_of_all(sandbox, account, start)),
        has_outbound_federation=sandbox.sts.outbound.is_enabled(account),
        roles_anywhere=present_roles_anywhere(sandbox.roles_anywhere.records, account, notes),
    )


def _providers_of_all(sandbox: Sandbox, account: str, start: Seed) -> tuple[SeedOidcProvider, ...]:
    """Return the account's providers without client ids (Google, Cognito), which IAM does not list."""
    found = next((each for each in start.accounts if each.account == account), SeedAccount(account))
    return tuple(issued(sandbox.issuers, each.url, ()) for each in found.oidc_providers if not each.client_ids)
