"""Explains the failures of a plan's trial run, with the policies that the callers in its chain may read."""

from __future__ import annotations

from collections.abc import Sequence

from dsops.arn import parse_arn
from dsops.aws.apis.authorization_message import decode_authorization_message
from dsops.aws.apis.iam import get_role, list_roles
from dsops.errors import AccessDenied, AssumeRoleDenied, DsopsError, EntityNotFound, NoCredentials, nearest
from dsops.explain.evidence.keys import is_about_keys
from dsops.explain.evidence.library import Evidence, EvidenceLibrary, is_role_exact
from dsops.explain.evidence.message import Refused, encoded_in, read_decoded, read_recorded, read_sentence
from dsops.explain.evidence.record_reader import RecordReader
from dsops.explain.evidence.recorded import Recorded
from dsops.explain.finding import Fact, FaultLocation, RefusalFinding, Remedy
from dsops.explain.findings.answer import findings_of
from dsops.explain.findings.ask import Asker, Failure, Questions
from dsops.explain.findings.refused import finding_of, is_policys
from dsops.explain.questions.chain import ChainKeys, Chains
from dsops.explain.questions.federated_questions import provider_in, unsigned_questions
from dsops.explain.questions.refused_call import EditAt, RefusedCall
from dsops.explain.questions.sentence import RefusalMessage, one_line, read_refusal
from dsops.plan import Step
from dsops.policy import CaseQuestion, Request, simulate
from dsops.schema import POLICY_RECORDING


