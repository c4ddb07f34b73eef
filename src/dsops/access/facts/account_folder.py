"""Read the folder of one account: its identities, identity providers, and resources with their policies."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dsops.access.facts.authorization_details import DetailsReader
from dsops.access.facts.documents import Documents
from dsops.access.facts.encryption_keys import default_key_of, grants_of, key_arn
from dsops.access.facts.gaps import TAG_KEYS, gaps_of
from dsops.access.facts.json_files import JsonFile, object_of, objects_of, read_object, tags_of, text_of, texts_of
from dsops.access.facts.layout import ACCOUNT, DETAILS, GLOBAL_SERVICES, PROVIDERS, RESOURCES, TAGS, resource_files
from dsops.access.facts.world import Gap, MemberAccount, OrganizationFacts, Resource, add_facts
from dsops.errors import PolicyInvalid, PolicyUnreadable
from dsops.input_file import reason
from dsops.text import clean


class AccountFolder:
    """The folder `accounts/ID`. Each missing file becomes a gap with its reason."""

    def __init__(self, folder: str, account: str, documents: Documents) -> None:
        self._folder = folder
        self._account = account
        self._documents = documents
        self._gaps: list[Gap] = []

    def read(self) -> OrganizationFacts:
        """Return the account's facts. Raises PolicyUnreadable and PolicyInvalid."""
        about = self._read(ACCOUNT)
        self._gaps += gaps_of(about.value, self._account)
        has_identity_gap = any(gap.place == "identities" for gap in self._gaps)
        details = self._read(DETAILS)
        world = OrganizationFacts({}, {}, {})
        if not details.problem:
            world = DetailsReader(details.value, self._shown(DETAILS), self._account, self._documents).world()
        elif not has_identity_gap:
            self._gaps.append(Gap(self._account, "identities", details.problem))
        account = MemberAccount(self._account, text_of(about.value, "Name"), text_of(about.value, "Partition") or "aws")
        return world._replace(
            accounts={self._account: account},
            resources=self._resources(about),
            providers=self._providers(about),
            gaps=(*world.gaps, *self._gaps),
            sources=(self._folder,),
        )

    def _providers(self, about: JsonFile) -> frozenset[str]:
        content = self._read(PROVIDERS)
        self._gaps += gaps_of(content.value, self._account)
        if content.problem and not about.problem:
            self._gaps.append(Gap(self._account, "identities", f"identity providers: {content.problem}"))
        lists = ("OpenIDConnectProviderList", "SAMLProviderList")
        arns = {text_of(entry, "Arn") for name in lists for entry in objects_of(content.value, name)}
        return frozenset(arns - {""})

    def _resources(self, about: JsonFile) -> Mapping[str, Resource]:
        """Return the resources in all files. Each expected file that is missing becomes a gap."""
        names = self._resource_names()
        regions = tuple(texts_of(about.value, "Regions"))
        expected = resource_files(regions) if regions else {}
        for name in (name for name in expected if name not in names):
            self._note_missing(expected[name][0], f"{self._shown(RESOURCES)}/{name} is missing")
        if not regions and not any(gap.place == "resources" for gap in self._gaps):
            why = f"{self._shown(ACCOUNT)} does not say in which regions the resources were collected"
            self._gaps.append(Gap(self._account, "resources", why))
        elif regions and about.value.get("HasAllRegions") is not True:
            why = f"only the resources in {', '.join(map(clean, regions))} were collected"
            self._gaps.append(Gap(self._account, "resources", why, known_services=GLOBAL_SERVICES))
        tags: dict[str, Mapping[str, str]] = {}
        resources: dict[str, Resource] = {}
        for name in sorted(names, key=lambda name: (not name.startswith(f"{TAGS}."), name)):
            content = self._read(f"{RESOURCES}/{name}")
            self._gaps += gaps_of(content.value, self._account)
            if content.problem:
                self._note_missing(name.partition(".")[0], content.problem)
            elif name.startswith(f"{TAGS}."):
                tags |= {text_of(entry, "Arn"): tags_of(entry) for entry in objects_of(content.value, "Resources")}
            else:
                of_account = content.value.get("AccountPublicAccessBlock")
                for entry in objects_of(content.value, "Resources"):
                    resource = self._resource(entry, tags)._replace(
                        restricts_public=_restricts_public(entry.get("PublicAccessBlock"), of_account)
                    )
                    add_facts(resources, {resource.arn: resource}, self._shown(f"{RESOURCES}/{name}"))
        return resources

    def _resource(self, entry: Mapping[str, object], tags: Mapping[str, Mapping[str, str]]) -> Resource:
        arn = text_of(entry, "Arn")
        if not arn.startswith("arn:"):
            raise PolicyInvalid(
                f"{self._shown(RESOURCES)} has a resource without a valid ARN: `{clean(arn[:200])}`",
                hint="docs/reference/access.md describes the format of these files",
            )
        policy = entry.get("Policy")
        document = self._documents.of(f"the policy of {arn}", "resource", policy) if policy else None
        _, partition, _, region, *_ = arn.split(":")

        def named(name: str) -> str:
            return key_arn(name, partition, text_of(entry, "Region") or region, self._account) if name else ""

        key = default_key_of(object_of(entry, "Encryption")) if "Encryption" in entry else text_of(entry, "KmsKeyId")
        return Resource(
            arn,
            self._account,
            document,
            tags_of(entry) or tags.get(arn, {}),
            text_of(entry, "Role"),
            named(key) if entry.get("Encryption") or "KmsKeyId" in entry else None,
            tuple(map(named, texts_of(entry, "Aliases"))),
            grants=grants_of(entry) if ":kms:" in arn else (),
            may_have_acls=":s3:::" in arn and text_of(entry, "ObjectOwnership") != "BucketOwnerEnforced",
        )

    def _resource_names(self) -> list[str]:
        try:
            return [name for name in os.listdir(os.path.join(self._folder, RESOURCES)) if name.endswith(".json")]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise PolicyUnreadable(
                f"{clean(self._folder)}/{RESOURCES} can't be read", why=reason(error), hint="check the folder"
            ) from error

    def _note_missing(self, service: str, why: str) -> None:
        if service == TAGS:
            self._gaps.append(Gap(self._account, "context", why, keys=TAG_KEYS))
        else:
            self._gaps.append(Gap(self._account, "resources", why, service=service))

    def _read(self, name: str) -> JsonFile:
        return read_object(os.path.join(self._folder, name), shown=self._shown(name))

    def _shown(self, name: str) -> str:
        return f"accounts/{self._account}/{name}"


def _restricts_public(*blocks: object) -> bool | None:
    """Whether one of the blocks of a bucket and its account restricts public policies; None if one is unknown."""
    known = [block for block in blocks if isinstance(block, Mapping)]
    if any(block.get("RestrictPublicBuckets") is True for block in known):
        return True
    return False if len(known) == len(blocks) else None
