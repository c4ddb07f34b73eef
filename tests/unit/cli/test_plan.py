"""`dsops plan` reads only files and the environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.cli.stub_aws import Dsops, StubAws

# libcurl opens connections without Python's sockets, so the test also checks that libcurl is not loaded.
PROGRAM = """
import sys
reached = []
def listen(event, _):
    if event.partition(".")[0] in {"socket", "subprocess"} or event in {"os.exec", "os.fork", "os.posix_spawn"}:
        reached.append(event)
sys.addaudithook(listen)
from dsops.cli import main
code = main(sys.argv[1:])
clients = sorted({"pycurl", "urllib3", "botocore", "socket", "subprocess"} & set(sys.modules))
print(*reached, *clients, file=sys.stderr)
sys.exit(code)
"""


def test_a_plan_uses_no_network_and_no_credentials(tmp_path: Path) -> None:
    """`dsops plan` opens no socket, starts no process, and works without credentials."""
    with StubAws() as aws:
        dsops = Dsops(tmp_path, aws)
        environ = {name: value for name, value in dsops.environ.items() if "KEY" not in name}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "plan", "--env", "production"],
            cwd=dsops.folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

        assert (0, "") == (done.returncode, done.stderr.strip())
        assert "arn:aws:iam::111122223333:role/Target" in done.stdout
        assert [] == aws.calls
