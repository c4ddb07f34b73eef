"""`python -m tests.cloudtrail FOLDER --events N --seed S [--dirty]`: logs, and `answers.json` beside the folder."""

from __future__ import annotations

import argparse
import os
from datetime import datetime

from tests.cloudtrail.generator import generate, write


def main() -> None:
    """Write the logs and their answers."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.cloudtrail", description="make CloudTrail logs with known answers"
    )
    parser.add_argument("folder", help="where AWSLogs/ is written; answers.json comes beside that folder")
    parser.add_argument("--events", type=int, default=20_000, help="how many calls (20000)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same logs (1)")
    parser.add_argument(
        "--since", type=datetime.fromisoformat, help="answers from that moment on, such as 2026-10-20T00:00:00Z"
    )
    parser.add_argument(
        "--dirty", action="store_true", help="with damaged files, duplicates and records of strange forms"
    )
    parser.add_argument("--file-records", type=int, default=400, help="about how many records a file has (400)")
    parser.add_argument("--no-own", action="store_true", help="without lines of dsops' own trail")
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="how many at once (one for each core)"
    )
    options = parser.parse_args()
    known_names = generate(
        options.folder,
        events=options.events,
        seed=options.seed,
        since=options.since,
        is_dirty=options.dirty,
        has_own_trail=not options.no_own,
        file_records=options.file_records,
        processes=options.processes,
    )
    answers = os.path.join(os.path.dirname(os.path.abspath(options.folder)), "answers.json")
    write(answers, known_names)
    print(answers)


if __name__ == "__main__":
    main()
