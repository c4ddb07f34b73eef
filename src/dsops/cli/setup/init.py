"""`dsops init`: write a commented dsops.yaml to start from."""

from __future__ import annotations

import os
import sys

from dsops.cli.framework.command import CONFIG, Arguments, Command, Flag
from dsops.cli.framework.file_writing import write_new
from dsops.cli.framework.output import answer, answer_sentence, note, pasteable
from dsops.cli.setup.allow import remember_written
from dsops.config.find import NAME
from dsops.errors import UsageError
from dsops.runtime import Choice, Runtime
from dsops.text import clean

TEMPLATE = """\
# Where secrets are, how to reach them, and which variables a command gets.
#
#   dsops validate                         checks this file
#   dsops plan --env production            shows what a run would do, without doing it
#   dsops exec --env production -- CMD     runs CMD with the variables of an environment
#   dsops schema                           prints a JSON Schema, for completion in an editor
version: 1

secretStores:
  # A role to assume. Its session is what `credentials_from: deploy` below works with.
  deploy:
    type: aws.sts
    region: us-east-1
    role_arn: arn:aws:iam::123456789012:role/DeployRole
    # The name that CloudTrail shows for the caller. Left out, it is dsops-$USER and the time.
    # role_session_name: dsops-${USER}-${TIMESTAMP}
    # duration_seconds: 3600
    # What the role's trust policy may ask for; ${NAME} comes from the environment of `dsops`.
    # external_id: ${EXTERNAL_ID}
    # serial_number: arn:aws:iam::123456789012:mfa/your-name
    # token_code: ${MFA_TOKEN}
    # A second hop: the role is assumed with the session of another store.
    # credentials_from: another-role

  # AWS Secrets Manager, read with that session.
  secrets:
    type: aws.secretsmanager
    region: us-east-1
    credentials_from: deploy

  # Parameters of AWS Systems Manager, read with whatever credentials the caller has.
  # parameters:
  #   type: aws.ssm
  #   region: us-east-1

# The environment that is meant when --env is left out.
default_env: development

envs:
  development:
    LOG_LEVEL:
      literal: debug

  production:
    LOG_LEVEL:
      literal: info
    DATABASE_URL:
      from:
        store: secrets
        key: prod/database/connection
        # One field of a secret that is JSON:
        # field: url
      # Left out when the secret does not exist, instead of an error:
      # optional: true
"""


def _run(arguments: Arguments, runtime: Runtime) -> int:
    name = arguments.text("--config") or NAME
    replaces, how = arguments.switch("--force"), "`--force` writes over it"
    text = TEMPLATE
    if _is_conversation(arguments, runtime):
        if os.path.lexists(os.path.join(runtime.folder, name)) and not replaces:
            raise UsageError(f"{name} exists already", hint=how)
        text = _talk(name, runtime)
    write_new(runtime.folder, name, text, replaces=replaces, how=how)
    remember_written(os.path.join(runtime.folder, name), text.encode(), runtime)
    next_steps = pasteable("`dsops validate` and `dsops plan`", arguments.text("--config"))
    answer_sentence(f"wrote {name}; edit it, then try {next_steps}")
    return 0


def _is_conversation(arguments: Arguments, runtime: Runtime) -> bool:
    """Whether a user is at the terminal, so that `init` can ask questions."""
    streams = (sys.stdin, sys.stdout)
    is_terminal = all(stream is not None and stream.isatty() for stream in streams)
    return is_terminal and not arguments.switch("--json") and not runtime.environ.get("CI")


def _talk(name: str, runtime: Runtime) -> str:
    """Let the user choose a starting point, show the file, and return its text. Raises UsageError after a no."""
    from dsops.cli.setup.proposal import choices_of, look, proposed_text

    findings = look(runtime)
    text, choices = TEMPLATE, choices_of(findings)
    if choices:
        note(f"found {findings.summary}")
        chosen = runtime.choose("start with", [*choices, _EXAMPLE])
        if chosen in choices:
            text = proposed_text(findings, choices[chosen])
    answer("\n".join([clean(line) for line in text.split("\n")]))
    if runtime.confirm(f"Write this as {name}? [y/N] ") is False:
        raise UsageError("nothing was written", why="the answer was not `y`", hint="run it again and answer `y`")
    return text


_EXAMPLE = Choice("example", "a commented file with invented names, to edit")


COMMAND = Command(
    help=(
        "Write a commented dsops.yaml into this folder (or the file named by --config).\n"
        "\n"
        "On a terminal, dsops looks at the profiles in ~/.aws/config and at the roles in .github/workflows\n"
        "and .gitlab-ci.yml, lets you choose one of them to start with, and shows the file before it writes\n"
        "it. "
        "Elsewhere it writes an example with invented names."
    ),
    run=_run,
    flags=(CONFIG, Flag("--force", "overwrite an existing file", "switch")),
)
