"""`dsops explain --message`: why some other program was refused, by what it printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsops.aws.http.client import make_client
from dsops.cache import CredentialCache
from dsops.cli.framework.project import base_identity, carry_out, load_config
from dsops.cli.framework.world import DONE
from dsops.cli.look.explain import MESSAGE, OPERAND, POLICIES, TRUST_POLICY, environment_of, plan_of_store
from dsops.cli.look.explain_files import evidence_of
from dsops.cli.look.explain_text import show
from dsops.cli.look.whoami import DEFAULT_REGION
from dsops.cli.policy.files import read_policy
from dsops.errors import CheckFailed, Where
from dsops.explain.findings.investigate import Investigator
from dsops.explain.questions.chain import Chains
from dsops.plan import Fingerprint, Plan, Step
from dsops.resolve import Resolver
from dsops.resolve.identity import endpoints_of

if TYPE_CHECKING:
    from dsops.cli.framework.command import Arguments
    from dsops.credentials import Credentials
    from dsops.explain.evidence.library import Evidence
    from dsops.explain.finding import RefusalFinding
    from dsops.runtime import Runtime


def explain_message(arguments: Arguments, runtime: Runtime) -> int:
    """Reads with the base credentials, or with a store's session, whatever bears on the call of the message."""
    store = arguments.operand(OPERAND)
    text = read_policy(arguments.text(MESSAGE.name), runtime)
    if store:
        config = load_config(arguments, runtime)
        plan = plan_of_store(config, store, environment_of(config, arguments), runtime)
    else:
        plan = Plan("", (), {}, {"": base_identity(runtime)}, 0, ())
    evidence = evidence_of(
        plan.steps.values(), arguments.texts(POLICIES.name), arguments.texts(TRUST_POLICY.name), runtime
    )
    findings = carry_out(_investigate(plan, store, text, evidence, runtime), runtime)
    runtime.report(DONE)
    show("the message", findings, is_json=arguments.switch("--json"))
    return CheckFailed.exit_code


async def _investigate(plan: Plan, store: str, text: str, evidence: Evidence, runtime: Runtime) -> list[RefusalFinding]:
    client, cache = make_client(runtime), CredentialCache(runtime.now, is_of_one_run=True)
    resolver = Resolver(plan, runtime, client, cache)
    sessions: dict[str, Credentials] = {}
    for name in plan.steps if store else ():
        sessions[name] = await resolver.credentials(name)
    bases = {profile: await resolver.base(profile) for profile in plan.ambient}
    investigator = Investigator(Chains(plan, client, sessions, bases), evidence, lambda _store, _key: Where(""))
    return await investigator.explain_message(text, _nowhere(plan, store, runtime))


def _nowhere(plan: Plan, store: str, runtime: Runtime) -> Step:
    """Stands for the program's own call: it is no store's."""
    environ = runtime.environ
    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or base_identity(runtime).region
    if store:
        region = plan.steps[store].region or region
    endpoints = endpoints_of(environ, "", runtime.folder)
    return Step(
        "", "aws.sts", {}, region or DEFAULT_REGION, store, "", Fingerprint(""), None, Where(""), endpoints=endpoints
    )
