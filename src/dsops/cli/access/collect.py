"""`dsops access collect`: read an organization through AWS's APIs into a folder of JSON files."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from dsops.access.collect.account import ALL_REGIONS, Freshness
from dsops.access.collect.account_apis import AccountApis
from dsops.access.collect.collection import DEFAULT_ROLE, Collected, Collector, Order, organization_id
from dsops.access.collect.permissions import collection_policy
from dsops.access.facts.last_collected import default_folder
from dsops.access.facts.world import Gap
from dsops.arn import is_account_id, partition_of_region
from dsops.aws.apis.sts import get_caller_identity
from dsops.aws.http.call import make_client
from dsops.cli.framework.command import CONFIG, NO_AGENT, REASON, SESSION_ENVIRONMENT, Arguments, Command, Flag
from dsops.cli.framework.output import Json, answer, answer_json, answer_sentence, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.project import issue, load_config, plan_session
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, is_region_name, resolve_endpoint
from dsops.errors import CredentialsExpired, UsageError
from dsops.pipeline.execution import carry_out
from dsops.pipeline.plans import require_session
from dsops.resolve.base import DEFAULT_REGION, base_environ, base_region, load_base
from dsops.runtime import PartCount, Runtime
from dsops.startup import NamedTuple
from dsops.text import clean, counted
from dsops.user_folders import shown_path

_MOST_SHOWN = 20
_CALL_TIMEOUT_MS = 120_000
"""The timeout of a call with its retries: AWS throttles the lists of large accounts."""


class _Caller(NamedTuple):
    """The credentials of the collection, with their region and settings of endpoints."""

    credentials: Credentials
    region: str
    environ: Mapping[str, str]


def _run(arguments: Arguments, runtime: Runtime) -> int:
    if arguments.switch(POLICY.name):
        region = base_region(runtime) or DEFAULT_REGION
        answer_json(collection_policy(_partition(region), _role(arguments)))
        return 0
    accounts = _accounts(arguments)
    caller = _caller(arguments, runtime)
    regions = _regions(arguments, caller)
    order = Order(
        arguments.text(OUT.name) and os.path.join(runtime.folder, arguments.text(OUT.name)),
        accounts,
        _role(arguments),
        regions,
        Freshness(runtime.now().timestamp(), arguments.seconds(MAX_AGE.name) or 0.0),
        "",
        f"{runtime.now():%Y-%m-%dT%H:%M:%SZ}",
    )
    try:
        collected = carry_out(_collect(caller, order, runtime), runtime)
    except (KeyboardInterrupt, CredentialsExpired):
        runtime.report(DONE)
        note("not finished: the same command continues where it ended")
        raise
    runtime.report(DONE)
    _show(collected, arguments, runtime)
    if ALL_REGIONS not in regions and not arguments.switch("--json"):
        note(f"resources of {', '.join(regions)} only: `--regions {ALL_REGIONS}` collects those of every region")
    return 0


async def _collect(caller: _Caller, order: Order, runtime: Runtime) -> Collected:
    """Collect into the folder of the order, or into the default folder of the caller's organization."""
    client = make_client(runtime, total_timeout_ms=_CALL_TIMEOUT_MS)

    def find_endpoint(service: str, region: str) -> Endpoint:
        return resolve_endpoint(service, region, caller.environ)

    identity = await get_caller_identity(client, caller.credentials, find_endpoint("sts", caller.region))
    apis = AccountApis(client, caller.credentials, find_endpoint, identity.account, caller.region)
    order = order._replace(caller=identity.arn)
    if not order.folder:
        name = await organization_id(apis) or identity.account
        order = order._replace(folder=_default_folder(name, runtime))
    parts: list[PartCount] = []

    def report(done: int, total: int) -> None:
        if not parts:
            parts.append(PartCount(runtime.report, "facts.collected", counted(total, "account"), total))
        parts[0].add(1 if done else 0)

    return await Collector(apis, order, report).collect()


def _caller(arguments: Arguments, runtime: Runtime) -> _Caller:
    """Return the session of the store or profile of `--store`, or the base credentials."""
    name = arguments.text(STORE.name)
    if not name:
        return _Caller(load_base(runtime), base_region(runtime) or DEFAULT_REGION, base_environ(runtime))
    plan = plan_session(load_config(arguments, runtime, names=(name,)), name, arguments, runtime)
    require_session(plan, name)
    step = plan.steps[name]
    credentials = issue(plan, name, arguments, runtime)
    return _Caller(credentials, step.region or DEFAULT_REGION, {**runtime.environ, **dict(step.endpoints)})


def _accounts(arguments: Arguments) -> tuple[str, ...]:
    accounts = _words(arguments.text(ACCOUNTS.name))
    for account in accounts:
        if not is_account_id(account):
            hint = "write ids of twelve digits, separated by commas: `--accounts 111122223333,444455556666`"
            raise UsageError(f"`{clean(account)}` is not an account id", hint=hint)
    return accounts


