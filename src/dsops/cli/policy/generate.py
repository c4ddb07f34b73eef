"""`dsops policy generate`: print the least-privilege policies of an environment, in three formats."""

from __future__ import annotations

from collections.abc import Iterator

from dsops.cli.framework.command import CONFIG, ENVIRONMENT, Arguments, Command, Flag
from dsops.cli.framework.output import Json, answer, answer_json, json_text, note
from dsops.cli.framework.project import environment_name, read_config, show_notes
from dsops.cli.policy.output_files import plain, write_files
from dsops.cli.policy.recorded import SESSION_POLICY, generate_recorded
from dsops.errors import UsageError, nearest
from dsops.grants import Grants, Placeholder, blanks_in, filled, grants_of
from dsops.grants.cloudformation import template
from dsops.grants.inputs import GrantInputs, source_identities, without_external_ids
from dsops.grants.selection import ELSEWHERE, KINDS, Selection, by_account, documents_of, of_store
from dsops.grants.terraform import terraform
from dsops.pipeline.plans import plan_named
from dsops.plan import Plan
from dsops.plan.statements import policy
from dsops.recording.generalise import LEVELS
from dsops.runtime import Runtime
from dsops.text import counted
from dsops.version import __version__

FORMATS = ("json", "terraform", "cloudformation", SESSION_POLICY)
_FILES = {"terraform": "main.tf", "cloudformation": "template.json"}


def _run(arguments: Arguments, runtime: Runtime) -> int:
    if arguments.texts("--from"):
        return generate_recorded(arguments, runtime)
    if arguments.text("--generalise") or arguments.text("--format") == SESSION_POLICY:
        flag = "--generalise" if arguments.text("--generalise") else f"--format {SESSION_POLICY}"
        raise UsageError(
            f"`{flag}` has no effect without `--from`",
            hint="add `--from RECORDING`; for the session policies of an environment, use `--kind session`",
        )
    config = without_external_ids(read_config(arguments, runtime))
    plan = plan_named(config, environment_name(config, arguments), runtime)
    show_notes(plan.notes)
    identities = source_identities(config, plan)
    grants = grants_of(plan, GrantInputs(arguments.text("--caller"), arguments.text("--issuer"), identities))
    selection = Selection(arguments.text("--kind"))
    if arguments.text("--store"):
        grants = of_store(grants, _store(arguments.text("--store"), plan))
    grants = selection.only(grants)
    format_name, folder = arguments.text("--format"), arguments.text("--out")
    if not grants.roles and not grants.sessions and not grants.bases:
        hint = "`dsops plan` shows what the environment does, and with which credentials"
        raise UsageError(f"environment `{plan.environment}` needs no policy of this kind", hint=hint)
    if folder:
        write_files(dict(_files(grants, selection, format_name)), folder, runtime)
    elif format_name == "json":
        answer_json(_value(grants, selection))
    else:
        answer(_text(_one_account(grants, format_name), selection, format_name).rstrip("\n"))
    _note_blanks(grants, selection)
    show_notes(grants.notes)
    return 0


def _store(name: str, plan: Plan) -> str:
    role_settings = ("role_arn", "session_policy")
    store_names = [each for each, step in plan.steps.items() if any(key in step.settings for key in role_settings)]
    if name not in store_names:
        near = nearest(name, store_names)
        hint = f"did you mean `{near}`?" if near else f"the stores that do are {', '.join(store_names) or 'none'}"
        raise UsageError(f"no store `{name}` assumes a role for environment `{plan.environment}`", hint=hint)
    return name


def _one_account(grants: Grants, format_name: str) -> Grants:
    accounts = by_account(grants)
    if len(accounts) <= 1:
        return grants
    hint = "write a file for each account with `--out DIRECTORY`, or choose a store with `--store`"
    known = [account for account in accounts if account != ELSEWHERE]
    if len(known) == len(accounts):
        message, why = f"the policies are for {len(known)} accounts", f"the accounts are {', '.join(known)}"
    else:
        message = f"the policies are for {counted(len(known), 'account')} and for the owner of the base credentials"
        why = f"the accounts are {', '.join(known)}, and the unknown account of the base credentials"
        hint = f"name the owner of the base credentials with `--caller ARN` (`dsops whoami` prints it); {hint}"
    raise UsageError(
        f"{message}, but a {format_name} file can contain the policies of only one account", why=why, hint=hint
    )


def _text(grants: Grants, selection: Selection, format_name: str) -> str:
    """Return the policies of one account as a Terraform file or a CloudFormation template."""
    header = f"What dsops needs for {grants.environment}: made by dsops {__version__}, `dsops policy generate`"
    if format_name == "terraform":
        return terraform(grants, selection, header)
    resources = template(grants, selection, header)
    if "Resources" not in resources:
        raise UsageError(
            "a template that contains only session policies has no resources, but CloudFormation requires one",
            hint="print the policies with `--format json`, or put them into outputs of the template with `--kind all`",
        )
    return f"{json_text(plain(resources))}\n"


