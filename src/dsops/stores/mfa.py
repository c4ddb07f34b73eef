"""Get the current code of an MFA device: from the store's setting, a command, the keyring's seed, or the user."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from dsops.errors import DsopsError, ExtraMissing, KeyringFailed, MfaRefused, MfaRequired
from dsops.plan import SERVES, Step
from dsops.runtime import Event
from dsops.secret import Secret
from dsops.stores.command import output_of
from dsops.stores.endpoints import endpoint_of
from dsops.stores.interface import Context
from dsops.tasks import blocking, pause

T = TypeVar("T")

_ASKED_AGAIN = 2
"""How often the user is prompted again after a rejected code."""

_PERIOD_SECONDS = 30
"""The number of seconds for which a device shows a code (RFC 6238, and AWS's devices)."""

_PROCESS_BYTES = 4096

_CODE = re.compile(r"[0-9]{6}\Z", re.ASCII)


async def with_code(step: Step, context: Context, use: Callable[[Secret], Awaitable[T]]) -> T:
    """Call `use` with the device's current code; return its result.

    Only one call runs at a time for each device, and no code is sent twice. Raises MfaRequired if there is no code
    and no terminal for a prompt, MfaRefused if AWS does not accept the code.
    """
    serial_number = str(step.settings["serial_number"])
    gate = f"mfa {serial_number}"
    await context.memory.gates.enter(gate)
    try:
        if isinstance(step.settings.get("token_code"), Secret):
            return await _from_setting(step, context, serial_number, use)
        if step.settings.get("mfa_process"):
            return await use(await _from_process(step, context, serial_number))
        return await _from_keyring_or_person(step, context, serial_number, use)
    finally:
        context.memory.gates.leave(gate)


async def _from_setting(step: Step, context: Context, serial_number: str, use: Callable[[Secret], Awaitable[T]]) -> T:
    """Try the configured code. If AWS refuses it, prompt the user at the terminal."""
    try:
        return await use(_fixed(step, context, serial_number))
    except MfaRefused as error:
        if not _is_only_the_code(error):
            raise
        return await _from_person(step, context, serial_number, use, error, "the code that was set is not accepted\n")


def _fixed(step: Step, context: Context, serial_number: str) -> Secret:
    code = step.settings["token_code"]
    if not isinstance(code, Secret):
        raise TypeError("a token_code is a Secret")
    if not context.memory.take_code(serial_number, code):
        raise MfaRefused(
            f"the MFA code of {_requester(step)} for {serial_number} was used already",
            why="AWS accepts each code only once",
            hint="set the next code, or remove `token_code` to be asked for it",
            where=step.where,
        )
    return code


async def _from_process(step: Step, context: Context, serial_number: str) -> Secret:
    """Run the command that prints a code. If its code was used already, wait for the next code."""
    for _ in range(3):
        code = await blocking(lambda: _run(step, context))
        if context.memory.take_code(serial_number, code):
            return code
        await _wait_for_next(context, serial_number, "the last code was used already")
    raise MfaRefused(
        f"`mfa_process` of {_requester(step)} keeps printing the same code",
        why="AWS accepts each code only once",
        hint="check that the program prints the current code of the device",
        where=step.where,
    )


async def _from_keyring_or_person(
    step: Step, context: Context, serial_number: str, use: Callable[[Secret], Awaitable[T]]
) -> T:
    """Compute codes from the seed in the keyring. Without a usable seed, prompt the user."""
    try:
        seed = await _seed_in_keyring(context, serial_number)
    except (KeyringFailed, ExtraMissing) as error:
        complaint = f"{error.message}\n"
        error.retell(f"{_requester(step)} needs a code of {serial_number}: {error.message}", where=step.where)
        return await _from_person(step, context, serial_number, use, error, complaint)
    if seed is None:
        return await _from_person(step, context, serial_number, use, None, "")
    return await _from_seed(step, context, seed, use)


async def _seed_in_keyring(context: Context, serial_number: str) -> Secret | None:
    """Return the device's seed from the keyring; None if the keyring has none."""
    from dsops.keyring import index

    environ = context.runtime.environ
    entry = None if index.is_off(environ) else index.contents(environ).seeds.get(serial_number)
    if entry is None:
        return None
    from dsops.keyring.items import Keyring
    from dsops.keyring.seeds import get_seed

    return await blocking(lambda: get_seed(Keyring.of(context.runtime), entry))


async def _from_seed(step: Step, context: Context, seed: Secret, use: Callable[[Secret], Awaitable[T]]) -> T:
    """Try the seed's current code; if it was used already, wait for the next code.

    AWS checks codes against its own clock. If AWS refuses a code and the local clock turns out to be wrong, the code
    for AWS's time is sent at once.
    """
    from dsops.aws.http.clock import time_at
    from dsops.keyring.seeds import code_at

    serial_number, endpoint = str(step.settings["serial_number"]), endpoint_of(step, "sts", context.runtime)
    ahead, is_last, is_corrected = context.client.skew_seconds(endpoint), False, False
    while True:
        code = code_at(seed, context.runtime.now().timestamp() + ahead)
        if not context.memory.take_code(serial_number, code):
            await _wait_for_next(context, serial_number, "the last code was used already", ahead)
            continue
        try:
            return await use(code)
        except MfaRefused as error:
            if not _is_only_the_code(error):
                raise
            if is_last:
                raise _wrong_seed(error, step, serial_number) from error
        theirs = await time_at(context.client, endpoint)
        off = 0.0 if theirs is None else (theirs - context.runtime.now()).total_seconds()
        if is_corrected or abs(off - ahead) < _PERIOD_SECONDS / 2:
            # The clock has already been corrected. So another program or another run has used this code.
            is_last = True
            await _wait_for_next(context, serial_number, "the code was not accepted, it may have been used", ahead)
        else:
            ahead, is_corrected = off, True


def _wrong_seed(error: MfaRefused, step: Step, serial_number: str) -> MfaRefused:
    return MfaRefused(
        f"{_requester(step)}: AWS rejected two codes made from the keyring's seed for {serial_number}",
        why=error.why,
        hint=(
            f"compare `dsops mfa code {serial_number}` with the code in the device's app; "
            f"`dsops mfa add {serial_number} --replace` replaces the seed"
        ),
        where=step.where,
        aws=error.aws,
    )


async def _wait_for_next(context: Context, serial_number: str, why: str, ahead: float = 0.0) -> None:
    """Wait until the device shows the next code; report the seconds left.

    `ahead` is the number of seconds by which AWS's clock is ahead.
    """
    left = _seconds_to_next(context, ahead)
    while left > 0:
        facts = {"device": serial_number, "seconds": f"{left:.0f}", "why": why}
        context.runtime.report(Event("mfa.waiting", facts))
        await pause(min(1.0, left))
        left -= 1.0


def _seconds_to_next(context: Context, ahead: float = 0.0) -> float:
    """Return the seconds until the device shows the next code, plus one second for differences between clocks."""
    return _PERIOD_SECONDS - (context.runtime.now().timestamp() + ahead) % _PERIOD_SECONDS + 1


async def _from_person(
    step: Step,
    context: Context,
    serial_number: str,
    use: Callable[[Secret], Awaitable[T]],
    failed: DsopsError | None,
    complaint: str,
) -> T:
    """Prompt for a code and call `use` with it.

    `failed` is the error that a code from another source caused, or None.
    """
    for again in reversed(range(_ASKED_AGAIN + (not isinstance(failed, MfaRefused)))):
        question = f"{complaint}MFA code of {serial_number} for {step.settings.get(SERVES, step.name)}: "
        answer = await blocking(partial(context.runtime.ask, question))
        if answer is None:
            raise failed or _code_missing(step, serial_number)
        code = Secret(answer.reveal().strip())
        more = f"{again} more {'try' if again == 1 else 'tries'}"
        if not _CODE.match(code.reveal()):
            complaint = f"a code has six digits ({more})\n"
            continue
        if not context.memory.take_code(serial_number, code):
            seconds = _seconds_to_next(context)
            complaint = f"that code was used already, the next one comes in {seconds:.0f} s ({more})\n"
            continue
        try:
            return await use(code)
        except MfaRefused as error:
            if not _is_only_the_code(error):
                raise
            failed, complaint = error, f"that code was not accepted ({more})\n"
    raise failed or MfaRefused(
        f"no MFA code of {serial_number} was entered for {_requester(step)}",
        why=complaint.partition(" (")[0],
        where=step.where,
    )


def _requester(step: Step) -> str:
    """Describe the store that needs a code, or the shared MFA session and its roles."""
    serves = step.settings.get(SERVES)
    return f"the MFA session of {serves}" if serves else f"store `{step.name}`"


def _is_only_the_code(error: MfaRefused) -> bool:
    """Whether AWS refused only this code, so that another code of the same device may be accepted."""
    return error.aws is None or "invalid MFA one time pass code" in error.aws.message


def _code_missing(step: Step, serial_number: str) -> MfaRequired:
    variable = step.settings.get("token_code_variable")
    in_keyring = f"put the device's seed into the keyring: `dsops mfa add {serial_number}`"
    if variable:
        hint = f"set {variable} to the device's current code"
    elif step.where.is_profile:
        hint = f"run the command at a terminal, or {in_keyring}"
    else:
        hint = f"set `token_code: ${{MFA_TOKEN}}` or `mfa_process` on the store ({step.where}), or {in_keyring}"
    return MfaRequired(
        f"{_requester(step)} needs a code of the MFA device {serial_number}",
        why="there is no terminal to ask on",
        hint=hint,
        where=step.where,
    )


def _run(step: Step, context: Context) -> Secret:
    """Run `mfa_process` and return the code that it prints."""
    argv = step.settings["mfa_process"]
    words = [word for word in argv if isinstance(word, str)] if isinstance(argv, tuple) else []
    output = output_of(
        words,
        str(step.settings.get("mfa_process_folder", "")),
        context.runtime,
        _PROCESS_BYTES,
        lambda why: _failed(step, why),
        too_much="it prints more than a code",
    )
    code = output.decode("ascii", "replace").strip()
    if not _CODE.match(code):
        raise _failed(step, "it did not print six digits and nothing else")
    return Secret(code)


def _failed(step: Step, why: str) -> MfaRequired:
    return MfaRequired(
        f"`mfa_process` of {_requester(step)} printed no valid code",
        why=why,
        hint="run the program by hand: it must print the device's current code",
        where=step.where,
    )
