"""A question to policies that stand in IAM -> the same with them: what the author gave wins, the rest is read.

What IAM does not tell is not taken for absent: it stands among what is unread, and the answer may be `unknown`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

from dsops.arn import Arn, parse_arn
from dsops.aws.apis.kms import Kms, get_key_policy
from dsops.aws.apis.secret_policy import SecretsManagerClient
from dsops.errors import AccessDenied, DsopsError, EntityNotFound, PolicyInvalid
from dsops.explain.evidence.attached import Attached, PolicyText, ReadsAttached
from dsops.explain.evidence.organization import AccountPlace, OrganizationReader
from dsops.explain.evidence.secret import KnownSecret, read_with_any
from dsops.policy.language.letters import lower_case
from dsops.policy.language.policy import Policy, parse_policy
from dsops.policy.simulate import CaseQuestion, Place, PolicySet, Unread, is_about_roles, is_kms_key
from dsops.tasks import Once, settle

_AT_ONCE: Final = 10
"""Questions; each reads up to two users or roles, with a handful of calls for each."""
_OF_CALLERS: Final[tuple[Place, ...]] = ("identity", "boundary")
_CALLERS_KEYS: Final = ("aws:principaltag/", "aws:userid")


class CompletedQuestion(NamedTuple):
    """A question with all that could be read."""

    asked: CaseQuestion
    policies: PolicySet
    unread: tuple[Unread, ...]


class Completer:
    """Completes questions; whoever comes up in many of them is read once."""

    def __init__(
        self,
        readers: Mapping[str, ReadsAttached],
        organization: OrganizationReader,
        secrets: FindSecretsManager,
        keys: FindKms,
    ) -> None:
        self._readers = readers
        """By account: IAM answers by name and of its caller's account, where a namesake may live."""
        self._organization = organization
        self._find_secrets = secrets
        self._find_keys = keys
        self._key_policies: dict[str, Once[str]] = {}
        self._secrets: dict[str, Once[KnownSecret]] = {}
        self._attached_to: dict[tuple[str, str, str], Once[Attached]] = {}

    async def complete_all(
        self, questions: Sequence[tuple[CaseQuestion, PolicySet]]
    ) -> list[CompletedQuestion | DsopsError]:
        """Each question completed, in order, or the error that it met. IAM answers a few at a time: it throttles."""
        found: list[CompletedQuestion | DsopsError] = []
        for start in range(0, len(questions), _AT_ONCE):
            part = questions[start : start + _AT_ONCE]
            found += await settle(*[self.complete(asked, given) for asked, given in part])
        return found

    async def complete(self, asked: CaseQuestion, given: PolicySet) -> CompletedQuestion:
        """The question with the caller's policies and the role's trust policy, as far as they are not given.

        Raises EntityNotFound for a user or role that IAM does not have.
        """
        question = _Question(asked, given)
        await self._add_callers_policies(question)
        await self._add_resources_policy(question)
        await self._add_organization(question)
        return question.completed()

    async def _add_callers_policies(self, question: _Question) -> None:
        principal = question.asked.principal
        wanted = [place for place in _OF_CALLERS if place not in question.policies]
        if principal.kind not in ("user", "role-session", "federated-session") or not wanted:
            return
        why = ""
        if principal.kind == "federated-session":
            why = f"nobody tells which user federated {principal.arn}"
        elif principal.account not in self._readers:
            why = self._foreign(principal.arn, principal.account)
        if why:
            question.miss(wanted, why)
            question.miss_keys(_CALLERS_KEYS, why)
            return
        is_role = principal.kind == "role-session"
        arn = principal.issuer_arn if is_role else principal.arn
        # Of a session's role the path is not known; one that is written must be right.
        attached = await self._attached("role" if is_role else "user", arn, is_exact=arn.count("/") > 1)
        if "identity" in wanted:
            question.take("identity", attached.identity, attached.unread_identity)
        if "boundary" in wanted:
            question.take("boundary", filter(None, [attached.boundary]), (attached.unread_boundary,))
        question.learn_caller(attached)

    async def _add_resources_policy(self, question: _Question) -> None:
        asked = question.asked
        if "trust" in question.policies or "resource" in question.policies or parse_arn(asked.resource) is None:
            return
        arn = parse_arn(asked.resource)
        if arn is not None and (arn.service, arn.resource_type) == ("secretsmanager", "secret"):
            await self._add_secrets_policy(question, arn)
        elif arn is not None and is_kms_key(asked.resource):
            await self._add_keys_policy(question, arn)
        elif not is_about_roles(asked.action):
            question.miss(
                ["resource"],
                f"policies of {asked.action.partition(':')[0]} are not read: give it with --resource-policy, "
                "or say that there is `none`",
            )
            service = lower_case(asked.action.partition(":")[0])
            question.miss_keys(("aws:resourcetag/", f"{service}:resourcetag/"), "a resource's tags are not read")
        elif asked.resource_account not in self._readers:
            why = self._foreign(asked.resource, asked.resource_account)
            question.miss(["trust"], why)
            question.miss_keys(_TAGS_OF_ROLES, why)
        else:
            question.take_trust_policy(await self._attached("role", asked.resource, is_exact=True))

    async def _add_secrets_policy(self, question: _Question, arn: Arn) -> None:
        text = question.asked.resource
        apis = self._find_secrets(arn.account, arn.region)
        if not apis:
            why = self._foreign(text, arn.account)
            secret = KnownSecret(None, (), why, why)
        else:
            secret = await self._secrets.setdefault(text, Once(lambda: read_with_any(apis, text))).get()
        if secret.unread_policy:
            question.miss(["resource"], secret.unread_policy)
        else:
            question.take("resource", filter(None, [secret.policy]), ())
        if secret.unread_tags:
            question.miss_keys(tuple(lower_case(f"{prefix}/") for prefix in _TAGS_OF_SECRETS), secret.unread_tags)
        question.learn_tags(_TAGS_OF_SECRETS, dict(secret.tags))

    async def _add_keys_policy(self, question: _Question, arn: Arn) -> None:
        text = question.asked.resource
        question.miss_keys(("aws:resourcetag/",), "a key's tags are not read")
        apis = self._find_keys(arn.account, arn.region)
        if not apis:
            question.miss(["resource"], self._foreign(text, arn.account))
            return
        try:
            policy = await self._key_policies.setdefault(text, Once(lambda: _policy_of_key(apis, text))).get()
        except EntityNotFound:
            raise
        except DsopsError as error:
            question.miss(["resource"], error.message)
            return
        question.take("resource", [PolicyText(f"the policy of {text}", policy)], ())

    async def _add_organization(self, question: _Question) -> None:
        asked = question.asked
        if asked.principal.account:
            membership = await self._organization.membership(asked.principal.account)
            question.take_membership(membership, "scp", "aws:PrincipalOrg")
        if parse_arn(asked.resource) is not None and asked.resource_account:
            membership = await self._organization.membership(asked.resource_account)
            question.take_membership(membership, "rcp", "aws:ResourceOrg")

    def _foreign(self, arn: str, account: str) -> str:
        known = " and ".join(self._readers) or "no account"
        return f"{arn} is of account {account}, and the keys that ask are of {known}"

    async def _attached(self, kind: str, arn: str, *, is_exact: bool) -> Attached:
        found = parse_arn(arn)
        account, name = (found.account, found.resource_name) if found is not None else ("", arn)
        reader = self._readers[account]
        read = reader.role if kind == "role" else reader.user
        attached = await self._attached_to.setdefault((account, kind, name), Once(lambda: read(name))).get()
        if not is_exact or attached.entity is None or attached.entity.arn == arn:
            return attached
        if attached.is_template:
            why = f"{arn} is none of the template's: that has {attached.entity.arn}"
            return Attached(None, (), None, why, (why,), why)
        raise EntityNotFound(f"there is no {arn}", hint=f"IAM has {attached.entity.arn}")


