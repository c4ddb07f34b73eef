"""What the sandbox's page costs its server: a poll with 300 new calls, and a world of 10,000 roles.

    .venv/bin/python bench/page.py

Prints CPU milliseconds of the server for each answer; the page polls about three times a second. If Chromium is there,
prints how long it takes from a click on World, and from a letter in the search field, until the picture is drawn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from dsops.request.messages import HttpRequest
from dsops.request.question import AuthorizationQuestion
from dsops.sandbox.authorization.caller import user_caller
from dsops.sandbox.control.endpoints import Control
from dsops.sandbox.control.launch import open_server
from dsops.sandbox.control.service import Sandbox
from dsops.sandbox.control.setup import plant
from dsops.sandbox.seed.file import read_seed

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.browser import CHROMIUM, browser

ACCOUNT, USERS, ROLES, ROUNDS = "111111111111", 100, 10_000, 5


def seed() -> str:
    """Return a seed with 10,000 roles that each trust one of 100 users; equal trust policies are written once."""
    lines = ["accounts:", f'  "{ACCOUNT}":', "    users:"]
    allow = '{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole"'
    lines += [f'      user-{number}: {{policies: [{allow}, Resource: "*"}}}}]}}' for number in range(USERS)]
    lines.append("    roles:")
    for number in range(ROLES):
        user = number % USERS
        trust = f"*t{user}"
        if number < USERS:
            trust = f'&t{user} {allow}, Principal: {{AWS: "arn:aws:iam::{ACCOUNT}:user/user-{user}"}}}}}}'
        lines.append(f"      role-{number}: {{trust: {trust}}}")
    return "\n".join(lines)


def milliseconds(work: Callable[[], object]) -> float:
    """Return the median CPU time of some rounds."""
    times = []
    for _ in range(ROUNDS):
        begun = process_time()
        work()
        times.append((process_time() - begun) * 1000)
    return sorted(times)[ROUNDS // 2]


def draw() -> None:
    """Draw the world in Chromium, and print the medians of the wall times."""
    field = "document.querySelector('#world-view [name=search]')"
    steps = {
        "drawn after a click": ("document.querySelector('[data-view=world-view]').click()", ""),
        "drawn after a letter": (
            f"{field}.value = '{{}}'; {field}.dispatchEvent(new Event('input', {{{{bubbles: true}}}}))",
            "role-7",
        ),
    }
    with (
        open_server(read_seed(seed(), "seed.yaml"), port=0) as server,
        TemporaryDirectory() as folder,
        browser(Path(folder), has_scripts=True) as page,
    ):
        page.resize(1280, 900)
        page.open(server.page_link)
        page.wait_for("document.querySelector('#status').innerText === 'connected'")
        for what, (step, text) in steps.items():
            times = []
            for number in range(ROUNDS):
                page.value("performance.clearMarks(); performance.mark('begin')")
                page.value(step.format(text + str(number)))
                page.wait_for("performance.getEntriesByName('world-drawn').length")
                marks = [f"performance.getEntriesByName('{name}')[0].startTime" for name in ("world-drawn", "begin")]
                times.append(float(str(page.value(" - ".join(marks)))))
            print(f"{what}: {sorted(times)[ROUNDS // 2]:.0f} ms ({page.text('#found')})")


def main() -> int:
    """Measure, and print a line for each answer."""
    sandbox = Sandbox()
    plant(sandbox, read_seed(seed(), "seed.yaml"))
    control = Control(sandbox)

    def ask(path: str) -> bytes:
        path, _, query = path.partition("?")
        headers = {"host": "127.0.0.1:4566"}
        answer = control.handle(HttpRequest("GET", f"/_sandbox/{path}", query, headers, b"", "127.0.0.1"))
        if answer.status != 200:
            raise SystemExit(answer.body.decode())
        return answer.body

    role = f"arn:aws:iam::{ACCOUNT}:role/role-7"
    user = sandbox.world.user_named(ACCOUNT, "user-7")
    if user is None:
        raise SystemExit("no user-7")
    caller = user_caller(sandbox.world, user, "", sandbox.region, None)
    for number in range(300):
        question = AuthorizationQuestion("sqs:ListQueues", "*", ACCOUNT, {})
        sandbox.judge.decide(caller, question, str(number), 0)
    for answer, path in (
        ("a poll with 300 new calls", "decisions?rows=yes"),
        ("a poll without", "decisions?rows=yes&after=300"),
        ("a decision with what would allow it", "decisions/300"),
        ("world, 10,000 roles", "world"),
        ("search in it", "world?search=role-77"),
        ("roles that a user can assume", f"links?arn={user.arn}"),
        ("roles of a role, and who can assume it", f"links?arn={role}"),
        ("whether a user can become a role: yes", f"way?from={user.arn}&to={role}"),
        ("whether a user can become a role: no", f"way?from={user.arn}&to={role}8"),
    ):
        print(f"{answer}: {milliseconds(partial(ask, path)):.1f} ms")
    if CHROMIUM is not None:
        draw()
    return 0


if __name__ == "__main__":
    sys.exit(main())
