"""`dsops guard serve --listen unix:PATH`: a client without a network reaches AWS through a forwarded port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.unit.test_isolated import CONFIG, SEED

SECONDS = 60
PAGE = Path(__file__).parents[3] / "docs/how-to/coding-agents.md"
SERVE = "dsops guard serve --no-agent --config dsops.yaml --credentials dev --guard read-only"
SCRIPT = f"""
{SERVE} --listen unix:files/guard.sock --out files &
for i in $(seq 200); do [ -s files/guard.env ] && break; sleep 0.1; done
stat -c '%a %F' files files/guard.sock
cp forward.py files
env -i PATH="$PATH" $(cat files/guard.env) python files/forward.py python client.py
kill -TERM $!
wait $!
echo "code $?"
ls files
"""
CLIENT = """
import boto3
from botocore.exceptions import ClientError
print(boto3.client("sts").get_caller_identity()["Arn"])
try:
    boto3.client("s3").delete_bucket(Bucket="b")
except ClientError as error:
    print(error.response["Error"]["Code"])
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a sandbox."""
    forward = re.search(r"```python\n# forward.py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert forward is not None
    texts = {"seed.yaml": SEED, "dsops.yaml": CONFIG, "run.sh": SCRIPT, "client.py": CLIENT, "forward.py": forward[1]}
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return subprocess.run(
        ["dsops", "sandbox", "run", "--seed", "seed.yaml", "--", *command],
        cwd=folder,
        env={"HOME": str(folder), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def test_a_client_uses_the_socket(tmp_path: Path) -> None:
    """With the page's script, a client gets what the policies allow. The socket is private and removed at the end."""
    result = run(tmp_path, "sh", "run.sh")

    assert result.stdout.splitlines() == [
        "700 directory",
        "600 socket",
        "arn:aws:sts::111111111111:assumed-role/Developer/agent",
        "AccessDenied",
        "code 0",
        "forward.py",
        "guard.env",
    ], result
    assert "the guard serves at unix:files/guard.sock until Ctrl-C" in result.stderr


def test_a_path_that_is_too_long(tmp_path: Path) -> None:
    """A path of more than 107 bytes is an error with a hint, and nothing is left."""
    result = run(tmp_path, *SERVE.split(), "--listen", f"unix:{'long/' * 30}guard.sock", "--out", "files")

    assert "dsops: error[usage]: the path of the socket is too long\n" in result.stderr
    assert "hint: name a folder with a shorter path" in result.stderr
    assert not (tmp_path / "long").exists()
    assert os.listdir(tmp_path / "files") == []


def test_only_guard_serve_uses_a_socket(tmp_path: Path) -> None:
    """The command of `exec` could not reach the socket, so that a socket is no address there."""
    command = "dsops exec --no-agent --config dsops.yaml --credentials dev --guard read-only --listen unix:s -- true"
    result = run(tmp_path, *command.split())

    assert "dsops: error[usage]: `--listen unix:s` is not an IP address\n" in result.stderr
    assert not (tmp_path / "s").exists()
