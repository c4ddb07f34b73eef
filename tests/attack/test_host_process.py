"""The library does not change process-wide state, which belongs to the program that uses the library."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import dsops
from dsops.errors import SandboxUnavailable
from dsops.startup import NamedTuple
from dsops.testing.process import SandboxProcess
from tests.children import wait_for

if TYPE_CHECKING:
    from dsops.testing import LocalAws

ROOT = Path(dsops.__file__).parent

CONFIG = """
version: 1
secretStores:
  reader: {type: aws.sts, region: us-east-1, role_arn: "ROLE", role_session_name: host}
  secrets: {type: aws.secretsmanager, region: us-east-1, credentials_from: reader}
envs:
  production:
    TOKEN: {from: {store: secrets, key: prod/token}}
"""

HOST = '''
import atexit, ctypes, faulthandler, gc, json, locale, logging, os, re, resource, signal, socket, sys, threading
import warnings

signal.signal(signal.SIGTERM, signal.SIG_IGN)   # a host has settings of its own
gc.set_threshold(801, 11, 12)
atexit.register(print, end="")
umask = os.umask(0o027)
functions = {(module, name): getattr(module, name) for module in (re, os, socket, threading) for name in dir(module)}


def snapshot():
    mask = os.umask(0o027)
    os.umask(mask)
    return {
        "functions": [f"{module.__name__}.{name}" for module in (re, os, socket, threading) for name in dir(module)
                      if getattr(module, name) is not functions.get((module, name))],
        "garbage collector": [gc.get_threshold(), gc.isenabled(), gc.get_freeze_count(), len(gc.callbacks)],
        "signal handlers": {str(number): str(signal.getsignal(number)) for number in signal.valid_signals()},
        "signal mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())),
        "wake-up descriptor": wakeup(),
        "environment": dict(os.environ),
        "working folder": os.getcwd(),
        "umask": mask,
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource)
                   if name.startswith("RLIMIT_")},
        "warnings": [str(each) for each in warnings.filters],
        "logging": [logging.root.level, len(logging.root.handlers), logging.raiseExceptions, logging.root.disabled,
                    str(logging.getLoggerClass())],
        "locale": locale.setlocale(locale.LC_ALL),
        "import path": [sys.path[:], [str(each) for each in sys.meta_path], [str(each) for each in sys.path_hooks]],
        "exit functions": atexit._ncallbacks(),
        "interpreter": [sys.getrecursionlimit(), sys.getswitchinterval(), str(sys.excepthook),
                        str(sys.unraisablehook), str(threading.excepthook), str(sys.gettrace()), str(sys.displayhook),
                        sys.dont_write_bytecode, faulthandler.is_enabled(), str(socket.getdefaulttimeout())],
        "streams": [str(sys.stdin), str(sys.stdout), str(sys.stderr)],
        "process": [os.getpgrp(), os.getsid(0), os.nice(0)],
        "dumpable": ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) if sys.platform == "linux" else 1,  # PR_GET_DUMPABLE
    }


def wakeup():
    descriptor = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(descriptor)
    return descriptor


errors, is_over, rounds = [], threading.Event(), [0]


def compile_for_ever():
    while not is_over.is_set():
        try:
            found = re.compile(b"(a+)%d" % (rounds[0] % 40))
            re.compile(found)
            assert isinstance(found, re.Pattern), type(found)
        except BaseException as error:
            errors.append(repr(error))
        rounds[0] += 1


def use(threads):
    """Imports the library while other threads run (or none), and uses it."""
    workers = [threading.Thread(target=compile_for_ever, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    import dsops
    secrets = dsops.open().secrets("production")
    assert secrets["TOKEN"].reveal() == "invented-value"
    callers = [threading.Thread(target=dsops.open().credentials, args=("reader",)) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    is_over.set()
    for worker in workers:
        worker.join()


before = snapshot()
use(int(sys.argv[1]))
after = snapshot()
changed = {name: [before[name], after[name]] for name in before if before[name] != after[name]}
ours = sorted(name for name in sys.modules if name.partition(".")[0] == "dsops")
print(json.dumps({"changed": changed, "errors": errors[:3], "rounds": rounds[0], "modules": ours}, default=str))
'''


class Told(NamedTuple):
    """The state that a host program reports after it has used the library."""

    changed: dict[str, object]
    errors: list[str]
    rounds: int
    modules: list[str]


def used_in_a_host(sandbox: LocalAws, folder: Path, threads: int) -> Told:
    """Run a program that uses the library while this many threads compile patterns."""
    account = sandbox.account()
    from dsops.testing import allow, trust

    role = account.add_role("Reader", trust=trust(account.root_arn), policies=[allow("secretsmanager:*")])
    account.add_secret("prod/token", "invented-value")
    (folder / "dsops.yaml").write_text(CONFIG.replace("ROLE", role))
    (folder / "host.py").write_text(HOST)
    environ = sandbox.environment(environ={"PATH": os.environ["PATH"], "HOME": str(folder), "DSOPS_AUDIT": "off"})
    environ["DSOPS_CONFIG"] = str(folder / "dsops.yaml")
    done = subprocess.run(
        [sys.executable, "host.py", str(threads)],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    return Told(**json.loads(done.stdout))


def test_a_host_with_threads_is_as_it_was(sandbox: LocalAws, tmp_path: Path) -> None:
    """While the library is used, other threads compile patterns correctly, and process-wide state stays unchanged."""
    result_text = used_in_a_host(sandbox, tmp_path, threads=2)
    assert result_text.rounds > 100
    assert (result_text.errors, result_text.changed) == ([], {})


def test_a_host_without_threads_is_as_it_was(sandbox: LocalAws, tmp_path: Path) -> None:
    """Using the library leaves a single-threaded host process unchanged."""
    result_text = used_in_a_host(sandbox, tmp_path, threads=0)
    assert (result_text.errors, result_text.changed) == ([], {})


OWN = {
    "__main__.py": "the command",
    "access/facts/memory.py": "the command, while it reads a large organization",
    "agent/client.py": "the command: its own environment as the agent gets it, signals before it becomes the child",
    "agent/start.py": "the command, and the child that becomes the agent",
    "aws/identity/ambient_child.py": "the child that looks for base credentials",
    "audit/sender.py": "the sender, a process of its own",
    "agent/process.py": "the agent",
    "cli/framework/open_choice.py": "the command, until its user has chosen from a list",
    "cli/framework/output.py": "the command, whose standard error is gone",
    "cli/framework/picker/list_box.py": "the command, while its user chooses from a list",
    "cli/framework/prompt.py": "the command, while it asks on the terminal",
    "cli/run/guard_ask.py": "the command, while it asks about a request of the program that it guards",
    "cli/sandbox/sandbox.py": "the sandbox's server",
    "cli/secrets/editor.py": "the command, while an editor runs",
    "sandbox/control/login_browser.py": "the child that opens a browser",
    "cli/framework/termination.py": "the command",
    "dumps.py": "the command, and children of ours: only their entry points call it",
    "functions/bootstrap.py": "the process of a function of the sandbox",
    "functions/child.py": "the process of a function of the sandbox",
    "process/__init__.py": "the command, before it becomes the child",
    "process/private.py": "the command",
    "process/signals.py": "the command, while it watches a child",
    "process/terminal.py": "the command, while it watches a child",
    "process/watch.py": "the command, while it watches a child",
    "process/windows.py": "the command on Windows, while the child runs",
    "sandbox/state/fence.py": "the sandbox's server",
    "sandbox/state/handlers.py": "the sandbox's server",
    "sandbox/http/loop.py": "the sandbox's server",
    "testing/child.py": "the process of a test suite's sandbox",
}
"""Files that change process-wide state, and the process in which they run."""

CHANGES = (
    "atexit.register",
    "gc.disable",
    "gc.enable",
    "gc.freeze",
    "gc.set_threshold",
    "locale.setlocale",
    "logging.basicConfig",
    "logging.disable",
    "logging.setLoggerClass",
    "os.chdir",
    "os.environ.clear",
    "os.environ.pop",
    "os.environ.setdefault",
    "os.environ.update",
    "os.fchdir",
    "os.nice",
    "os.putenv",
    "os.setpgid",
    "os.setpgrp",
    "os.setsid",
    "os.umask",
    "os.unsetenv",
    "resource.setrlimit",
    "signal.pthread_sigmask",
    "signal.set_wakeup_fd",
    "signal.signal",
    "_signal.signal",
    "signal.siginterrupt",
    "socket.setdefaulttimeout",
    "sys.meta_path.insert",
    "sys.path.append",
    "sys.path.insert",
    "sys.path_hooks.append",
    "sys.setrecursionlimit",
    "sys.setswitchinterval",
    "sys.addaudithook",
    "threading.settrace",
    "warnings.filterwarnings",
    "warnings.simplefilter",
)


LAST_NAMES = {name.rpartition(".")[2] for name in CHANGES}


def last_name(function: ast.expr) -> str:
    """The name after the last dot of what is called; "" if it is not a name. `ast.unparse` takes much longer."""
    return str(getattr(function, "attr", getattr(function, "id", "")))


def what_it_changes(path: Path) -> list[str]:
    """Process-wide changes in a file: calls that make them, and assignments to standard modules."""
    collected = []
    tree = ast.parse(path.read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and last_name(node.func) in LAST_NAMES and ast.unparse(node.func) in CHANGES:
            collected.append(ast.unparse(node.func))
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for text in (ast.unparse(target) for target in targets if isinstance(target, ast.Attribute | ast.Subscript)):
            module, dot, _ = text.partition(".")
            collected += [text] if dot and module in imported & sys.stdlib_module_names else []
    return collected


def test_only_processes_of_our_own_are_changed(sandbox: LocalAws, tmp_path: Path) -> None:
    """Modules that change process-wide state run only in dsops' own processes, and no host program imports them."""
    changing = {str(path.relative_to(ROOT)) for path in ROOT.rglob("*.py") if what_it_changes(path)}
    assert sorted(changing) == sorted(OWN)
    names = {f"dsops.{name.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}" for name in OWN}
    in_a_program = set(used_in_a_host(sandbox, tmp_path, threads=0).modules)
    assert in_a_program & names == set()


