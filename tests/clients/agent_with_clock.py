"""A real agent in a process of its own, whose clock is ahead of the machine's by the seconds that stand in a file."""

from __future__ import annotations

import os
import sys
from datetime import datetime, timedelta
from pathlib import Path

from dsops.agent.client import address_in, folder_of, make_folder
from dsops.agent.hardening import forget_world
from dsops.agent.server import AgentServer
from dsops.agent.start import listen, locked
from dsops.agent.work import SessionKeeper
from dsops.cli.run.command_lines import ClientLines
from dsops.runtime import utc_now


def main(moment: Path) -> None:
    """Serves as `dsops agent run` does."""

    def now() -> datetime:
        return utc_now() + timedelta(seconds=float(moment.read_text()))

    folder = folder_of(os.environ)
    make_folder(folder)
    address = address_in(folder)
    with locked(address):
        listener = listen(address)
    forget_world()
    keeper = SessionKeeper(now, ClientLines())
    server = AgentServer(listener, keeper.work)
    keeper.end = server.stop
    server.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
