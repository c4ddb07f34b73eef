"""Compares both clients of the agent with random command lines, environments and frames.

    python -m tests.launcher.differential --seconds 60 [--seed 7]

Both clients run against a fake agent that sends the same bytes. Their exit codes, stdout, stderr, requests and replies
must be equal. The launcher is compiled with AddressSanitizer, debug assertions and checks for overflows.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from random import Random
from time import monotonic
from typing import NamedTuple

from dsops.agent import pack
from dsops.agent.client import ANSWERED, PLAIN, PLAIN_WITH_VALUE
from tests import launched
from tests.launcher.agents import Done, FakeAgent, frame, result

SANITIZERS = ("-Z", "sanitizer=address", "-C", "debug-assertions=on", "-C", "overflow-checks=on", "-C", "panic=abort")
ALLOWS_SANITIZERS = {"RUSTC_BOOTSTRAP": "1"}
"""Stable Rust accepts the sanitizers' option only with this variable."""

ODD = (
    b"",
    b"-",
    b"--",
    b"=",
    b"a=b",
    b"\xff\xfe",
    b"--env",
    b"--env=",
    b"-v",
    b"--help",
    b"--Env=x",
    b"-e=plain",
    b"\n",
)
PROGRAMS = (b"env", b"/usr/bin/env", b"./script", b"./nowhere", b"nowhere", b"", b"/", b"-", b"sh")
NAMES = (
    b"PATH", b"CI", b"DSOPS_AGENT", b"DSOPS_NO_AGENT", b"DSOPS_JSON", b"AWS_PROFILE", b"AWS_DEFAULT_PROFILE", b"LC_ALL",
    b"LC_CTYPE", b"LANG", b"PYTHONPATH", b"PYTHONUTF8", b"PYTHONUNBUFFERED", b"A B", b"\xff", b"HOMES",
)  # fmt: skip
VALUES = (
    b"", b"0", b"1", b"off", b"OFF", b"no", b"true", b"p", b"C", b"POSIX", b"C.UTF-8", b"UTF-8", b"/usr/bin:/bin",
    b".:/bin", b"=", b"\xff\n", b"/nowhere",
)  # fmt: skip


RUN = re.compile(rb"[0-9a-f]{16}")
"""The random id of a run in the audit trail."""


class Case(NamedTuple):
    """What both clients get."""

    words: tuple[bytes, ...]
    environ: dict[bytes, bytes]
    answers: tuple[tuple[bytes, ...], ...]
    closed: str
    """Redirections of a shell."""


def random_case(random: Random) -> Case:
    """Make a case: mostly a plain command line with valid frames, and each part of it damaged now and then."""
    environ = {random.choice(NAMES): random.choice(VALUES) for _ in range(random.choice((0, 0, 1, 1, 2, 4)))}
    answers = tuple(_answer(random) for _ in range(random.choice((1, 1, 2, 4))))
    closed = random.choice(("",) * 12 + ("0<&-", "2>&-", "1>&-", ">/dev/full", "0<&- 1>&- 2>&-"))
    return Case(tuple(_words(random)), environ, answers, closed)


def _words(random: Random) -> list[bytes]:
    name = random.choice(("exec", "exec", "exec", *ANSWERED)).encode()
    words = [name]
    if name == b"exec":
        for _ in range(random.choice((0, 1, 1, 2))):
            flag = random.choice((*PLAIN, *PLAIN_WITH_VALUE)).encode()
            words += [flag, b"plain"] if random.random() < 0.5 else [flag + b"=plain"]
        words += [b"--env=plain", b"--", random.choice(PROGRAMS[:2] if random.random() < 0.7 else PROGRAMS), b"-0"]
    elif name == b"hook-load":
        words += [random.choice((b"bash", b"fish")), b"1", b"--env", b"plain"]
    elif name == b"complete":
        words += [b"--", b"exec", b"--en"]
    else:
        words += [b"PLAIN", b"--env=plain"] if name != b"render" else [b"--env", b"plain"]
        if random.random() < 0.3:
            words += random.choice(([b"--for-profile", b"p"], [b"--for-profile=p"], [b"--for-profile"]))
    while random.random() < 0.25:
        place = random.randrange(len(words) + 1)
        words[place : place + random.randrange(2)] = [random.choice(ODD)]
    return words


