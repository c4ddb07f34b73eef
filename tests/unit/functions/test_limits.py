"""A function has its own files, no network but the sandbox, and bounds that the kernel enforces."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator

import pytest

from dsops.errors import SandboxUnavailable
from dsops.functions.host import LocalHost
from tests.functions import package, run_once, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "functions run here")

MOST_PROCESSES = 20


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    """A host that allows 20 processes to each function, and serves nothing at the endpoint."""
    local = LocalHost(MOST_PROCESSES)
    local.connect(lambda listener: listener.close)
    yield local
    local.close()


def test_a_function_has_only_what_lambda_gives_it(host: LocalHost) -> None:
    """It has no environment, no files and no rights of the user; its package is read-only, and /tmp is its own."""
    code = """
import os, socket
def tried(work):
    try: work()
    except OSError as error: return error.strerror
def handler(event, context):
    open("/tmp/own", "w").write("x")
    status = open("/proc/self/status").read()
    return {
        "names": sorted(os.environ),
        "folders": sorted(set(os.listdir("/")) & {"home", "root", "work", "mnt", "srv"}),
        "write": tried(lambda: open("/var/task/x", "w")),
        "network": tried(lambda: socket.create_connection(("192.0.2.1", 80), 5)),
        "capabilities": status.split("CapEff:")[1].split()[0].strip("0"),
        "is_root": os.getuid() == 0,
        "tmp": os.listdir("/tmp"),
        "event": event,
        "milliseconds": context.get_remaining_time_in_millis() > 0,
    }
"""
    os.environ["DSOPS_TEST_SECRET"] = "of the parent"
    try:
        seen = json.loads(run_once(host, code).payload)
    finally:
        del os.environ["DSOPS_TEST_SECRET"]
    assert "DSOPS_TEST_SECRET" not in seen["names"]
    assert {"LAMBDA_TASK_ROOT", "AWS_ENDPOINT_URL", "_HANDLER"} <= set(seen["names"])
    assert seen["write"] == "Read-only file system"
    assert seen["network"] == "Network is unreachable"
    assert (seen["capabilities"], seen["is_root"]) == ("", False)
    assert (seen["tmp"], seen["event"], seen["milliseconds"]) == (["own"], {"a": 1}, True)
    assert not {"home", "work", "mnt", "srv"} & set(seen["folders"])


@pytest.mark.parametrize("attempts", [60])
def test_a_function_can_fork_only_so_often(host: LocalHost, attempts: int) -> None:
    """The kernel refuses a process above the limit, also if dsops runs as root, and kills what is left at the end."""
    code = f"""
import os, time
def handler(event, context):
    made = refused = 0
    for _ in range({attempts}):
        try: child = os.fork()
        except BlockingIOError: refused += 1; continue
        if child == 0:
            time.sleep(600)
            os._exit(0)
        made += 1
    return [made, refused]
"""
    made, refused = json.loads(run_once(host, code).payload)
    # The first process of the namespace counts too, unless dsops runs as root.
    assert made in {MOST_PROCESSES - 1, MOST_PROCESSES - 2}
    assert made + refused == attempts


def test_a_function_that_does_not_end_is_killed(host: LocalHost) -> None:
    """The error is Lambda's, and names the timeout."""
    result = run_once(host, "import time\nprint('begun')\ndef handler(e, c): time.sleep(600)", timeout_seconds=1)
    assert result.error == "Unhandled"
    assert "Task timed out after 1.00 seconds" in json.loads(result.payload)["errorMessage"]
    assert "begun" in result.log


def test_a_function_is_in_its_own_process_group(host: LocalHost) -> None:
    """`kill(0, SIGSTOP)` would stop the process that kills the function at its timeout, across PID namespaces."""
    code = "import os\ndef handler(e, c): return [os.getpid(), os.getpgrp(), os.getsid(0)]"
    assert json.loads(run_once(host, code).payload) == [1, 1, 1]


def test_a_function_enters_no_user_namespace(host: LocalHost) -> None:
    """It would have all capabilities there, and could mount a file system whose size nothing bounds."""
    code = """
import ctypes, os
def handler(e, c):
    made = ctypes.CDLL(None, use_errno=True).unshare(0x10000000)
    return [made, os.strerror(ctypes.get_errno())]
"""
    assert json.loads(run_once(host, code).payload) == [-1, "No space left on device"]


def test_a_result_that_is_not_from_the_bootstrap_ends_no_thread(host: LocalHost) -> None:
    """JSON that is too deep for Python's parser is the function's error, and the next function runs."""
    code = "import os, sys\ndef handler(e, c): os.write(int(sys.argv[2]), b'[' * 60_000 + b'\\n'); os._exit(0)"
    assert run_once(host, code).error == "Unhandled"
    assert all(thread.is_alive() for thread in host._threads)


def test_a_variable_that_no_process_can_have_is_named(host: LocalHost) -> None:
    """The log has the reason, and no traceback of the sandbox."""
    result = run_once(host, "def handler(e, c): pass", handler="a\0b.c")
    assert result.error == "Unhandled"
    assert "embedded null byte" in result.log
    assert "Traceback" not in result.log