def _files(grants: Grants, selection: Selection, format_name: str) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the files, in a folder for each account.

    As JSON, there is one file per policy, in the form that `aws iam create-role` takes.
    """
    for account, part in by_account(grants).items():
        if format_name != "json":
            yield f"{account}/{_FILES[format_name]}", _text(part, selection, format_name)
            continue
        for name, document in documents_of(part, selection):
            yield f"{account}/{name}", f"{json_text(plain(filled(document)))}\n"


def _value(grants: Grants, selection: Selection) -> Json:
    roles: list[Json] = []
    for role in grants.roles:
        role_value: dict[str, Json] = {"arn": str(role.arn), "stores": list(role.stores)}
        if selection.has_trust:
            role_value["trust"] = plain(filled(policy(list(role.trust))))
            role_value["max_session_duration"] = role.max_session_duration
        if selection.has_permissions:
            role_value["permissions"] = plain(policy(list(role.permissions))) if role.permissions else None
        roles.append(role_value)
    sessions: list[Json] = [
        {
            "store": session.store,
            "role_arn": session.role or None,
            "is_sent": session.is_sent,
            "characters": session.characters,
            "policy": plain(session.policy),
        }
        for session in grants.sessions
    ]
    bases: list[Json] = [
        {"credentials": base.who, "arn": plain(filled(base.arn)), "permissions": plain(policy(list(base.permissions)))}
        for base in grants.bases
    ]
    blanks: dict[str, Json] = {each.shown: each.meaning for each in _blanks(grants, selection)}
    return {
        "environment": grants.environment,
        "roles": roles,
        "sessions": sessions,
        "bases": bases,
        "to_fill_in": blanks,
    }


def _blanks(grants: Grants, selection: Selection) -> list[Placeholder]:
    trust = [role.trust for role in grants.roles] if selection.has_trust else []
    return list(dict.fromkeys(blanks_in(trust)))


def _note_blanks(grants: Grants, selection: Selection) -> None:
    for each in _blanks(grants, selection):
        note(f"to fill in, {each.shown}: {each.meaning[0].lower()}{each.meaning[1:].removesuffix('.')}")


_HELP = (
    "Print the least-privilege policies that an environment or a recorded run needs in AWS.\n"
    "For each role, it prints the trust policy and the permissions. The trust policy allows the role of\n"
    "the previous hop, the owner of the base credentials, or an identity provider. It also prints the\n"
    "permissions of the base credentials, and the session policies of `session_policy: auto`. AWS is not\n"
    "called. Placeholders stand for external IDs and for values that the configuration does not contain.\n"
    "With --from, it prints the policy that allows the calls of recorded runs (`dsops exec --record`).\n\n"
    "  dsops policy generate --env production --caller arn:aws:iam::111111111111:user/ada\n"
    "  dsops policy generate --env production --format terraform --out policies\n"
    "  dsops policy generate --from deploy.jsonl --generalise names"
)

GENERATE = Command(
    help=_HELP,
    run=_run,
    flags=(
        CONFIG,
        ENVIRONMENT,
        Flag(
            "--from",
            "generate from a recording of `dsops exec --record`, not from an environment; may be repeated",
            value="FILE",
            own_variable="DSOPS_GENERATE_FROM",
            is_repeatable=True,
        ),
        Flag(
            "--generalise",
            "with --from, what to replace with wildcards: `names` replaces random names and object keys, `accounts` "
            "also accounts and regions (default: nothing)",
            value="LEVEL",
            choices=LEVELS,
        ),
        Flag(
            "--kind",
            "print only policies of this kind",
            value="KIND",
            choices=KINDS,
            default="all",
            own_variable="DSOPS_POLICY_KIND",
        ),
        Flag(
            "--store",
            "print only the policies of the role that this store assumes",
            value="STORE",
            own_variable="DSOPS_POLICY_STORE",
        ),
        Flag(
            "--format",
            "the output format",
            value="FORMAT",
            choices=FORMATS,
            default="json",
            own_variable="DSOPS_GENERATE_FORMAT",
        ),
        Flag("--caller", "the user or role that has the base credentials", value="ARN", own_variable="DSOPS_CALLER"),
        Flag(
            "--issuer",
            "the https URL of the issuer that signs the web identity tokens",
            value="URL",
            own_variable="DSOPS_ISSUER",
        ),
        Flag(
            "--out",
            "write into this folder, with a subfolder for each account",
            value="DIRECTORY",
            own_variable="DSOPS_GENERATE_OUT",
        ),
    ),
)