FORKING_HOST = '''
import http.server, json, os, pathlib, signal, threading
import dsops

ANSWER = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser>
<AssumedRoleId>AROAINVENTED:host</AssumedRoleId><Arn>arn:aws:sts::029608264753:assumed-role/Reader/host</Arn>
</AssumedRoleUser><Credentials><AccessKeyId>ASIAQNZGKIQY56JQ7WML</AccessKeyId><SecretAccessKey>invented</SecretAccessKey>
<SessionToken>invented</SessionToken><Expiration>2100-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>
</AssumeRoleResponse>"""
asked, may_answer = threading.Semaphore(0), threading.Event()


class Service(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        asked.release()
        may_answer.wait(30)
        self.send_response(200)
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=server.serve_forever, daemon=True).start()
keys = {"AWS_ACCESS_KEY_ID": "AKIAQNZGKIQY56JQ7WML", "AWS_SECRET_ACCESS_KEY": "invented"}
home, url = os.environ["HOME"], f"http://127.0.0.1:{server.server_address[1]}"
library = dsops.open("dsops.yaml", {"HOME": home, "AWS_ENDPOINT_URL_STS": url, **keys})
other = threading.Thread(target=library.credentials, args=("reader",))
other.start()
asked.acquire()
child = os.fork()  # while the other thread is getting the session
if not child:
    signal.alarm(20)
    may_answer.set()
    library.credentials("reader")
    os._exit(0)
asked.acquire()
may_answer.set()
status = os.waitpid(child, 0)[1]
other.join()
[trail] = pathlib.Path(home).rglob("audit.jsonl")
told = [json.loads(line)["additionalEventData"] for line in trail.read_text().splitlines()]
runs = {each["pid"]: each["run"] for each in told}
print(json.dumps([status, sorted(runs) == sorted([os.getpid(), child]), len(set(runs.values())), len(told)]))
'''


