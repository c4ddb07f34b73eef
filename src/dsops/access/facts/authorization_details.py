"""Read the users, groups and roles that `aws iam get-account-authorization-details` prints.

Policies may be objects, as the AWS CLI prints them, or percent-encoded texts, as the API returns them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dsops.access.facts.documents import Documents
from dsops.access.facts.json_files import object_of, objects_of, tags_of, text_of, texts_of
from dsops.access.facts.world import Gap, IamIdentity, OrganizationFacts, PolicyDocument, UserGroup, add_facts
from dsops.arn import is_account_id, parse_arn
from dsops.errors import PolicyInvalid
from dsops.policy import PolicyKind
from dsops.text import clean

_LISTS: Final = ("UserDetailList", "GroupDetailList", "RoleDetailList", "Policies")
"""The lists of a complete answer of the API. The first page of a long answer has all of them, too."""


class DetailsReader:
    """One answer of GetAccountAuthorizationDetails. `file` is its name in messages and reasons."""

    def __init__(self, content: Mapping[str, object], file: str, account: str, documents: Documents) -> None:
        """If `account` is "", each identity belongs to the account in its ARN."""
        self._content = content
        self._file = clean(file)
        self._account = account
        self._documents = documents
        self._gaps: list[Gap] = []
        self._managed = {text_of(policy, "Arn"): policy for policy in objects_of(content, "Policies")}
        self._managed_documents: dict[tuple[str, PolicyKind], PolicyDocument | None] = {}
        self._groups: dict[str, UserGroup] = {}

    def world(self) -> OrganizationFacts:
        """Return the identities and groups with their policies, and the gaps.

        Raises PolicyInvalid for an ARN that is none or is of another account, and for two versions of an identity.
        """
        identities: dict[str, IamIdentity] = {}
        groups: dict[str, UserGroup] = {}
        for entry in objects_of(self._content, "GroupDetailList"):
            arn, account = self._arn(entry, "group")
            group = UserGroup(arn, account, tuple(self._policies(entry, arn, account, "GroupPolicyList")))
            add_facts(groups, {arn: group}, self._file)
            self._groups[f"{account}/{arn.rpartition('/')[2]}"] = group
        for entry in objects_of(self._content, "UserDetailList"):
            user = self._user(entry)
            add_facts(identities, {user.arn: user}, self._file)
        for entry in objects_of(self._content, "RoleDetailList"):
            role = self._role(entry)
            add_facts(identities, {role.arn: role}, self._file)
        self._note_missing_lists()
        return OrganizationFacts({}, identities, {}, groups, gaps=tuple(self._gaps), sources=(self._file,))

    def _user(self, entry: Mapping[str, object]) -> IamIdentity:
        arn, account = self._arn(entry, "user")
        policies = list(self._policies(entry, arn, account, "UserPolicyList"))
        names = texts_of(entry, "GroupList")
        for name in names:
            group = self._groups.get(f"{account}/{name}")
            if group is None:
                self._gaps.append(Gap(account, "identity", f"the group {clean(name)} is not in {self._file}", arn))
            else:
                policies += group.policies
        return IamIdentity(
            arn,
            "user",
            account,
            text_of(entry, "UserId"),
            tags_of(entry),
            tuple(policies),
            self._boundary(entry, arn, account),
            groups=tuple(names),
        )

    def _role(self, entry: Mapping[str, object]) -> IamIdentity:
        arn, account = self._arn(entry, "role")
        policies = list(self._policies(entry, arn, account, "RolePolicyList"))
        trust = None
        if entry.get("AssumeRolePolicyDocument"):
            trust = self._documents.of(f"the trust policy of {arn}", "trust", entry["AssumeRolePolicyDocument"])
        else:
            self._gaps.append(Gap(account, "trust", f"the trust policy is not in {self._file}", arn))
        profiles = [text_of(profile, "Arn") for profile in objects_of(entry, "InstanceProfileList")]
        return IamIdentity(
            arn,
            "role",
            account,
            text_of(entry, "RoleId"),
            tags_of(entry),
            tuple(policies),
            self._boundary(entry, arn, account),
            trust,
            tuple(profile for profile in profiles if profile),
        )

    def _boundary(self, entry: Mapping[str, object], arn: str, account: str) -> PolicyDocument | None:
        boundary_arn = text_of(object_of(entry, "PermissionsBoundary"), "PermissionsBoundaryArn")
        if not boundary_arn:
            return None
        boundary = self._attached(boundary_arn, "boundary")
        if boundary is None:
            self._gaps.append(Gap(account, "boundary", self._missing(boundary_arn), arn))
        return boundary

    def _policies(self, entry: Mapping[str, object], arn: str, account: str, inline: str) -> Iterator[PolicyDocument]:
        for policy in objects_of(entry, inline):
            name = f"{text_of(policy, 'PolicyName')} of {arn}"
            yield self._documents.of(name, "identity", policy.get("PolicyDocument"))
        for attached in objects_of(entry, "AttachedManagedPolicies"):
            policy_arn = text_of(attached, "PolicyArn")
            document = self._attached(policy_arn, "identity")
            if document is None:
                self._gaps.append(Gap(account, "identity", self._missing(policy_arn), arn))
            else:
                yield document

    def _attached(self, arn: str, kind: PolicyKind) -> PolicyDocument | None:
        """Return the default version of a managed policy; None if the file does not contain it."""
        if (arn, kind) not in self._managed_documents:
            versions = objects_of(self._managed.get(arn), "PolicyVersionList")
            version = next((version for version in versions if version.get("IsDefaultVersion") is True), None)
            value = version.get("Document") if version is not None else None
            self._managed_documents[arn, kind] = self._documents.of(arn, kind, value) if value else None
        return self._managed_documents[arn, kind]

    def _missing(self, arn: str) -> str:
        return f"{clean(arn)} is attached, and its default version is not in {self._file}"

    def _note_missing_lists(self) -> None:
        """Add gaps for an answer that ends before its last page, or that a filter has shortened."""
        if self._content.get("IsTruncated") is True:
            why = f"{self._file} has only the first page of the answer"
            self._gaps.append(Gap(self._account, "identities", why))
        missing = [name for name in _LISTS if not isinstance(self._content.get(name), list)]
        if missing:
            why = f"{self._file} has no {' and no '.join(missing)}"
            self._gaps.append(Gap(self._account, "identities", why))

    def _arn(self, entry: Mapping[str, object], kind: str) -> tuple[str, str]:
        """Return the entry's ARN and account. Raises PolicyInvalid."""
        text = text_of(entry, "Arn")
        arn = parse_arn(text)
        if arn is None or arn.service != "iam" or arn.resource_type != kind or not is_account_id(arn.account):
            raise PolicyInvalid(
                f"{self._file} has a {kind} without a valid ARN: `{clean(text[:200])}`",
                hint="`aws iam get-account-authorization-details` prints a file that dsops can read",
            )
        if self._account and arn.account != self._account:
            raise PolicyInvalid(
                f"{self._file} is in the folder of account {self._account}, but {clean(text[:200])} is in another",
                hint=f"move the file to the folder `accounts/{arn.account}`",
            )
        return text, arn.account