def _answer(random: Random) -> tuple[bytes, ...]:
    frames = [frame(b"H")] * random.randrange(2)
    while random.random() < 0.4:
        note = frame(b"N", random.choice((b"dsops: note\n", b"\xff", b"", b"x" * 70_000)))
        event = frame(b"E", pack([random.choice((b"credentials.held", b"clock.corrected", b"done", b"\xff"))]))
        question = frame(b"Q", b"MFA code: ")
        choice = frame(b"L", pack([b"which", b"a", b"first", b"b", b"second"]))
        frames.append(random.choice((note, event, event, question, choice, frame(b"A"), frame(b"C"))))
    fields = [b"PATH=" + random.choice((b"/usr/bin:/bin", b"/usr/bin:/bin", b"", b"/nowhere")), b"A=\xff", b"B="]
    fields += [
        random.choice((b"=", b"no", b"A=2", b"NUL=\0", b"\xff=", b"LARGE=" + b"x" * 100_000))
    ] * random.randrange(2)
    text = random.choice(([b"hush"], [b""], [b"hush", b"3"], [b"", b"300"], [b"x", b"-1"], [b"a", b"1", b"2"], []))
    ends = (result(*fields), result(*fields), result(*text), result(*text), frame(b"D"), frame(b"D", b"again"), b"")
    data = b"".join([*frames, random.choice((*ends, frame(b"Z"), b"X\xff\xff\xff\xff"))])
    if random.random() < 0.15:
        place = random.randrange(len(data) + 1)
        data = (
            data[:place]
            + random.choice((b"", b"\0", b"\xff", random.randbytes(3)))
            + data[place + random.randrange(3) :]
        )
    cuts = sorted(random.choices(range(len(data) + 1), k=random.choice((0, 0, 1, 3))))
    return tuple(data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True))


def run(agent: FakeAgent, client: str, case: Case) -> Done:
    """Run one client with the case."""
    agent.answers = list(case.answers)
    environ = {os.fsdecode(name): os.fsdecode(value) for name, value in case.environ.items()}
    done = agent.run(client, *case.words, environ=environ, before=f"exec {case.closed}" if case.closed else "")
    requests = tuple(tuple(b"RUN" if RUN.fullmatch(field) else field for field in request) for request in done.requests)
    return done._replace(requests=requests)


def difference(agent: FakeAgent, case: Case) -> str:
    """Return how the clients differ; "" if they do not."""
    python, launcher = (run(agent, client, case) for client in ("python", "launcher"))
    if python == launcher:
        return ""
    lines = [
        f"{name}:\n  python   {of_python!r:.1500}\n  launcher {of_launcher!r:.1500}"
        for name, of_python, of_launcher in zip(Done._fields, python, launcher, strict=True)
        if of_python != of_launcher
    ]
    return "\n".join([f"{case!r:.3000}", *lines])


def main(arguments: Sequence[str] | None = None) -> int:
    """Return the exit code: 1 if the clients differ."""
    parser = argparse.ArgumentParser(prog="python -m tests.launcher.differential")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=None, help="the number of the first case")
    options = parser.parse_args(arguments)
    launched.launcher(SANITIZERS, ALLOWS_SANITIZERS)
    first = options.seed if options.seed is not None else Random().randrange(1 << 32)  # noqa: S311
    seed, until = first, monotonic() + options.seconds
    with FakeAgent([]) as agent:
        (agent.work / "script").write_text("echo script\n")
        (agent.work / "script").chmod(0o755)
        while monotonic() < until:
            if found := difference(agent, random_case(Random(seed))):  # noqa: S311
                print(f"launcher: FOUND, with --seed {seed}\n{found}", flush=True)
                return 1
            seed += 1
    print(f"launcher: nothing found in {seed - first} cases from --seed {first}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
