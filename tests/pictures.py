"""Makes the pictures of the documentation: screens of a real terminal, and pages in a real browser.

    python -m tests.pictures          (writes docs/images/*.png; needs chromium)

Each screen is what a command writes to a pseudo-terminal of 100 columns, read by pyte and drawn by Chromium.
"""

from __future__ import annotations

import html
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dsops.sandbox.control.launch import identity_variables, open_server
from dsops.sandbox.seed.file import read_seed
from tests.browser import CHROMIUM, FLAGS
from tests.clients.test_sign_in_page import SEED as SIGN_IN_SEED
from tests.clients.test_sign_in_page import Login
from tests.terminal import Screen

IMAGES = Path(__file__).parents[1] / "docs" / "images"
COLUMNS = 100
LOWEST = 200
"""The height of the lowest window whose whole page Chromium draws."""
SEED = """
accounts:
  "111111111111":
    users:
      ada:
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Resource: "*",
          Action: ["sts:AssumeRole", "iam:Get*", "iam:List*", "organizations:*"]}}]
    roles:
      Hub: &role
        trust: {Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole",
          Principal: {AWS: "arn:aws:iam::111111111111:root"}}}
        policies: [{Version: "2012-10-17", Statement: {Effect: Allow, Action: "sts:AssumeRole", Resource: "*"}}]
      Deploy: *role
      Closed:
        trust: {Version: "2012-10-17", Statement: {Sid: OnlyOps, Effect: Allow, Action: "sts:AssumeRole",
          Principal: {AWS: "arn:aws:iam::111111111111:role/Hub"}}}
"""
PROFILES = """\
[profile hub]
role_arn = arn:aws:iam::111111111111:role/Hub
credential_source = Environment
region = eu-central-1
[profile shop-prod]
role_arn = arn:aws:iam::111111111111:role/Deploy
source_profile = hub
region = eu-central-1
[profile shop-staging]
role_arn = arn:aws:iam::111111111111:role/Deploy
source_profile = hub
region = eu-central-1
[profile audit]
role_arn = arn:aws:iam::111111111111:role/Closed
credential_source = Environment
region = eu-central-1
"""
COLOURS = {"default": "#d0d4dc", "red": "#ff6b6b", "green": "#69d58c", "brown": "#e5c07b", "blue": "#7aa2f7"}
BACKGROUND = "#16181d"
STYLE = "margin:0;padding:14px 18px;color:#d0d4dc;font:14px/1.35 'DejaVu Sans Mono',monospace"
Play = Callable[[Screen], None]


def ended(screen: Screen) -> None:
    """Wait until the command has ended."""
    screen.finish()


def listed(screen: Screen) -> None:
    """Type into the list, and leave it open."""
    screen.wait_for("Enter: use")
    screen.type("shop")
    screen.wait_for("2/")


def waited(screen: Screen) -> None:
    """Wait until the line that says what dsops waits for is there."""
    screen.wait_for("assuming")


SCREENS: Mapping[str, tuple[str, Play]] = {
    "help": ("dsops --help", ended),
    "stores": ("dsops stores", ended),
    "picker": ("dsops exec -- aws sts get-caller-identity", listed),
    "waiting": ("AWS_ENDPOINT_URL_STS=$HANGING dsops whoami shop-prod", waited),
    "mistyped": ("dsops exec shop-prd -- true; dsops stors", ended),
    "denied": ("dsops whoami audit; dsops explain audit", ended),
    "each": ("dsops each 'shop-*' hub audit -- sh -c 'echo $AWS_REGION'", ended),
    "whoami": ("dsops whoami shop-prod", ended),
}
"""Picture -> the command line, and what is done on its terminal."""


def drawn(command: str, screen: Screen) -> str:
    """The screen as an HTML page."""
    rows = [
        "".join(_cell(screen.cell(row, column)) for column in range(COLUMNS)).rstrip()
        for row in range(len(screen.rows()))
    ]
    text = "\n".join(rows)
    body = f'<body style="margin:0;background:{BACKGROUND}"><pre style="{STYLE}">'
    return f'<meta charset="utf-8">{body}<b>$ {html.escape(command)}</b>\n{text}</pre>'


def _cell(cell: tuple[str, str, bool, bool]) -> str:
    character, colour, is_bold, is_reverse = cell
    styles = [f"color:{COLOURS.get(colour, colour)}"] if colour != "default" else []
    styles += ["font-weight:bold"] if is_bold else []
    styles += ["background:#d0d4dc;color:#16181d"] if is_reverse else []
    text = html.escape(character)
    return f'<span style="{";".join(styles)}">{text}</span>' if styles else text


def photograph(page: str, image: Path, width: int, height: int) -> None:
    """Write a picture of the page with this URL."""
    image.parent.mkdir(exist_ok=True)
    size = f"--window-size={width},{height}"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder}", size, f"--screenshot={image}", page],
            check=True,
            capture_output=True,
            timeout=60,
            env={"HOME": folder, "PATH": "/usr/bin:/bin"},
        )


def photograph_report(home: Path, environ: Mapping[str, str]) -> None:
    """Write the picture of the first page of `dsops audit report --html`, for invented logs of CloudTrail."""
    for command in (
        [sys.executable, "-m", "tests.cloudtrail", "logs", "--events", "5000"],
        ["dsops", "audit", "report", "logs", "--html", "report.html"],
    ):
        variables = {**environ, "PYTHONPATH": os.getcwd()}
        subprocess.run(command, check=True, capture_output=True, timeout=120, env=variables, cwd=home)
    photograph((home / "report.html").as_uri(), IMAGES / "report.png", 1100, 900)
    print("docs/images/report.png")


def photograph_sign_in() -> None:
    """Write the picture of the page on which a user of the sandbox's Identity Center denies or allows a login."""
    with open_server(read_seed(SIGN_IN_SEED, "seed.yaml")) as server:
        login = Login(server.url)
        photograph(login.started["verificationUriComplete"], IMAGES / "sign-in.png", 700, 560)
    print("docs/images/sign-in.png")


@contextmanager
def local_aws() -> Iterator[tuple[Path, dict[str, str]]]:
    """A home with profiles for a sandbox: its folder, and the environment of commands there."""
    import socket

    with (
        tempfile.TemporaryDirectory() as folder,
        open_server(read_seed(SEED, "seed.yaml")) as server,
        socket.create_server(("127.0.0.1", 0)) as hanging,
    ):
        home = Path(folder)
        (home / ".aws").mkdir()
        (home / ".aws" / "config").write_text(PROFILES)
        (home / ".config" / "dsops").mkdir(parents=True)
        (home / ".config" / "dsops" / "config.yaml").write_text("audit: off\n")
        environ = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
            "DSOPS_AGENT": "off",
            "HANGING": f"http://127.0.0.1:{hanging.getsockname()[1]}",
            **identity_variables(server, "ada"),
            "HOME": folder,
            "AWS_CONFIG_FILE": f"{folder}/.aws/config",
        }
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            environ.pop(name, None)
        yield home, environ


def main() -> None:
    """Make every picture."""
    with local_aws() as (home, environ):
        for name, (command, play) in SCREENS.items():
            with Screen(["sh", "-c", command], columns=COLUMNS, rows=60, environ=environ, folder=home) as screen:
                play(screen)
                page = home / f"{name}.html"
                page.write_text(drawn(command, screen))
                photograph(page.as_uri(), IMAGES / f"{name}.png", 900, max(LOWEST, 46 + 19 * (len(screen.rows()) + 1)))
            print(f"docs/images/{name}.png")
        photograph_report(home, environ)
        photograph_sign_in()


if __name__ == "__main__":
    main()