def test_a_failure_of_the_sandbox_ends_no_thread(host: LocalHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """The invocation has an error without details, and the thread runs the next function."""

    def fail(_: str) -> None:
        raise LookupError("of the sandbox")

    monkeypatch.setattr("dsops.functions.host.find_interpreter", fail)
    result = run_once(host, "def handler(e, c): pass")
    assert (json.loads(result.payload)["errorType"], "of the sandbox" in result.log) == ("Runtime.Unknown", False)
    assert all(thread.is_alive() for thread in host._threads)


@pytest.mark.parametrize(
    "code",
    [
        "def handler(e, c):\n kept = []\n for _ in range(40): kept.append(bytearray(b'x' * (10 << 20)))\n return 1",
        "import mmap\ndef handler(e, c):\n m = mmap.mmap(-1, 999 << 20)\n for i in range(0, 999 << 20, 9): m[i] = 1",
    ],
    ids=["own", "shared"],
)
def test_a_function_that_eats_memory_is_killed(host: LocalHost, code: str) -> None:
    """Memory that is shared counts, too."""
    result = run_once(host, code, memory_mb=128)
    assert json.loads(result.payload)["errorType"] == "Runtime.ExitError"


def test_what_a_function_writes_is_bounded(host: LocalHost) -> None:
    """The log is cut, and a response above Lambda's limit is an error."""
    code = "def handler(e, c):\n for _ in range(3000): print('z' * 1000)\n return 'k' * 7_000_000"
    result = run_once(host, code)
    assert json.loads(result.payload)["errorType"] == "Function.ResponseSizeTooLarge"
    assert 1_000_000 < len(result.log) < 1_100_000


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("def other(e, c): pass", "Runtime.HandlerNotFound"),
        ("import missing_module", "Runtime.ImportModuleError"),
        ("def handler(:", "Runtime.UserCodeSyntaxError"),
        ("def handler(e, c): return {1, 2}", "Runtime.MarshalError"),
        ("def handler(e, c): raise KeyError('order')", "KeyError"),
        ("import os\ndef handler(e, c): os._exit(3)", "Runtime.ExitError"),
    ],
)
def test_errors_of_a_function_are_lambdas(host: LocalHost, code: str, error: str) -> None:
    """An exception, a missing handler and a process that ends have the types that Lambda reports."""
    result = run_once(host, code)
    assert (result.error, json.loads(result.payload)["errorType"]) == ("Unhandled", error)


def test_a_layer_is_in_opt(host: LocalHost) -> None:
    """A module of a layer can be imported."""
    layer = package("value = 7", "python/shared.py")
    result = run_once(host, "import shared\ndef handler(e, c): return shared.value", layers=(layer,))
    assert (result.payload, result.error) == (b"7", "")


def test_a_package_that_leaves_its_folder_does_not_run(host: LocalHost) -> None:
    """The result names the file."""
    result = run_once(host, "def handler(e, c): pass", name="../app.py")
    assert json.loads(result.payload)["errorType"] == "InvalidZipFileException"
    assert "leaves the package" in json.loads(result.payload)["errorMessage"]


def test_other_runtimes_are_named(host: LocalHost) -> None:
    """The reason names the runtime."""
    assert "the runtime is java21" in host.why_not("java21")
    assert host.why_not("python3.12") == ""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on the PATH")
@pytest.mark.parametrize(
    ("name", "code", "payload"),
    [
        ("app.js", "exports.handler = async (event) => ({a: event.a + 1})", {"a": 2}),
        ("app.mjs", "export const handler = (event, context, done) => done(null, context.functionName)", "f"),
        ("app.mjs", "export const handler = async () => { throw new TypeError('no') }", "TypeError"),
    ],
    ids=["promise", "callback", "error"],
)
def test_node_functions_run(host: LocalHost, name: str, code: str, payload: object) -> None:
    """Handlers in CommonJS and as modules return their values."""
    result = run_once(host, code, name=name, runtime="nodejs22.x")
    found = json.loads(result.payload)
    assert payload == (found["errorType"] if result.error else found)


def test_functions_end_with_the_host() -> None:
    """A function that is running is killed when the sandbox ends."""
    host = LocalHost()
    host.connect(lambda listener: listener.close)
    code = "def handler(e, c): return 1"
    assert run_once(host, code).payload == b"1"
    host.close()
    assert not any(thread.is_alive() for thread in host._threads)


@pytest.mark.parametrize("why", ["platform", "memory"])
def test_where_functions_cannot_be_bounded_none_runs(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    """The sandbox does not start on another system, or where the memory of processes can't be measured."""
    if why == "platform":
        monkeypatch.setattr("sys.platform", "darwin")
    else:
        monkeypatch.setattr("dsops.functions.host.is_measurable", lambda: False)
    with pytest.raises(SandboxUnavailable, match="can't be isolated on this machine"):
        LocalHost()
