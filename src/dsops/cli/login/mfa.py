"""`dsops mfa`: keep seeds of virtual MFA devices in the keyring, and print their codes."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Command, Flag, Group, Operand
from dsops.cli.framework.output import answer, answer_json, answer_sentence, note, table
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.secret_input import FROM_FILE, ask_for, piped_or_in_file
from dsops.cli.login.keyring_backend import BACKEND, keyring_for_adding, note_left
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
from dsops.totp import seconds_left


def _add(arguments: Arguments, runtime: Runtime) -> int:
    serial_number = check_serial_number(arguments.operand("SERIAL"))
    keyring = keyring_for_adding(arguments, runtime)
    if not arguments.switch("--replace"):
        # A device that is in the keyring already is refused before the user types the seed; `add_seed` checks again.
        refuse_known(index.contents(runtime.environ), serial_number)
    typed = piped_or_in_file(arguments.text("--from-file"))
    if typed is None:
        typed = ask_for(f"Seed of {serial_number}", runtime, f"dsops mfa add {serial_number}")
    seed = parse_seed(typed)
    now = runtime.now()
    added = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    kept = add_seed(keyring, serial_number, seed, added, replaces=arguments.switch("--replace"))
    left = seconds_left(runtime.now().timestamp())
    runtime.report(DONE)
    answer_sentence(f"the keyring ({kept.label}) has the seed of {serial_number}; its current code changes in {left} s")
    note_left(kept)
    note(f"compare `dsops mfa code {serial_number}` with the code in your authenticator app")
    return 0


def _list(arguments: Arguments, runtime: Runtime) -> int:
    seeds = index.contents(runtime.environ).seeds
    if arguments.switch("--json"):
        answer_json([entry._asdict() for entry in seeds.values()])
    elif seeds:
        answer(table(("DEVICE", "ADDED", "BACKEND"), [tuple(entry) for entry in seeds.values()]))
    else:
        note("the keyring has no seeds of dsops; `dsops mfa add SERIAL` adds one")
    return 0


def _remove(arguments: Arguments, runtime: Runtime) -> int:
    serial_number = _device(arguments, runtime)
    remove_seed(Keyring.of(runtime), serial_number)
    runtime.report(DONE)
    note(f"the seed of {serial_number} was removed from the keyring; the device itself is still in AWS")
    return 0


def _code(arguments: Arguments, runtime: Runtime) -> int:
    serial_number = _device(arguments, runtime)
    seed = get_seed(Keyring.of(runtime), index.contents(runtime.environ).seeds[serial_number])
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


def _device(arguments: Arguments, runtime: Runtime) -> str:
    return device_named(index.contents(runtime.environ), arguments.operand("SERIAL"))


_SERIAL = Operand(
    "SERIAL", "the serial number of the device (default: the only device in the keyring)", is_required=False
)

COMMAND = Group(
    help=(
        "Keep the seed of a virtual MFA device in the keyring, so that a store with that `serial_number`\n"
        "needs no typed code. The keyring is the desktop's, `pass`, an encrypted file, the Linux kernel, or\n"
        "1Password. Anyone who can open the keyring has both factors; the documentation's page on MFA explains\n"
        "the risk. The desktop's keyring and the file need the extra `keyring`; without it, the error says how to\n"
        "install it."
    ),
    commands={
        "add": Command(
            help=(
                "Add the seed of an MFA device to the keyring.\n"
                "Type the seed (it is not shown), or pipe it in. The seed is the secret key that AWS shows once, when\n"
                "the device is created, or the otpauth:// link of its QR code."
            ),
            run=_add,
            changes_who=True,
            flags=(FROM_FILE, BACKEND, Flag("--replace", "replace an existing seed of this device", "switch")),
            operands=(Operand("SERIAL", "the serial number of the device: arn:aws:iam::123456789012:mfa/ada"),),
            hides_words=True,
        ),
        "list": Command(help="List the devices whose seed is in the keyring, without opening the keyring.", run=_list),
        "code": Command(
            help="Print the current code of a device; stderr shows how long it is valid.",
            run=_code,
            is_audited=True,
            operands=(_SERIAL,),
        ),
        "remove": Command(
            help="Remove a seed from the keyring. A removed seed can't be restored.",
            run=_remove,
            operands=(_SERIAL,),
            changes_who=True,
        ),
    },
)