class Investigator:
    """Explains the failures of one plan."""

    def __init__(self, chains: Chains, evidence: Evidence, edit_at: EditAt) -> None:
        self._chains = chains
        self._library = EvidenceLibrary(chains, evidence)
        self._is_by_files = bool(evidence.given or evidence.trusts)
        self._asker = Asker(chains, edit_at)
        self._records = RecordReader(chains)
        self._edit_at = edit_at

    async def explain(self, failure: Failure) -> list[RefusalFinding]:
        """Return the findings for a failure: first the policy that refused, then policies that would also refuse."""
        failure = failure._replace(step=_with_what_was_sent(failure))
        step, error = failure.step, failure.error
        # A read of a secret is not a hop.
        hop = 0 if failure.secret else self._chains.hop(step)
        if failure.secret and is_about_keys(error.aws):
            return await self._explain_key(failure)
        if not is_policys(error):
            return [await self._with_known(finding_of(error, step, hop, self._edit_at), failure)]
        refusal = read_refusal(error.aws.message if error.aws else "")
        chain = await self._chains.of(step)
        record = await self._record(refusal, step, chain, is_fresh=True)
        recorded = record if isinstance(record, Recorded) else None
        refusal = refusal if recorded is None else recorded.said
        questions = await self._asker.of(failure, refusal, chain)
        if isinstance(questions, RefusalFinding):
            return [await self._with_known(questions, failure)]
        findings = await self._judge(questions, refusal, step, hop, chain, error, recorded)
        return _with_fact(findings or [finding_of(error, step, hop, self._edit_at)], record)

    async def _record(
        self, refusal: RefusalMessage, step: Step, chain: Sequence[ChainKeys], *, is_fresh: bool
    ) -> Recorded | Fact | None:
        """Return AWS's record of the refusal, or the missing fact; None if the message has no authorization id."""
        if not refusal.authorization_id:
            return None
        return await self._records.read(refusal, step, chain, is_fresh=is_fresh)

    async def _explain_key(self, failure: Failure) -> list[RefusalFinding]:
        """Explain why a value may be read but can't be decrypted."""
        step, error = failure.step, failure.error
        chain = await self._chains.of(step)
        question = await self._asker.of_key(failure, chain)
        if isinstance(question, RefusalFinding):
            return [question]
        # Parameter Store repeats the message of KMS, but Secrets Manager does not.
        refusal = read_refusal(error.aws.message if error.aws else "")
        return await self._judge([question], refusal, step, 0, chain, error)

    async def _judge(
        self,
        questions: Questions,
        refusal: RefusalMessage,
        step: Step,
        hop: int,
        chain: Sequence[ChainKeys],
        error: DsopsError,
        recorded: Recorded | None = None,
    ) -> list[RefusalFinding]:
        """Return the findings for the first policy question whose refusal is proven.

        If none is proven, return the findings for the first question.
        """
        readers, completer = self._library.completer(step, chain)
        findings: list[RefusalFinding] = []
        for question, unread in questions:
            needed = self._asker.actions(step, chain)
            needed = tuple(sorted({*needed, question.action})) if needed else ()
            about = self._about(question, step, hop)._replace(actions=needed)
            try:
                completed = await self._library.complete(question, unread, chain, readers, completer, recorded)
            except EntityNotFound as missing:
                return [await self._missing(missing, about, chain, step)]
            is_known = bool(completed.asked.principal.arn or completed.asked.principal.federated)
            if not is_known:
                provider = provider_in(question, completed.policies)
                again = [part for part, _ in unsigned_questions(step, step.region, provider)]
                same = [part for part in again if part.action == question.action]
                completed = completed._replace(asked=same[0]) if same else completed
            outcome = simulate(completed.asked, completed.policies, completed.unread, self._chains.now(step))
            exact = is_role_exact(chain, completed)
            keys = tuple(key for part in completed.unread for key in part.keys)
            about = about._replace(
                request=outcome.decision.request, is_role_exact=exact, is_provider_known=is_known, unknown_keys=keys
            )
            findings_of_question = findings_of(outcome, refusal, about, error)
            if findings_of_question and findings_of_question[0].certainty == "proven":
                return findings_of_question
            if recorded is not None and recorded.lacks_role:
                return [self._missing_role(about, error)]
            findings = findings or findings_of_question
        return findings

    def _missing_role(self, about: RefusedCall, error: DsopsError) -> RefusalFinding:
        """Return the finding for a role that probably does not exist: AWS's record has no trust policy for it."""
        arn = about.request.resource
        message = f"AWS's record has no trust policy of {arn}, and every role has one: there is probably no such role"
        remedy = Remedy("check the role's name, path and account", about.edit("role_arn"))
        place = FaultLocation(about.step.name, about.hop, "", arn, "", 0, "", 0)
        return RefusalFinding("role-missing", "likely", message, place, remedy=remedy, aws=error.aws)

    async def _with_known(self, finding: RefusalFinding, failure: Failure) -> RefusalFinding:
        """Add facts that can be looked up: the secret that was probably meant, or the role's maximum duration."""
        if finding.cause == "duration-role":
            return await self._with_limit(finding, failure.step)
        if finding.cause != "secret-missing":
            return finding
        meant = await self._asker.meant_secret(failure, await self._chains.of(failure.step))
        text = f"did you mean `{meant}`? else {finding.remedy.text}"
        return finding._replace(remedy=finding.remedy._replace(text=text)) if meant else finding

    async def _with_limit(self, finding: RefusalFinding, step: Step) -> RefusalFinding:
        """Add the role's maximum session duration.

        AWS's error does not state it, but a caller that may read the role can look it up.
        """
        role = parse_arn(str(step.settings.get("role_arn", "")))
        for keys in reversed(await self._chains.of(step)):
            if role is None or keys.identity.account != role.account:
                continue
            try:
                seconds = (await get_role(self._library.iam(step, keys), role.resource_name)).max_session_seconds
            except DsopsError:
                continue
            if seconds:
                wished = step.settings.get("duration_seconds")
                text = (
                    f"set `duration_seconds: {seconds}` or less, or "
                    f"`aws iam update-role --role-name {role.resource_name} --max-session-duration {wished}`"
                )
                remedy = finding.remedy._replace(text=text)
                return finding._replace(message=f"{finding.message}, which is {seconds} s", remedy=remedy)
        return finding

    async def _missing(
        self, missing: EntityNotFound, about: RefusedCall, chain: Sequence[ChainKeys], step: Step
    ) -> RefusalFinding:
        """Return the finding for a role that does not exist, with the name of the role that was probably meant."""
        arn = about.request.resource
        name = arn.rpartition("/")[2].rpartition(":")[2]
        if name not in missing.message:
            message = f"there is no {about.principal_name} any more: {missing.message}"
            place = FaultLocation(step.credentials_from, 0, "", about.caller, "", 0, "", 0)
            return RefusalFinding("caller-missing", "likely", message, place, aws=missing.aws)
        if ":secret:" in arn:
            place = FaultLocation(step.name, 0, "", arn, "", 0, "", 0)
            remedy = Remedy(missing.hint or "check the secret's ARN")
            return RefusalFinding(
                "secret-missing", "proven", f"there is no {arn}", place, remedy=remedy, aws=missing.aws
            )
        account = about.request.resource_account
        names: list[str] = []
        for keys in chain:
            if keys.identity.account == account and not names:
                try:
                    names = await list_roles(self._library.iam(step, keys))
                except DsopsError:
                    continue
        by_name = {role_name.rpartition("/")[2]: role_name for role_name in names}
        meant = by_name.get(nearest(arn.rpartition("/")[2], by_name), "")
        text = f"did you mean {meant}?" if meant else missing.hint or "check the role's name, path and account"
        remedy = Remedy(text, self._edit_at(step.name, "role_arn"))
        place = FaultLocation(step.name, about.hop, "", arn, "", 0, "", 0)
        return RefusalFinding("role-missing", "proven", f"there is no {arn}", place, remedy=remedy, aws=missing.aws)

    async def explain_message(self, text: str, step: Step) -> list[RefusalFinding]:
        """Explain the refusal in an error message of another program.

        The policies are read with the credentials in the step's chain.
        """
        chain = await self._chains.of(step)
        if not chain:
            raise NoCredentials(
                "there are no credentials to read the policies with",
                hint="set AWS_PROFILE, or log in with `aws sso login`",
            )
        encoded = encoded_in(text)
        record: Recorded | Fact | None = None
        if encoded:
            refused = await self._decoded(encoded, step, chain[-1])
        else:
            refusal = read_refusal(one_line(text))
            record = await self._record(refusal, step, chain, is_fresh=False)
            refused = read_recorded(record) if isinstance(record, Recorded) else read_sentence(text)
        # If the caller is a session of the plan, the plan describes the caller more completely than the message does.
        keys = chain[-1]
        if keys.caller is None or keys.caller.principal.arn != refused.caller.principal.arn:
            chain = [*chain[:-1], keys._replace(caller=refused.caller)]
        error = AccessDenied("AWS refused the request")
        recorded = record if isinstance(record, Recorded) else None
        questions = [(refused.asked, refused.unread)]
        return _with_fact(await self._judge(questions, refused.said, step, 0, chain, error, recorded), record)

    async def _decoded(self, encoded: str, step: Step, keys: ChainKeys) -> Refused:
        endpoint = self._chains.endpoint(step, "sts")
        try:
            return read_decoded(
                await decode_authorization_message(self._chains.client, keys.credentials, endpoint, encoded)
            )
        except AccessDenied as denied:
            hint = "an administrator of that account with sts:DecodeAuthorizationMessage can run this command"
            denied.retell(denied.message, hint=hint)
            raise

    def _about(self, question: CaseQuestion, step: Step, hop: int) -> RefusedCall:
        request = Request(
            question.principal, question.action, question.resource, question.resource_account, question.context
        )
        issuer = self._chains.plan.steps.get(step.credentials_from)
        recording = "" if issuer is None else str(issuer.settings.get(POLICY_RECORDING, ""))
        return RefusedCall(request, step, hop, self._edit_at, is_by_files=self._is_by_files, recording=recording)


def _with_what_was_sent(failure: Failure) -> Step:
    """Return the step with issuer, subject and audience of a token that is available only at run time.

    The error of the refused AssumeRole call contains these facts.
    """
    step, error = failure.step, failure.error
    if step.proof is None or step.proof.speaks_of is not None or not isinstance(error, AssumeRoleDenied):
        return step
    return step._replace(proof=step.proof._replace(speaks_of=error.speaks_of))


def _with_fact(findings: list[RefusalFinding], record: Recorded | Fact | None) -> list[RefusalFinding]:
    """If no finding is proven, add AWS's missing record as the first fact to look up."""
    if not isinstance(record, Fact) or not findings or findings[0].certainty == "proven":
        return findings
    return [findings[0]._replace(facts=(record, *findings[0].facts)), *findings[1:]]
