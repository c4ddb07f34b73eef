"""The current code of an MFA device: from the store's setting, from its command, or from a person."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from dsops.errors import MfaRefused, MfaRequired
from dsops.plan import Step
from dsops.runtime import Event
from dsops.secret import Secret
from dsops.startup import pattern
from dsops.stores.command import output_of
from dsops.stores.interface import Context
from dsops.tasks import blocking, pause

T = TypeVar("T")

_ASKED_AGAIN = 2
"""How often a person is asked once more after a code that was not accepted."""

_PERIOD_SECONDS = 30
"""How long a code is shown (RFC 6238, and AWS's devices)."""

_PROCESS_BYTES = 4096

_CODE = pattern(r"[0-9]{6}\Z", re.ASCII)


async def with_code(step: Step, context: Context, use: Callable[[Secret], Awaitable[T]]) -> T:
    """What `use` gives with the device's current code. One at a time for each device, and no code is sent twice.

    Raises MfaRequired when there is no code and nobody to ask, MfaRefused when AWS does not accept it.
    """
    serial_number = str(step.settings["serial_number"])
    gate = f"mfa {serial_number}"
    await context.memory.gates.enter(gate)
    try:
        if isinstance(step.settings.get("token_code"), Secret):
            return await _from_setting(step, context, serial_number, use)
        if step.settings.get("mfa_process"):
            return await use(await _from_process(step, context, serial_number))
        return await _from_person(step, context, serial_number, use, None)
    finally:
        context.memory.gates.leave(gate)


async def _from_setting(step: Step, context: Context, serial_number: str, use: Callable[[Secret], Awaitable[T]]) -> T:
    """With the code that is set; when that is no good (any more), with one of the person at the terminal."""
    try:
        return await use(_fixed(step, context, serial_number))
    except MfaRefused as error:
        if not _is_only_the_code(error):
            raise
        return await _from_person(step, context, serial_number, use, error)


def _fixed(step: Step, context: Context, serial_number: str) -> Secret:
    code = step.settings["token_code"]
    if not isinstance(code, Secret):
        raise TypeError("a token_code is a Secret")
    if not context.memory.take_code(serial_number, code):
        raise MfaRefused(
            f"the code that store `{step.name}` has for {serial_number} was used already",
            why="AWS takes a code once",
            hint="give it the next code, or leave `token_code` out to be asked",
            where=step.where,
        )
    return code


async def _from_process(step: Step, context: Context, serial_number: str) -> Secret:
    """The command's code; when that was used already, the next one."""
    for _ in range(3):
        code = await blocking(lambda: _run(step, context))
        if context.memory.take_code(serial_number, code):
            return code
        seconds = _PERIOD_SECONDS - context.runtime.now().timestamp() % _PERIOD_SECONDS + 1
        facts = {"device": serial_number, "seconds": f"{seconds:.0f}", "why": "the last code was used already"}
        context.runtime.report(Event("mfa.waiting", facts))
        await pause(seconds)
    raise MfaRefused(
        f"`mfa_process` of store `{step.name}` prints the same code again and again",
        why="AWS takes a code once",
        hint="check that it prints the current code of the device",
        where=step.where,
    )


async def _from_person(
    step: Step,
    context: Context,
    serial_number: str,
    use: Callable[[Secret], Awaitable[T]],
    refused: MfaRefused | None,
) -> T:
    """What `use` gives with a code that somebody types; `refused` is what came of one that was set."""
    complaint = "" if refused is None else "the code that was set is not accepted. "
    for _ in range(_ASKED_AGAIN + (refused is None)):
        question = f"{complaint}MFA code of {serial_number} for {step.name}: "
        answer = await blocking(partial(context.runtime.ask, question))
        if answer is None:
            raise refused or _nobody(step, serial_number)
        code = Secret(answer.reveal().strip())
        if not _CODE.match(code.reveal()):
            complaint = "a code has six digits. "
            continue
        if not context.memory.take_code(serial_number, code):
            complaint = "that code was used already, wait for the next one. "
            continue
        try:
            return await use(code)
        except MfaRefused as error:
            if not _is_only_the_code(error):
                raise
            refused, complaint = error, "that code was not accepted. "
    raise refused or MfaRefused(
        f"no code of {serial_number} was given for store `{step.name}`",
        why=f"{complaint.rstrip('. ')}",
        where=step.where,
    )


def _is_only_the_code(error: MfaRefused) -> bool:
    """Whether another code may help: it was wrong or used. A wrong device stays wrong whatever the code."""
    return error.aws is None or "invalid MFA one time pass code" in error.aws.message


def _nobody(step: Step, serial_number: str) -> MfaRequired:
    variable = step.settings.get("token_code_variable")
    if variable:
        hint = f"set {variable} to the device's current code"
    else:
        hint = f"set `token_code: ${{MFA_TOKEN}}` or `mfa_process` on the store ({step.where})"
    return MfaRequired(
        f"store `{step.name}` needs a code of the MFA device {serial_number}",
        why="there is no terminal to ask on",
        hint=hint,
        where=step.where,
    )


def _run(step: Step, context: Context) -> Secret:
    """The code that the command prints."""
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
        f"`mfa_process` of store `{step.name}` gave no code",
        why=why,
        hint="run it by hand: it has to print the device's current code",
        where=step.where,
    )
