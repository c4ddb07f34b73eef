"""`dsops mfa`: seeds of virtual MFA devices in the system's keyring, and the codes that they give."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Command, Flag, Group, Operand
from dsops.cli.framework.output import answer, answer_json, note, table
from dsops.cli.framework.secret_input import FROM_FILE, ask_for, piped_or_in_file
from dsops.cli.framework.world import DONE
from dsops.keyring import index
from dsops.keyring.items import Keyring
from dsops.keyring.seeds import (
    add_seed,
    check_serial_number,
    code_at,
    device_named,
    get_seed,
    parse_seed,
    refuse_known,
    remove_seed,
)
from dsops.pipeline.journal import record_run
from dsops.runtime import Runtime
from dsops.text import clean
from dsops.totp import seconds_left


def _add(arguments: Arguments, runtime: Runtime) -> int:
    serial_number = check_serial_number(arguments.operand("SERIAL"))
    if not arguments.switch("--replace"):
        # Before the user types a seed for nothing; `add_seed` checks again.
        refuse_known(index.contents(runtime.environ), serial_number)
    typed = piped_or_in_file(arguments.text("--from-file"))
    if typed is None:
        typed = ask_for(f"Seed of {serial_number}", runtime, f"dsops mfa add {serial_number}")
    seed = parse_seed(typed)
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
    serial_number = _device(arguments, runtime)
    remove_seed(_keyring(runtime), serial_number)
    runtime.report(DONE)
    note(f"the keyring has no seed of {serial_number} any more; the device itself is still in AWS")
    return 0


def _code(arguments: Arguments, runtime: Runtime) -> int:
    serial_number = _device(arguments, runtime)
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


def _device(arguments: Arguments, runtime: Runtime) -> str:
    return device_named(index.contents(runtime.environ), arguments.operand("SERIAL"))


_SERIAL = Operand("SERIAL", "the device; where the keyring has one only, that", is_required=False)

COMMAND = Group(
    help=(
        "Keeps the seed of a virtual MFA device in the keyring of the system, so that a store with that\n"
        "`serial_number` needs no typed code. Anyone who can open the keyring then has both factors: the\n"
        "page on MFA says what that means. Needs the extra `keyring`: without it, the error says how to\n"
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
