"""Run a real agent in its own process, with a clock ahead of the machine's by the number of seconds in a file."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from dsops.agent.client import address_in, folder_of, make_folder
from dsops.agent.process import drop_environment
from dsops.agent.start import listen, locked
from dsops.agent.work import serve
from dsops.cli.run.command_lines import ClientLines
from dsops.runtime import utc_now


def main(moment: Path) -> None:
    """Run the agent as `dsops agent run` does, with a shifted clock."""

    def now() -> datetime:
        return utc_now() + timedelta(seconds=float(moment.read_text()))

    folder = folder_of(os.environ)
    make_folder(folder)
    address = address_in(folder)
    with locked(address):
        listener = listen(address)
    drop_environment()
    serve(listener, ClientLines(), now)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