async def _policy_of_key(apis: Sequence[Kms], key: str) -> str:
    """The key's policy, by the first that may read it. Raises what the last one met."""
    for api in apis[:-1]:
        with suppress(AccessDenied):
            return await get_key_policy(api, key)
    return await get_key_policy(apis[-1], key)


_TAGS_OF_ROLES: Final = ("aws:resourcetag/", "iam:resourcetag/")
_TAGS_OF_SECRETS: Final = ("aws:ResourceTag", "secretsmanager:ResourceTag")
FindSecretsManager = Callable[[str, str], Sequence[SecretsManagerClient]]
"""Takes account and region; gives it with each of the keys that may read there."""
FindKms = Callable[[str, str], Sequence[Kms]]
"""The same for KMS, where only a key's own account may read its policy."""


class _Question:
    """A question while it is being completed."""

    def __init__(self, asked: CaseQuestion, given: PolicySet) -> None:
        self.asked = asked
        self.policies: dict[Place, tuple[tuple[Policy, ...], ...]] = dict(given)
        self.unread: list[Unread] = []

    def completed(self) -> CompletedQuestion:
        return CompletedQuestion(self.asked, self.policies, tuple(self.unread))

    def miss(self, places: Sequence[Place], why: str) -> None:
        """Policies that nobody could read."""
        self.unread += [Unread(place, why) for place in places]

    def miss_keys(self, keys: tuple[str, ...], why: str) -> None:
        """Condition keys whose values nobody could read."""
        self.unread.append(Unread("context", why, keys))

    def take(self, place: Place, found: Iterable[PolicyText | Policy], missing: Iterable[str]) -> None:
        """Puts policies in their place, and says which are missing there."""
        compiled = self._compiled(place, found)
        self.policies[place] = (compiled,) if compiled else ()
        for why in missing:
            if why:
                self.miss([place], why)

    def _compiled(self, place: Place, found: Iterable[PolicyText | Policy]) -> tuple[Policy, ...]:
        compiled = []
        for policy in found:
            if isinstance(policy, Policy):
                compiled.append(policy)
                continue
            try:
                compiled.append(parse_policy(policy.text, place, name=policy.name))
            except PolicyInvalid as error:
                self.miss([place], f"{policy.name} can't be used: {error.problems[0].message}")
        return tuple(compiled)

    def take_membership(self, membership: AccountPlace, place: Place, prefix: str) -> None:
        """The control policies of an account's organization, and what it is called."""
        organization_id, path = membership.organization_id, membership.path
        if organization_id:
            self._learn({f"{prefix}ID": (organization_id,)})
        if path:
            self._learn({f"{prefix}Paths": (path,)})
        if organization_id is None:
            self.miss_keys((lower_case(f"{prefix}ID"), lower_case(f"{prefix}Paths")), membership.unread)
        elif organization_id and not path:
            self.miss_keys((lower_case(f"{prefix}Paths"),), membership.unread)
        if place in self.policies:
            return
        if membership.levels is None:
            self.miss([place], f"{membership.unread}; give them with --{place}, or say that there are `none`")
            return
        self.policies[place] = tuple(self._compiled(place, level) for level in membership.levels[place])

    def learn_caller(self, attached: Attached) -> None:
        """The path, id and tags that IAM has for the caller."""
        entity, principal = attached.entity, self.asked.principal
        if entity is None:
            self.miss_keys(_CALLERS_KEYS, attached.unread_entity)
            return
        known = principal._replace(unique_id=principal.unique_id or entity.unique_id)
        is_role = principal.kind == "role-session"
        known = known._replace(issuer_arn=entity.arn) if is_role else known._replace(arn=entity.arn)
        self.asked = self.asked._replace(principal=known)
        self.learn_tags(("aws:PrincipalTag",), entity.tags)

    def take_trust_policy(self, role: Attached) -> None:
        """The trust policy of the role that the question is about, and its tags."""
        if role.entity is None:
            self.miss(["trust"], role.unread_entity)
            self.miss_keys(_TAGS_OF_ROLES, role.unread_entity)
            return
        name = f"the trust policy of {role.entity.arn}"
        if not role.is_template:
            self.take("trust", [PolicyText(name, role.entity.trust_policy)], ())
        else:
            self.take("trust", filter(None, [role.trust]), [role.unread_trust])
        self.learn_tags(("aws:ResourceTag", "iam:ResourceTag"), role.entity.tags)

    def learn_tags(self, prefixes: Iterable[str], tags: Mapping[str, str]) -> None:
        """Tags, as the condition keys that tell of them."""
        self._learn({f"{prefix}/{key}": (value,) for prefix in prefixes for key, value in tags.items()})

    def _learn(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        """Keys of the context under those that the author says, in whatever case those are written."""
        said = {lower_case(key) for key in self.asked.context}
        kept = {key: values for key, values in keys.items() if lower_case(key) not in said}
        self.asked = self.asked._replace(context=kept | dict(self.asked.context))
