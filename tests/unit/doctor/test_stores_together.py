"""Doctor checks stores concurrently: many stores take as many rounds of calls as the deepest one alone."""

from __future__ import annotations

import re

from dsops import tasks
from dsops.aws.http.wire import Response, WireRequest
from dsops.cli.look.doctor import with_next_step
from dsops.doctor.check import attributed
from dsops.doctor.network import check_endpoints, endpoints_of_plan
from dsops.doctor.stores import StoreProbe, try_all
from dsops.errors import Unreachable
from dsops.plan import Plan
from dsops.runtime import Runtime
from tests.aws_in_memory import CALLER, DENIED, Call, InMemoryAws, Refusal
from tests.fakes import NOON, FixedClock, Reports, make_runtime
from tests.plans import LONG_TERM, plan_of

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE01", "AWS_SECRET_ACCESS_KEY": "hush", "AWS_REGION": "us-east-1"}
STORE = """
  role-{n}: {{type: aws.sts, region: us-east-1, role_arn: "arn:aws:iam::222222222222:role/Role{n}"}}
  secrets-{n}: {{type: aws.secretsmanager, region: us-east-1, credentials_from: role-{n}}}"""


class Amazon(InMemoryAws):
    """An AWS stub in memory that also answers GetCallerIdentity and requests for its Date header."""

    def __init__(self) -> None:
        super().__init__(FixedClock())
        self.asked: list[str] = []
        self.unreachable: set[str] = set()

    def start(self, request: object, token: object) -> None:
        """Accept a request; fail it if its host is unreachable."""
        assert isinstance(request, WireRequest)
        if request.address.host in self.unreachable:
            raise Unreachable(f"could not reach {request.address.host}")
        if request.method == "GET":
            self.asked.append(request.address.host)
            self._round.append("GET")
            self._waiting.append((token, Response(302, self._headers(), b"", "Nov 24 12:00:00 2027 GMT")))
            return
        super().start(request, token)

    def _GetCallerIdentity(self, _call: Call) -> Response:  # noqa: N802 (the action's own name)
        parts = f"<Arn>{CALLER}</Arn><UserId>AIDAX</UserId><Account>111111111111</Account>"
        result = f"<GetCallerIdentityResult>{parts}</GetCallerIdentityResult>"
        answer = f"<GetCallerIdentityResponse>{result}</GetCallerIdentityResponse>"
        return Response(200, self._headers(), answer.encode())


def plan_with(stores: int, secrets: int = 1) -> Plan:
    """Return the plan of an environment that reads secrets from this many stores, each with its own role."""
    lines = ["secretStores:", *[STORE.format(n=n) for n in range(stores)], "envs:", "  e:"]
    lines += [f"    V{n}_{m}: {{from: 'secrets-{n}:s{m}'}}" for n in range(stores) for m in range(secrets)]
    return plan_of(_long_references("\n".join(lines)), "e")


def _long_references(text: str) -> str:
    return re.sub(r"from: '([^:]+):([^']+)'", r"from: {store: \1, key: \2}", text)


def examine(aws: Amazon, *plans: Plan, runtime: Runtime | None = None) -> StoreProbe:
    """Return what doctor's probe of these plans finds."""
    runtime = runtime or make_runtime(KEYS)
    endpoints = {each.url: each for plan in plans for each in endpoints_of_plan(plan, runtime)}
    return tasks.run(try_all(plans, list(endpoints.values()), runtime), aws, sleep=lambda _: None)


def test_twenty_stores_take_the_rounds_of_one() -> None:
    """Checking twenty stores takes two rounds (caller and roles, then secrets); server checks run beside them."""
    aws = Amazon()
    aws.secrets = {"s0": "hush"}

    found = examine(aws, plan_with(20))

    assert [len([call for call in each if call != "GET"]) for each in aws.rounds] == [1 + 20, 20]
    assert len(aws.asked) == 2
    assert {check.status for check in found.checks} == {"ok"}
    assert len([check for check in found.checks if check.code == "doctor.store"]) == 40


def test_one_store_takes_as_many() -> None:
    """A single store takes two rounds, as many as twenty stores."""
    aws = Amazon()
    aws.secrets = {"s0": "hush"}
    examine(aws, plan_with(1))
    rounds = [sorted(call for call in each if call != "GET") for each in aws.rounds]
    assert rounds == [["AssumeRole Role0", "GetCallerIdentity"], ["GetSecretValue s0"]]


def test_several_environments_share_what_they_have_in_common() -> None:
    """If environments share a role, a server and a caller, each is checked once."""
    aws = Amazon()
    aws.secrets = {"s0": "hush"}
    plan = plan_with(1)
    examine(aws, plan, plan._replace(environment="other"))
    assert aws.actions.count("AssumeRole Role0") == 1
    assert sorted(aws.asked) == ["secretsmanager.us-east-1.amazonaws.com", "sts.us-east-1.amazonaws.com"]