def _regions(arguments: Arguments, caller: _Caller) -> tuple[str, ...]:
    regions = _words(arguments.text(REGIONS.name)) or (caller.region,)
    for region in regions:
        if region != ALL_REGIONS and not is_region_name(region):
            hint = f"write regions, separated by commas, such as `--regions eu-west-1,us-east-1`, or `{ALL_REGIONS}`"
            raise UsageError(f"`{clean(region)}` is not the name of a region", hint=hint)
    return regions


def _role(arguments: Arguments) -> str:
    role = arguments.text(ROLE.name)
    if not re.fullmatch(r"(?:[\x21-\x2e\x30-\x7e]+/)*[\w+=,.@-]{1,64}", role, re.ASCII):
        raise UsageError(f"`{clean(role)}` is not the name of a role", hint="write its name and path, not its ARN")
    return role


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))


def _default_folder(name: str, runtime: Runtime) -> str:
    folder = default_folder(runtime.environ, name)
    if not folder:
        raise UsageError(
            "the default folder for the collected files is unknown",
            why="neither XDG_DATA_HOME nor HOME is set",
            hint="name a folder: `--out FOLDER`",
        )
    return folder


def _partition(region: str) -> str:
    return partition_of_region(region).name


def _show(collected: Collected, arguments: Arguments, runtime: Runtime) -> None:
    if arguments.switch("--json"):
        answer_json(_value(collected))
        return
    folder = clean(shown_path(collected.folder, runtime.environ, runtime.folder))
    kept = f" ({len(collected.kept)} of them earlier)" if collected.kept else ""
    answer_sentence(f"{folder} has the facts about {counted(len(collected.accounts), 'account')}{kept}")
    lines = [_gap_text(gap) for gap in collected.gaps]
    for line in lines[:_MOST_SHOWN]:
        answer(f"  not collected: {line}")
    if len(lines) > _MOST_SHOWN:
        answer(f"  not collected: {len(lines) - _MOST_SHOWN} more facts, see `--json`")
    if lines:
        note("answers name these facts where they matter; the same command tries them again")


def _gap_text(gap: Gap) -> str:
    about = gap.arn or " ".join(part for part in (gap.account, gap.service) if part) or "organization"
    return clean(f"{about}: {gap.why}")


def _value(collected: Collected) -> Json:
    return {
        "folder": collected.folder,
        "accounts": list(collected.accounts),
        "kept": list(collected.kept),
        "not_collected": [
            {"account": gap.account or None, "what": gap.place, "arn": gap.arn or None, "service": gap.service or None}
            | {"why": gap.why}
            for gap in collected.gaps
        ],
    }


STORE = Flag(
    "--store",
    "collect with the session of this store or AWS profile, not with the base credentials",
    value="STORE",
    own_variable="DSOPS_ACCESS_STORE",
)
ACCOUNTS = Flag(
    "--accounts",
    "collect only these accounts of the organization: their ids, separated by commas",
    value="IDS",
    own_variable="DSOPS_ACCESS_ACCOUNTS",
)
ROLE = Flag(
    "--role",
    "the role to assume in each account except the caller's own",
    value="NAME",
    default=DEFAULT_ROLE,
    own_variable="DSOPS_ACCESS_ROLE",
)
REGIONS = Flag(
    "--regions",
    "collect resources in these regions, separated by commas, or in `all` (default: the region of the session)",
    value="REGIONS",
    own_variable="DSOPS_ACCESS_REGIONS",
)
OUT = Flag(
    "--out",
    "the folder to write (default: one per organization in ~/.local/share/dsops/access)",
    value="FOLDER",
    own_variable="DSOPS_ACCESS_OUT",
)
MAX_AGE = Flag(
    "--max-age",
    "collect again only files that are incomplete or older than this",
    "seconds",
    value="SECONDS",
    default="3600",
    own_variable="DSOPS_ACCESS_MAX_AGE",
)
POLICY = Flag(
    "--policy",
    "print the IAM policy that the collection needs, and collect nothing",
    "switch",
    own_variable="DSOPS_ACCESS_POLICY",
)

COLLECT = Command(
    help=(
        "Read an organization through AWS's APIs into a folder of JSON files.\n"
        "\n"
        "The files contain accounts, control policies, users and roles with their policies, and the policies\n"
        "of secrets, keys, buckets, queues, topics and functions. All calls are read-only, and no secret,\n"
        "object or message is ever read.\n"
        "\n"
        "The caller needs to be in the management account, or in an account that may read the organization.\n"
        "In each other account, dsops assumes the role of --role. If something can't be read, the files\n"
        "contain the reason, and an answer that depends on it says so. After Ctrl-C, the same command\n"
        "continues.\n"
        "\n"
        "  dsops access collect --store audit --regions eu-west-1,us-east-1\n"
        "  dsops access collect --policy"
    ),
    run=_run,
    is_audited=True,
    flags=(STORE, ACCOUNTS, ROLE, REGIONS, OUT, MAX_AGE, POLICY, CONFIG, SESSION_ENVIRONMENT, NO_AGENT, REASON),
)
