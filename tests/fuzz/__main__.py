"""Fuzzes one target or all of them (`python -m tests.fuzz [TARGET] --seconds 60`), or runs given files once."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
_ROOT = Path(__file__).parents[2]
_HANG_SECONDS = 5
_MEGABYTES = 2048


def _run_files(target: str, files: list[str]) -> int:
    from tests.fuzz.targets import TARGETS

    for file in files:
        accepted = TARGETS[target](Path(file).read_bytes())
        print(f"{file}: {'accepted' if accepted else 'refused'}")
    return 0


def _fuzz_here(target: str, seconds: int, folder: Path) -> int:
    """Fuzzes in this process, which libFuzzer ends; new inputs go to a temporary folder."""
    import atheris

    with atheris.instrument_imports(include=["dsops"]):
        from tests.fuzz.targets import TARGETS

    found = tempfile.mkdtemp(prefix="dsops-fuzz-corpus-")
    run = TARGETS[target]

    def once(data: bytes) -> None:
        run(bytes(data))

    limits = [f"-max_total_time={seconds}", f"-timeout={_HANG_SECONDS}", f"-rss_limit_mb={_MEGABYTES}"]
    limits += [f"-artifact_prefix={folder}/"]
    atheris.Setup([target, found, str(CORPUS / target), "-print_final_stats=0", "-verbosity=0", *limits], once)
    try:
        atheris.Fuzz()
    finally:
        shutil.rmtree(found, ignore_errors=True)
    return 0


def fuzz(target: str, seconds: int, folder: Path) -> subprocess.CompletedProcess[str]:
    """Fuzzes a target in a separate process; returns exit code 0 without findings.

    An input that fails is written to the folder.
    """
    command = [sys.executable, "-m", "tests.fuzz", target, "--seconds", str(seconds), "--here", f"--findings={folder}"]
    return subprocess.run(
        command, cwd=_ROOT, capture_output=True, text=True, errors="replace", check=False, timeout=seconds + 120
    )


def main() -> int:
    """Returns the exit code: 1 if a target found something."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target", nargs="?", help="one of the folders of corpus/; all of them by default")
    parser.add_argument("files", nargs="*", help="inputs to run once, without fuzzing")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together (60)")
    parser.add_argument("--findings", type=Path, default=Path(), help="the folder for inputs that fail (this one)")
    parser.add_argument("--here", action="store_true", help="fuzz in this process")
    arguments = parser.parse_args()
    names = sorted(folder.name for folder in CORPUS.iterdir())
    if arguments.target and arguments.target not in names:
        parser.error(f"no target {arguments.target}: it is one of {', '.join(names)}")
    if arguments.files:
        return _run_files(arguments.target, arguments.files)
    if arguments.here:
        return _fuzz_here(arguments.target, arguments.seconds, arguments.findings)
    chosen = [arguments.target] if arguments.target else names
    failed = 0
    for name in chosen:
        done = fuzz(name, max(arguments.seconds // len(chosen), 1), arguments.findings.resolve())
        print(f"{name}: {'nothing found' if done.returncode == 0 else 'FOUND'}", flush=True)
        if done.returncode != 0:
            print(done.stdout[-2000:] + done.stderr[-6000:], flush=True)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