def test_each_server_that_answers_is_progress() -> None:
    """Endpoints, sessions and secrets are reported as progress while `dsops doctor` waits for them."""
    aws, reports = Amazon(), Reports()
    aws.secrets = {"s0": "hush"}
    examine(aws, plan_with(1), runtime=make_runtime(KEYS, report=reports))
    assert reports.names.count("endpoint.answered") == 2
    assert {"credentials.issued", "secrets.fetched"} <= set(reports.names)


def test_batches_that_are_refused_are_a_warning_with_the_statement() -> None:
    """If AWS denies batch reads, doctor warns with the policy statement to add; the secrets are read one by one."""
    aws = Amazon()
    aws.secrets = {f"s{n}": "hush" for n in range(12)}
    aws.rule = lambda call: DENIED if call.action == "BatchGetSecretValue" else None

    found = examine(aws, plan_with(1, secrets=12))

    [warning] = [check for check in found.checks if check.status != "ok"]
    assert (warning.code, warning.name, warning.status) == ("doctor.batch", "batches of secrets-0", "warning")
    assert '"Action": "secretsmanager:BatchGetSecretValue", "Resource": "*"' in warning.hint
    assert "to the role Role0" in warning.hint


def test_batches_that_are_allowed_or_not_tried_are_no_warning() -> None:
    """If batch reads are allowed or not needed (up to ten secrets), there is no warning about them."""
    for secrets in (12, 1):
        aws = Amazon()
        aws.secrets = {f"s{n}": "hush" for n in range(12)}
        assert {check.code for check in examine(aws, plan_with(1, secrets=secrets)).checks} == {
            "doctor.base-credentials",
            "doctor.store",
        }


TAGGED = """
secretStores:
  role:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::222222222222:role/Tagged
    tags: {team: a}
    source_identity: ada
"""


def test_a_refused_role_is_told_all_that_its_trust_policy_needs() -> None:
    """If AWS denies a role, doctor's hint lists all actions that its trust policy needs.

    AWS itself names one missing action at a time.
    """
    aws = Amazon()
    message = "User: SESSION is not authorized to perform: sts:TagSession on resource: RESOURCE"
    aws.rule = lambda call: Refusal("AccessDenied", message, 403) if call.action == "AssumeRole" else None

    found = examine(aws, plan_of(TAGGED, store="role", ambient=LONG_TERM))

    checks = {check.code: check for check in found.checks}
    assert checks["doctor.store"].status == "failed"
    needed = checks["doctor.trust-policy"]
    assert (needed.status, needed.name) == ("warning", "trust policy of role")
    assert '"Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]' in needed.hint


def test_a_refusal_is_told_with_the_command_that_finds_its_reason() -> None:
    """A denied check's hint is the `dsops explain` command for its environment and store.

    A failure with another reason, such as a missing secret, keeps its own hint.
    """
    aws = Amazon()
    aws.rule = lambda call: DENIED if call.action == "GetSecretValue" else None
    [denied] = [check for check in examine(aws, plan_with(1)).checks if check.status == "failed"]
    assert with_next_step(denied, "").hint == "`dsops explain --env e secrets-0` looks for the policy that decides"

    [missing] = [check for check in examine(Amazon(), plan_with(1)).checks if check.status == "failed"]
    assert with_next_step(missing, "").hint == missing.errors[0].hint


def test_a_role_that_lets_in_needs_nothing_besides() -> None:
    """If the role can be assumed, no check of its trust policy is reported."""
    found = examine(Amazon(), plan_of(TAGGED, store="role", ambient=LONG_TERM))
    assert {check.code for check in found.checks} == {"doctor.base-credentials", "doctor.store"}


def test_a_server_that_is_not_there_is_the_one_failure() -> None:
    """If a server is unreachable, only its own check fails; checks that need the server are skipped and name it."""
    aws = Amazon()
    aws.unreachable = {"sts.us-east-1.amazonaws.com"}
    plan = plan_with(2)
    found = examine(aws, plan)
    endpoints = list(endpoints_of_plan(plan, make_runtime(KEYS)))
    distinct = list({each.url: each for each in endpoints}.values())

    checks = list(attributed([*check_endpoints(distinct, found.glances, NOON), *found.checks]))

    assert [check.name for check in checks if check.status == "failed"] == ["endpoint sts.us-east-1"]
    assert {check.detail for check in checks if check.status == "skipped"} >= {"needs endpoint sts.us-east-1"}


def test_keys_in_the_environment_that_end_soon_are_a_warning() -> None:
    """Keys in the environment that expire soon are a warning, because dsops cannot renew them."""
    for end, status in (("2026-11-24T12:10:00Z", "warning"), ("2026-11-24T12:30:00Z", "ok")):
        environ = {**KEYS, "AWS_SESSION_TOKEN": "hush", "AWS_CREDENTIAL_EXPIRATION": end}
        aws = Amazon()
        aws.secrets = {"s0": "hush"}
        found = examine(aws, plan_with(1), runtime=make_runtime(environ))
        [base] = [check for check in found.checks if check.code == "doctor.base-credentials"]
        assert base.status == status
