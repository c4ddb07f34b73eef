"""The table of commands: name, summary, and the module, which is imported when the command is chosen."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from dsops.cli.framework.command import Command, Group
from dsops.errors import UsageError, nearest
from dsops.startup import NamedTuple


class CommandEntry(NamedTuple):
    """One line of the table of commands."""

    module: str
    """The module that defines the command as `COMMAND`."""
    summary: str
    """The line about the command in the overview; "" for internal commands, which only scripts call."""


COMMANDS: Mapping[str, CommandEntry] = {
    "init": CommandEntry("dsops.cli.setup.init", "write a dsops.yaml to start from"),
    "import": CommandEntry("dsops.cli.setup.import_", "make stores from ~/.aws/config or IAM Identity Center"),
    "migrate": CommandEntry("dsops.cli.setup.migrate", "rewrite a configuration of the original dsops"),
    "validate": CommandEntry("dsops.cli.look.validate", "check a configuration and report every problem"),
    "allow": CommandEntry("dsops.cli.setup.allow", "show what the dsops.yaml of this folder can do, and allow it"),
    "plan": CommandEntry("dsops.cli.look.plan", "show which calls a run would make, without making them"),
    "graph": CommandEntry("dsops.cli.look.graph", "show the credential graph: callers, hops, stores, variables"),
    "exec": CommandEntry("dsops.cli.run.exec", "run a command with an environment's secrets"),
    "shell": CommandEntry("dsops.cli.run.shell", "open a shell with an environment's secrets or a store's session"),
    "each": CommandEntry("dsops.cli.run.each", "run a command with the session of many stores, side by side"),
    "guard": CommandEntry("dsops.cli.run.guard", "check a program's AWS requests against policies, and sign them"),
    "node": CommandEntry("dsops.cli.run.node", "serve sessions and secrets to the workloads of a machine"),
    "get": CommandEntry("dsops.cli.run.get", "print the value of one variable"),
    "render": CommandEntry("dsops.cli.run.render", "write an environment as dotenv, shell code, JSON, YAML and others"),
    "credentials": CommandEntry("dsops.cli.run.credentials", "print the session of a store as AWS credentials"),
    "set": CommandEntry("dsops.cli.secrets.set", "write the value of a secret, or one field of it"),
    "edit": CommandEntry("dsops.cli.secrets.edit", "change a secret in an editor, in a file in memory"),
    "history": CommandEntry("dsops.cli.secrets.history", "list the versions of a secret"),
    "diff": CommandEntry("dsops.cli.secrets.diff", "show what differs between two versions of a secret"),
    "rollback": CommandEntry("dsops.cli.secrets.rollback", "make an old version of a secret current again"),
    "rm": CommandEntry("dsops.cli.secrets.rm", "delete a secret, or cancel its deletion"),
    "console": CommandEntry("dsops.cli.login.console", "print a link that opens the AWS console as a store's role"),
    "login": CommandEntry("dsops.cli.login.login", "log in to IAM Identity Center"),
    "logout": CommandEntry("dsops.cli.login.logout", "end a login to IAM Identity Center"),
    "mfa": CommandEntry("dsops.cli.login.mfa", "keep MFA seeds in the keyring and print codes"),
    "keys": CommandEntry("dsops.cli.login.keys", "keep long-term access keys in the keyring and rotate them"),
    "whoami": CommandEntry(
        "dsops.cli.look.whoami", "ask AWS who the caller is, with the base credentials or a store's session"
    ),
    "doctor": CommandEntry(
        "dsops.cli.look.doctor", "check everything that an environment needs, and report what is broken"
    ),
    "explain": CommandEntry("dsops.cli.look.explain", "find out why AWS refuses a hop or a secret"),
    "audit": CommandEntry("dsops.cli.audit.audit", "show, verify and report the use of roles and secrets"),
    "revoke": CommandEntry("dsops.cli.login.revoke", "revoke the older sessions of a store's role"),
    "export": CommandEntry("dsops.cli.setup.export", "write stores as profiles into ~/.aws/config"),
    "hook": CommandEntry("dsops.cli.hook.hook", "load a folder's environment into the shell that enters it"),
    "policy": CommandEntry("dsops.cli.policy.policy", "check, simulate and generate IAM policies"),
    "access": CommandEntry("dsops.cli.access.access", "find out who can reach what in an organization"),
    "agent": CommandEntry("dsops.cli.run.agent", "keep sessions in memory for the next run"),
    "sandbox": CommandEntry("dsops.cli.sandbox.sandbox", "run a local AWS that enforces policies"),
    "stores": CommandEntry("dsops.cli.look.stores", "list the stores of the configuration and the AWS profiles"),
    "schema": CommandEntry("dsops.cli.setup.schema", "print the JSON Schema of dsops.yaml, for editors"),
    "completion": CommandEntry("dsops.cli.framework.completion", "print a completion script for a shell"),
    "complete": CommandEntry("dsops.cli.framework.complete", ""),
    "hook-load": CommandEntry("dsops.cli.hook.load", ""),
    "help": CommandEntry("dsops.cli.look.help", "explain a command, an error code or the code of a finding"),
}


GROUPS: Mapping[str, str] = {
    "run": "run",
    "look": "look",
    "audit": "look",
    "login": "log in",
    "secrets": "write secrets",
    "policy": "policies",
    "access": "policies",
    "sandbox": "local AWS",
    "setup": "set up",
    "hook": "set up",
    "framework": "set up",
}
"""The folder of a command's module -> the group in the command overview. Groups are shown in this order."""

DAILY: Mapping[str, str] = {
    "exec": "exec prod -- aws s3 ls",
    "shell": "shell prod",
    "login": "login",
    "whoami": "whoami prod",
    "stores": "stores",
}
"""The most frequent commands -> an example. The overview shows these commands first."""


def group_of(name: str) -> str:
    """Return the command's group in the overview."""
    folder = COMMANDS[name].module.split(".")[-2]
    return GROUPS.get(folder, folder)


_MEANT = {
    "run": "exec",
    "check": "validate",
    "lint": "validate",
    "env": "render",
    "list": "stores",
    "providers": "stores",
    "show": "plan",
    "trust": "allow",
    "whoiam": "whoami",
}
"""Names that other tools use for a command of dsops -> the command that the error suggests."""


def load(name: str) -> Command | Group:
    """Import the module of that command, and return the command."""
    if name not in COMMANDS:
        meant = _MEANT.get(name) or nearest(name, (*COMMANDS, "version"))
        hint = f"did you mean `dsops {meant}`?" if meant else "`dsops --help` lists the commands"
        raise UsageError(f"there is no command `{name}`", hint=hint)
    if sys.platform == "win32":
        from dsops.cli.framework.windows import refuse_command

        refuse_command(name)
    module = __import__(COMMANDS[name].module, fromlist=["COMMAND"])
    command: Command | Group = module.COMMAND
    return command
