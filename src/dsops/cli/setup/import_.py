"""`dsops import`: make a dsops.yaml from the profiles of ~/.aws/config, or from a login to IAM Identity Center."""

from __future__ import annotations

import os

from dsops.aws.identity.ambient_files import config_file, credentials_file
from dsops.aws_config.as_yaml import to_yaml
from dsops.aws_config.profiles import Profiles
from dsops.aws_config.stores import make_stores
from dsops.cli.framework.command import PICK, Arguments, Command, Flag, Group
from dsops.cli.framework.file_writing import write_new
from dsops.cli.framework.output import answer_bytes, answer_sentence, note
from dsops.cli.setup.allow import remember_written
from dsops.cli.setup.import_sso import SSO
from dsops.errors import ConfigError, ConfigNotFound, UsageError, listed, nearest
from dsops.pipeline.profiles import read_aws_profiles
from dsops.runtime import Runtime
from dsops.text import counted
from dsops.user_folders import shown_path

_STDOUT = "-"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    profiles, files = read_aws_profiles(runtime)
    config_shown = shown_path(config_file(runtime.environ, runtime.folder), runtime.environ)
    if not files:
        credentials_shown = shown_path(credentials_file(runtime.environ, runtime.folder), runtime.environ)
        raise ConfigNotFound(
            f"no AWS profiles were found: {config_shown} and {credentials_shown} are empty or do not exist",
            hint="set AWS_CONFIG_FILE to another file, or write a dsops.yaml without profiles: `dsops init`",
        )
    profile_names = arguments.texts("--profile")
    _refuse_unknown(profile_names, profiles)
    store_entries = make_stores(profiles, profile_names, keeps_external_ids=arguments.switch("--keep-external-ids"))
    for each in store_entries.notes:
        note(each)
    if not store_entries.stores:
        raise ConfigError(
            "there is no profile to import",
            why="only a profile with a role or a permission set of IAM Identity Center becomes a store",
            hint="use other profiles directly: `profile: NAME` on a store",
        )
    for variable, where in store_entries.variables:
        note(f"set {variable}: the external ID stands in {where}, and is not written to the output")
    text, out = to_yaml(store_entries, config_shown), arguments.text("--out")
    if arguments.switch("--dry-run"):
        out = _STDOUT
    if out in {"", _STDOUT}:
        answer_bytes(text.encode())
    else:
        write_new(runtime.folder, out, text, replaces=False, how="name another file, or remove this one")
        remember_written(os.path.join(runtime.folder, out), text.encode(), runtime)
        answer_sentence(
            f"wrote {out}: {counted(len(store_entries.stores), 'store')}; try `dsops validate --config {out}`"
        )
    return 0


def _refuse_unknown(wanted: tuple[str, ...], profiles: Profiles) -> None:
    for name in wanted:
        if name not in profiles.by_name:
            meant = nearest(name, profiles.by_name)
            hint = f"did you mean `{meant}`?" if meant else f"the profiles are {listed(profiles.by_name)}"
            raise UsageError(f"there is no profile `{name}`", hint=hint)


COMMAND = Group(
    help="Make stores from the profiles in ~/.aws/config, or from the permission sets of IAM Identity Center.",
    commands={
        "sso": SSO,
        "aws-config": Command(
            help=(
                "Make a dsops.yaml from the profiles in ~/.aws/config.\n"
                "\n"
                "Each role that a profile assumes, directly or through other profiles, becomes a store, and so does\n"
                "each permission set of IAM Identity Center. What a dsops.yaml can't express is reported on stderr,\n"
                "with its line. Only the profile names in ~/.aws/credentials are read: no key is copied.\n"
                "\n"
                "External IDs become variables, because a dsops.yaml is usually committed."
            ),
            run=_run,
            flags=(
                Flag(
                    "--profile",
                    "import only this profile, and its source profiles",
                    value="NAME",
                    own_variable="DSOPS_IMPORT_PROFILE",
                    is_repeatable=True,
                ),
                PICK,
                Flag("--out", "write to this file instead of stdout", value="FILE", own_variable="DSOPS_IMPORT_OUT"),
                Flag(
                    "--dry-run",
                    "show the file on stdout, and write nothing",
                    "switch",
                    own_variable="DSOPS_IMPORT_DRY_RUN",
                ),
                Flag("--keep-external-ids", "write external IDs into the file instead of variables", "switch"),
            ),
        ),
    },
)
