"""`dsops edit`: change a secret in the user's editor, in a file that is in memory only."""

from __future__ import annotations

from dsops.cli.framework.command import Arguments, Command, Flag
from dsops.cli.framework.output import note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.framework.termination import ends_tidily
from dsops.cli.secrets.editor import EditedFile, find_editor
from dsops.cli.secrets.target import (
    DRY_RUN,
    EXPECT,
    FLAGS,
    KEY,
    STORE,
    Target,
    answer_version,
    open_target,
    plan_target,
    show_calls,
)
from dsops.errors import DsopsError, UsageError
from dsops.pipeline.execution import carry_out
from dsops.pipeline.journal import record_run
from dsops.runtime import Runtime
from dsops.secret_editing import editor_text, memory_folder
from dsops.stores.writing.writable_secret import CurrentVersion

_ON_DISK = "--on-disk"


def _run(arguments: Arguments, runtime: Runtime) -> int:
    plan = plan_target(arguments, runtime)
    if arguments.switch(DRY_RUN.name):
        return show_calls(plan, "edit", arguments)
    editor, folder = find_editor(runtime.environ), _folder(arguments, runtime)
    target = open_target(plan, arguments, runtime)
    current = target.current(runtime, arguments.text(EXPECT.name))
    version = _edit(target, current, editor, folder, runtime)
    runtime.report(DONE)
    if version == current.version:
        note(f"{target.place(current)} is unchanged; nothing was written")
    else:
        record_run(arguments.name, runtime, store=target.store, secret=target.key, version=version)
    text = f"version {version} of {target.place(current)} is current"
    answer_version(target, text, {"version": version, "previous": current.version}, arguments)
    return 0


def _folder(arguments: Arguments, runtime: Runtime) -> str:
    """Return the folder for the edited file. Raises UsageError without a tmpfs, unless `--on-disk` is set."""
    folder = memory_folder(runtime.environ)
    if folder:
        return folder
    if arguments.switch(_ON_DISK):
        return runtime.environ.get("TMPDIR") or "/tmp"  # noqa: S108 (the file gets a private folder in it)
    raise UsageError(
        "there is no memory-backed folder (tmpfs) for the file that the editor opens",
        why="XDG_RUNTIME_DIR and /dev/shm are not tmpfs; on a disk, a deleted file can stay readable",
        hint=f"`{_ON_DISK}` allows a temporary file on the disk; `dsops set` needs no file",
    )


def _edit(target: Target, current: CurrentVersion, editor: list[str], folder: str, runtime: Runtime) -> str:
    """Let the user edit the value and write it; return the new version, or the current version if nothing changed."""
    old = carry_out(target.secret.read(current.version), runtime).value
    shown = editor_text(old)
    runtime.report(DONE)
    with ends_tidily(), EditedFile(folder, shown.text) as file:
        edited = file.edit(editor, runtime.environ)
        if edited == shown.text:
            return current.version
        try:
            value = shown.value_of(edited)
            return (
                current.version if value == old else carry_out(target.secret.replace(value, current.version), runtime)
            )
        except DsopsError as error:
            file.keep()
            hint = f"your text is in {file.path}; delete it with `rm -r {file.folder}` when you are done"
            error.retell(error.message, hint=f"{error.hint}; {hint}" if error.hint else hint)
            raise


COMMAND = Command(
    help=(
        "Open the value of a secret or parameter in $VISUAL or $EDITOR, and write what was saved.\n"
        "\n"
        "The editor opens a file in memory (XDG_RUNTIME_DIR or /dev/shm) that no other user can read and that\n"
        "is removed at the end. A JSON object on one line is shown indented, and stored on one line again.\n"
        "Nothing is written if the text is unchanged or the editor fails. If another client has changed\n"
        "the secret meanwhile, nothing is written either, and the error says where your text is."
    ),
    run=_run,
    is_audited=True,
    flags=(
        *FLAGS,
        EXPECT,
        Flag(_ON_DISK, "allow a temporary file on the disk if there is no memory-backed folder (tmpfs)", "switch"),
        DRY_RUN,
    ),
    operands=(STORE, KEY),
)