def test_a_child_that_is_forked_waits_for_no_thread_of_its_parent(tmp_path: Path) -> None:
    """A forked child does not wait for locks of its parent's threads, and its log records have its own process id."""
    role = "arn:aws:iam::029608264753:role/Reader"
    (tmp_path / "dsops.yaml").write_text(
        "version: 1\nsecretStores:\n"
        f"  reader: {{type: aws.sts, region: us-east-1, role_arn: '{role}', role_session_name: host}}\n"
        "envs: {production: {A: {literal: a}}}\n"
    )
    (tmp_path / "host.py").write_text(FORKING_HOST)
    done = subprocess.run(
        [sys.executable, "host.py"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert json.loads(done.stdout) == [0, True, 2, 4]


def test_a_forked_child_of_a_test_gets_no_answers_of_its_parent() -> None:
    """A forked child cannot use its parent's sandbox: it gets an error or starts a sandbox of its own."""
    reader, writer = os.pipe()
    with SandboxProcess() as process:
        process.do("open", kind="seed", seed=None, folder="")
        child = os.fork()
        if not child:
            try:
                os.write(writer, json.dumps(as_a_child(process)).encode())
            finally:
                os._exit(0)
        os.close(writer)
        answers = {type(process.do("clock")[0]) for _ in range(50)}
        with open(reader, "rb") as file:
            message_text = file.read()
        wait_for(child)
        assert json.loads(message_text) == ["a forked child process can't control the sandbox of its parent", "3" * 12]
        assert answers == {float}
        assert process.do("account", account_id="")[0] != "3" * 12


def as_a_child(process: SandboxProcess) -> list[str]:
    """The error of a child that uses its parent's sandbox, then the account of the child's own sandbox."""
    message_text = []
    try:
        process.do("account", account_id="3" * 12)
    except SandboxUnavailable as error:
        message_text.append(error.message)
    with process:
        process.do("close")
        process.do("open", kind="seed", seed=None, folder="")
        message_text.append(process.do("account", account_id="3" * 12)[0])
    return message_text
