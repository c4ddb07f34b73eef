"""`dsops mfa`: seeds of virtual MFA devices in the system's keyring, and the codes that they give."""

from __future__ import annotations

import re

from dsops.cli.framework.command import Arguments, Command, Flag, Group, Operand
from dsops.cli.framework.output import answer, answer_json, clean, note, table
from dsops.cli.framework.secret_input import FROM_FILE, ask_for, piped_or_in_file
from dsops.cli.framework.world import DONE
from dsops.errors import KeyringEntryMissing, SeedRefused, UsageError, nearest
from dsops.keyring import index
from dsops.keyring.items import Keyring
from dsops.keyring.seeds import add_seed, code_at, get_seed, refuse_known, remove_seed
from dsops.pipeline.journal import record_run
from dsops.runtime import Runtime
from dsops.secret import Secret
from dsops.totp import read_seed, seconds_left

# The STS service model's for SerialNumber.
_SERIAL_NUMBER = r"[A-Za-z0-9_+=/:,.@-]{9,256}"

_WHERE_SHOWN = "`aws iam list-mfa-devices` shows it, as does your own page of the console"


def _add(arguments: Arguments, runtime: Runtime) -> int:
    serial_number = _checked(arguments.operand("SERIAL"))
    if not arguments.switch("--replace"):
        # Before anybody types it in vain; `add_seed` looks again.
        refuse_known(index.contents(runtime.environ), serial_number)
    given = piped_or_in_file(arguments.text("--from-file"))
    if given is None:
        given = ask_for(f"Seed of {serial_number}", runtime, f"dsops mfa add {serial_number}")
    seed = _read(given)
    now = runtime.now()
    added = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    kept_by = add_seed(_keyring(runtime), serial_number, seed, added, replaces=arguments.switch("--replace"))
    left = seconds_left(runtime.now().timestamp())
    runtime.report(DONE)
    answer(clean(f"the keyring ({kept_by}) has the seed of {serial_number}; its current code changes in {left} s"))
    note(f"compare `dsops mfa code {serial_number}` with the app in which the device is")
    return 0


def _list(arguments: Arguments, runtime: Runtime) -> int:
    seeds = index.contents(runtime.environ).seeds
    if arguments.switch("--json"):
        answer_json([entry._asdict() for entry in seeds.values()])
    elif seeds:
        answer(table(("DEVICE", "ADDED"), [(entry.serial_number, entry.added) for entry in seeds.values()]))
    else:
        note("the keyring has no seeds of dsops; `dsops mfa add SERIAL` puts one there")
    return 0


def _remove(arguments: Arguments, runtime: Runtime) -> int:
    serial_number = _known(arguments, runtime)
    remove_seed(_keyring(runtime), serial_number)
    runtime.report(DONE)
    note(f"the keyring has no seed of {serial_number} any more; the device itself is still in AWS")
    return 0


def _code(arguments: Arguments, runtime: Runtime) -> int:
    serial_number = _known(arguments, runtime)
    seed = get_seed(_keyring(runtime), serial_number)
    now = runtime.now().timestamp()
    code, left = code_at(seed, now).reveal(), seconds_left(now)
    record_run(arguments.name, runtime, subject=serial_number)
    runtime.report(DONE)
    if arguments.switch("--json"):
        answer_json({"serial_number": serial_number, "code": code, "seconds_left": left})
    else:
        answer(code)
        note(f"the code of {serial_number} for the next {left} s, by the clock of this machine")
    return 0


def _keyring(runtime: Runtime) -> Keyring:
    return Keyring(runtime.environ, runtime.folder)


def _known(arguments: Arguments, runtime: Runtime) -> str:
    """The serial number that is meant: the one named, or the only one."""
    seeds, named = index.contents(runtime.environ).seeds, arguments.operand("SERIAL")
    if not named and len(seeds) == 1:
        return next(iter(seeds))
    if not named:
        raise UsageError("SERIAL is missing", hint="`dsops mfa list` shows the devices whose seed the keyring has")
    if named not in seeds:
        near = nearest(named, seeds)
        raise KeyringEntryMissing(
            f"the keyring has no seed of {clean(named)}",
            why=f"dsops' list has {', '.join(seeds) or 'none'}",
            hint=f"did you mean {near}?" if near else f"`dsops mfa add {clean(named)}` puts one there",
        )
    return named


def _checked(serial_number: str) -> str:
    if not re.fullmatch(_SERIAL_NUMBER, serial_number, re.ASCII):
        # Not repeated: it may be the seed, in the wrong place.
        raise UsageError(
            "that is not the serial number of an MFA device",
            why="it is an ARN such as arn:aws:iam::123456789012:mfa/ada",
            hint=_WHERE_SHOWN,
        )
    if ":u2f/" in serial_number:
        raise SeedRefused(f"{serial_number} is a security key, which shows no codes", hint="STS takes codes only")
    if serial_number.startswith("arn:") and not re.match(r"arn:[a-z0-9-]+:iam::[0-9]{12}:mfa/.", serial_number):
        raise UsageError(
            f"{serial_number} is the ARN of something else",
            why="that of an MFA device is arn:aws:iam::ACCOUNT:mfa/NAME",
            hint=_WHERE_SHOWN,
        )
    if ":" not in serial_number and re.fullmatch(r"[A-Za-z2-7=]{16,}", serial_number):
        raise UsageError(
            "the serial number comes first: that looks like a seed",
            why="a secret on a command line can be read by every process of this machine",
            hint="clear it from your shell's history, then `dsops mfa add SERIAL` asks for it",
        )
    return serial_number


def _read(given: Secret) -> Secret:
    try:
        return Secret(read_seed(given.reveal()))
    except ValueError as error:
        # From None: an error of the standard library has the text in its frames.
        raise SeedRefused(
            "that is not the seed of an MFA device",
            why=str(error),
            hint="AWS shows it once, when the device is made (`Show secret key`); the link in its QR code will do, too",
        ) from None


_SERIAL = Operand("SERIAL", "the device; where the keyring has one only, that", is_required=False)

COMMAND = Group(
    help=(
        "Keeps the seed of a virtual MFA device in the keyring of the system, so that a store with that\n"
        "`serial_number` needs nobody to type a code. Whoever can open the keyring then has both factors:\n"
        "the page on MFA says what that means. Needs the extra `keyring`: without it, the error says how to\n"
        "install it."
    ),
    commands={
        "add": Command(
            help=(
                "Puts a seed into the keyring; it is typed unseen, or piped in.\n"
                "It is the text that AWS shows when the device is made, or the otpauth:// link in its QR code,\n"
                "and it is never shown again."
            ),
            run=_add,
            changes_who=True,
            flags=(FROM_FILE, Flag("--replace", "put it in the place of one that is there already", "switch")),
            operands=(Operand("SERIAL", "the device: arn:aws:iam::123456789012:mfa/ada"),),
            hides_words=True,
        ),
        "list": Command(help="Lists the devices whose seed the keyring has; the keyring is not asked.", run=_list),
        "code": Command(
            help="Prints the current code of a device; stderr says how long it is good for.",
            run=_code,
            is_audited=True,
            operands=(_SERIAL,),
        ),
        "remove": Command(
            help="Removes a seed from the keyring. It can't be had back from there.",
            run=_remove,
            operands=(_SERIAL,),
            changes_who=True,
        ),
    },
)
