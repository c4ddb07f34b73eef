"""What the agent does for its clients: the same pipeline as without it, with sessions and connections that stay."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from time import monotonic

from dsops.agent.client import PLAIN, PLAIN_WITH_VALUE
from dsops.agent.metrics import AgentMetrics, Tally
from dsops.agent.request import DECLINE, AgentAnswer, AgentRequest, RequestClient, failed, result
from dsops.arn import is_session_of, parse_arn
from dsops.audit.shared_writer import SharedWriter
from dsops.aws.http.client import Client, make_client
from dsops.cache import CredentialCache
from dsops.cli.framework.command import COMMON, Arguments, Command, parse
from dsops.cli.framework.on_record import LazyJournal, add_failure, add_run, reason_of, write_quietly
from dsops.cli.framework.progress import sentence
from dsops.cli.framework.project import environment_name, plan_named, plan_one_store
from dsops.cli.framework.world import NOTES
from dsops.cli.run import credentials, get
from dsops.cli.run.agent_drivers import Drivers
from dsops.cli.run.agent_words import (
    HOOK,
    SECRETS,
    SESSION,
    credentials_fields,
    secrets_fields,
    session_fields,
    with_who_answered,
)
from dsops.cli.run.exec import COMMAND as EXEC
from dsops.cli.run.exec import environment_of_child
from dsops.config import HOOKED, RUNNING, load
from dsops.config.allow import not_allowed
from dsops.credentials import Credentials
from dsops.errors import DsopsError, MfaRequired, NotAllowed, UsageError
from dsops.model import Config
from dsops.plan import Plan
from dsops.resolve import issue_credentials, resolve
from dsops.runtime import Event, Runtime, random_fraction
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING
from dsops.stores import StoreTypes
from dsops.text import clean

if TYPE_CHECKING:
    from dsops.aws.http.retries import KnownServices

_ANSWERED = {"credentials": credentials.COMMAND, "get": get.COMMAND}
_OF_A_PROCESS = ("/dev/", "/proc/")
_OF_THIS_PROCESS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)

NEEDS_OWN_PROCESS = (
    "DSOPS_TRANSPORT",
    *[flag.variable for flag in (*EXEC.flags, *COMMON) if flag.name not in (*PLAIN, *PLAIN_WITH_VALUE)],
)
"""Variables that ask of an `exec` what only a process of the client's own can do; as flags they never get here."""


Operation = Callable[[AgentRequest, RequestClient, Tally], AgentAnswer]


class SessionKeeper:
    """Sessions and connections, and what may be asked of whoever has them."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self._started = now()
        self.end: Callable[[], None] = lambda: None
        """Ends the server."""
        self._cache = CredentialCache(now, is_of_many=True)
        self._drivers = Drivers()
        self.writer = SharedWriter()
        """Of the clients' audit trails."""
        self.known_services: KnownServices = {}
        """The rate limits that all clients share."""
        self.sandboxes: set[str] = set()
        """Endpoints that a sandbox answers at: what was held from there is known by that."""
        started = self._started.timestamp()
        self.metrics = AgentMetrics(started, lambda: self._count(is_of_sandbox=False), lambda: len(self._cache.values))
        self.sandbox_metrics = AgentMetrics(started, lambda: self._count(is_of_sandbox=True), lambda: 0)
        """Of requests whose calls only sandboxes have answered."""

    def work(self, asked: AgentRequest, caller: RequestClient) -> AgentAnswer:
        """The answer to one request; an error is an answer as well."""
        operations: Mapping[bytes, Operation] = {
            b"exec": self._exec,
            b"answer": self._answer,
            b"secrets": self._secrets,
            b"credentials": self._credentials,
            b"status": self._status,
            b"clear": self._clear,
            b"forget": self._forget,
            b"stop": self._stop,
            b"forget-login": self._forget_login,
            b"metrics": self._metrics,
            b"metrics-port": self._metrics_port,
        }
        operation = operations.get(asked.words[0])
        if operation is None:
            return DECLINE
        begun = monotonic()
        tally = Tally()
        answer = self._carried_out(operation, asked, caller, tally)
        seconds = monotonic() - begun
        tally.add(lambda metrics: metrics.answered(asked.words, answer.kind, seconds))
        tally.count(self.sandbox_metrics if tally.is_of_sandbox() else self.metrics)
        return answer

    def _count(self, *, is_of_sandbox: bool) -> int:
        """How many sessions are held."""
        return sum(held.credentials.is_of_sandbox is is_of_sandbox for held in self._cache.held())

    def _carried_out(
        self, operation: Operation, asked: AgentRequest, caller: RequestClient, tally: Tally
    ) -> AgentAnswer:
        try:
            return operation(asked, caller, tally)
        except DsopsError as error:
            if _is_for_client(error):
                return DECLINE
            told = error
            tally.add(lambda metrics: metrics.fail(told))
            return failed(error)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - the others go on; the message of a bug may hold a value
            if _is_of_this_process(error):
                return DECLINE
            from dsops.cli import as_bug

            bug = as_bug(error)
            tally.add(lambda metrics: metrics.fail(bug))
            return failed(bug)

    # --- what clients ask for ---------------------------------------------------------------------------------

    def _exec(self, asked: AgentRequest, caller: RequestClient, tally: Tally) -> AgentAnswer:
        turn = _Turn(asked, caller, self, tally, tells_notes=True)
        arguments = _parsed(EXEC, turn.words, turn, "exec")
        if arguments is None:
            return DECLINE
        if turn.needs_client(arguments) or turn.needs_own_process():
            return DECLINE
        with turn.on_record(arguments, arguments.name, program=arguments.command[0]):
            plan = turn.plan(arguments)
            secrets = self._resolve(plan, turn, arguments)
            environment = environment_of_child(plan, secrets, arguments, turn.runtime)
            add_run(arguments, turn.runtime, variables=list(secrets))
        return result([name + b"=" + value for name, value in environment.items()])

    def _answer(self, asked: AgentRequest, caller: RequestClient, tally: Tally) -> AgentAnswer:
        """All that a `credentials` or a `get` puts on stdout."""
        turn = _Turn(asked, caller, self, tally, tells_notes=True)
        name, *words = turn.words
        command = _ANSWERED[name]
        arguments = _parsed(command, words, turn, name)
        if arguments is None:
            return DECLINE
        if turn.needs_client(arguments) or turn.needs_own_process():
            return DECLINE
        if name == "get":
            with turn.on_record(arguments, name):
                plan = turn.plan(arguments, arguments.operand("VARIABLE"))
                value = get.present(self._resolve(plan, turn, arguments).get(plan.variables[0].name), plan)
                add_run(arguments, turn.runtime, variables=[plan.variables[0].name])
            return result([get.text_of(value, plan, as_json=arguments.switch("--json"))])
        if not credentials.is_plain(arguments):
            return DECLINE
        store = arguments.operand("STORE")
        with turn.on_record(arguments, name):
            plan = turn.announced(credentials.planned(arguments, turn.runtime, turn.note))
            issued = self._issue(plan, store, turn, arguments)
            add_run(arguments, turn.runtime, store=store)
        return result([credentials.text_of(store, arguments.text("--format"), issued)])

    def _secrets(self, asked: AgentRequest, caller: RequestClient, tally: Tally) -> AgentAnswer:
        """For a client that does more with the values than becoming a command: its names and values in turn."""
        turn = _Turn(asked, caller, self, tally)
        arguments = parse(SECRETS, turn.words, turn.runtime.environ)
        if turn.needs_client(arguments):
            return DECLINE
        with turn.on_record(arguments, arguments.text("--by"), run=arguments.text("--run")):
            secrets = self._resolve(turn.plan(arguments, arguments.operand("VARIABLE")), turn, arguments)
        return result(with_who_answered(turn.journal, secrets_fields(secrets)))

    def _credentials(self, asked: AgentRequest, caller: RequestClient, tally: Tally) -> AgentAnswer:
        turn = _Turn(asked, caller, self, tally)
        arguments = parse(SESSION, turn.words, turn.runtime.environ)
        if turn.needs_client(arguments):
            return DECLINE
        store = arguments.operand("STORE")
        with turn.on_record(arguments, arguments.text("--by"), run=arguments.text("--run")):
            issued = self._issue(turn.plan_of_store(arguments, store), store, turn, arguments)
        return result(with_who_answered(turn.journal, credentials_fields(issued)))

    def _status(self, _asked: AgentRequest, _caller: RequestClient, _tally: Tally) -> AgentAnswer:
        now = self.now()
        started = self._started.strftime("%Y-%m-%dT%H:%M:%SZ")
        numbers = [str(os.getpid()).encode(), str(len(self._cache.values)).encode(), started.encode()]
        return result([*numbers, *[session_fields(held, now) for held in self._cache.held()]])

    def _clear(self, _asked: AgentRequest, _caller: RequestClient, _tally: Tally) -> AgentAnswer:
        self._cache.clear()
        return result([])

    def _forget(self, asked: AgentRequest, _caller: RequestClient, _tally: Tally) -> AgentAnswer:
        """Forgets the sessions of one role, which have been revoked; answers how many it held."""
        role = parse_arn(asked.words[1].decode())
        if role is None:
            return DECLINE
        return result([b"%d" % self._cache.forget(lambda held: is_session_of(held.arn, role))])

    def _forget_login(self, asked: AgentRequest, _caller: RequestClient, _tally: Tally) -> AgentAnswer:
        """Forgets the sessions that came of a login which has ended, hop by hop; answers how many it held."""
        source = asked.words[1].decode()
        return result([b"%d" % self._cache.forget(lambda held: held.source == source)])

    def _metrics(self, asked: AgentRequest, _caller: RequestClient, _tally: Tally) -> AgentAnswer:
        metrics = self.sandbox_metrics if asked.words[1:] == [b"sandbox"] else self.metrics
        return result([metrics.registry.text().encode()])

    def _metrics_port(self, asked: AgentRequest, _caller: RequestClient, _tally: Tally) -> AgentAnswer:
        """Serves them at a port from now on; answers at which."""
        return result([b"%d" % self.metrics.serve(int(asked.words[1]))])

    def _stop(self, _asked: AgentRequest, _caller: RequestClient, _tally: Tally) -> AgentAnswer:
        self._cache.clear()
        self.end()
        return result([])

    def _issue(self, plan: Plan, store: str, turn: _Turn, arguments: Arguments) -> Credentials:
        min_ttl_seconds = arguments.seconds("--min-ttl")
        return self._drivers.carry_out(
            issue_credentials(plan, store, turn.runtime, turn.client, self._cache, min_ttl_seconds=min_ttl_seconds)
        )

    def _resolve(self, plan: Plan, turn: _Turn, arguments: Arguments) -> Mapping[str, Secret]:
        min_ttl_seconds = arguments.seconds("--min-ttl") if arguments.has("--min-ttl") else None
        return self._drivers.carry_out(
            resolve(plan, turn.runtime, turn.client, self._cache, min_ttl_seconds=min_ttl_seconds)
        )


def _is_for_client(error: BaseException) -> bool:
    """Whether the client may do better: it has a terminal to ask for permission at, and resources of its own."""
    return isinstance(error, NotAllowed) or _is_of_this_process(error)


def _is_of_this_process(error: BaseException) -> bool:
    """Whether the agent has run out of descriptors, processes or memory, of which its client may have some."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or (isinstance(seen, OSError) and seen.errno in _OF_THIS_PROCESS):
            return True
        seen = seen.__cause__
    return False


def _parsed(command: Command, words: Sequence[str], turn: _Turn, name: str) -> Arguments | None:
    """What the words ask for; None where they are wrong: the client's own process lists what there is to name."""
    try:
        return parse(command, words, turn.runtime.environ, name=name)
    except UsageError:
        return None


def _say_nothing(_text: str) -> None:
    return None


class _Turn:
    """One request as the pipeline wants it: the client's world, and the command line's words."""

    def __init__(
        self,
        asked: AgentRequest,
        caller: RequestClient,
        keeper: SessionKeeper,
        tally: Tally,
        *,
        tells_notes: bool = False,
    ) -> None:
        """`tells_notes` where the client makes no plan of its own, and so has told none."""
        self._tells_notes = tells_notes
        self._append = keeper.writer.append
        self._tally = tally
        now = keeper.now
        self.words = [os.fsdecode(word) for word in asked.words[1:]]
        self._caller = caller
        pairs = [os.fsdecode(variable).partition("=") for variable in asked.environ]

        def ask(question: str) -> Secret | None:
            try:
                typed = caller.ask(question)
            except TimeoutError as error:
                tally.add(lambda metrics: metrics.prompts.add(("timeout",)))
                raise MfaRequired(
                    "nobody typed an answer in time", why="others wait for the same", hint="run it again"
                ) from error
            tally.add(lambda metrics: metrics.prompts.add(("nobody" if typed is None else "answered",)))
            return None if typed is None else Secret.from_bytes(typed)

        def report(event: Event) -> None:
            if event.name in NOTES:
                caller.note(f"dsops: note: {sentence(event)}\n")
            elif asked.watches:
                caller.event(event.name, [text for fact in event.facts.items() for text in fact])

        self.runtime = Runtime(
            environ={name: value for name, _, value in pairs},
            now=now,
            ask=ask,
            report=report,
            random=random_fraction,
            folder=os.fsdecode(asked.folder),
            timestamp=now().strftime("%Y%m%dT%H%M%SZ"),
            tell=caller.tell,
            measure=tally.measure,
            has_left=caller.has_left,
        )
        self.client: Client = make_client(
            self.runtime, known_services=keeper.known_services, sandboxes=keeper.sandboxes
        )
        self._watches = asked.watches

    @contextmanager
    def on_record(self, arguments: Arguments, command: str, *, run: str = "", program: str = "") -> Iterator[None]:
        """Has everything that is done inside on the audit trail of whose home it is, before it is over.

        `run` is the client's own, which tells itself what came of it; without one that is told here.
        """
        journal = LazyJournal(
            self.runtime.environ,
            self.runtime.folder,
            self.runtime.now,
            warn=self._warn_unless(run),
            tell=self._tell_person,
            pid=self._caller.pid,
            run=run,
            append=self._append,
        )
        journal.about(command=command, **({"program": program} if program else {}))
        reason = reason_of(arguments)
        if reason:
            journal.about(reason=reason)
        self.journal = journal
        self._tally.is_of_sandbox = lambda: journal.is_of_sandbox is True
        self.runtime = self.runtime._replace(journal=journal, reason=reason)
        self.client = self.client._replace(runtime=self.runtime)
        try:
            yield
        except DsopsError as error:
            if not run and not _is_for_client(error):
                add_failure(command, error, self.runtime)
            write_quietly(self.runtime)
            raise
        except BaseException:
            write_quietly(self.runtime)
            raise
        journal.write()

    def _warn_unless(self, run: str) -> Callable[[str], None]:
        """Warns the client, but for one that writes to the same trail next and warns by itself."""
        return _say_nothing if run else lambda text: self._caller.note(f"dsops: note: {clean(text)}\n")

    def _tell_person(self, text: str) -> None:
        if self._watches:
            self._caller.note(f"dsops: note: {clean(text)}\n")

    def needs_client(self, arguments: Arguments) -> bool:
        """Whether only the client can read its configuration: `--config <(make-one)` is a pipe that is read once.

        /dev/fd/63 and /proc/self mean another thing here.
        """
        named = arguments.text("--config")
        path = os.path.normpath(os.path.join(self.runtime.folder, named))
        return bool(named) and (path.startswith(_OF_A_PROCESS) or (os.path.exists(path) and not os.path.isfile(path)))

    def needs_own_process(self) -> bool:
        """Whether a variable asks for what only a process of the client's own can do."""
        return any(self.runtime.environ.get(name) for name in NEEDS_OWN_PROCESS)

    def plan(self, arguments: Arguments, variable: str = "") -> Plan:
        """What a run of the environment that is meant would do, for the one variable or for all."""
        config = self._config(arguments)
        name = environment_name(config, arguments)
        if variable:
            config = get.only(config, name, variable)
        also = arguments.text("--also") if arguments.has("--also") else ""
        plan = plan_named(config, name, self.runtime, also=also, lasts=bool(also) and arguments.switch("--lasts"))
        self.note(plan.notes)
        return self.announced(plan)

    def plan_of_store(self, arguments: Arguments, store: str) -> Plan:
        """What it takes to get that store's session, as the environment that is named has it."""
        config, lasts, environment = self._config(arguments), arguments.switch("--lasts"), arguments.text("--for")
        if environment:
            plan = plan_named(config, environment, self.runtime, also=store, lasts=lasts)
        else:
            plan = plan_one_store(config, store, self.runtime, shows_notes=False, lasts=lasts)
        self.note(plan.notes)
        return self.announced(plan)

    def announced(self, plan: Plan) -> Plan:
        """The plan, once the client knows whether it may use up a code of an MFA device."""
        if any("serial_number" in step.settings for step in plan.steps.values()):
            self._caller.expect_code()
        return plan

    def _config(self, arguments: Arguments) -> Config:
        environ = self.runtime.environ
        is_hook = arguments.has("--by") and arguments.text("--by") == HOOK
        config = load(
            folder=self.runtime.folder,
            environ=environ,
            named=arguments.text("--config"),
            types=StoreTypes(),
            is_chosen=not (arguments.has("--for-profile") and arguments.text("--for-profile")),
            permission=HOOKED if is_hook else RUNNING,
        )
        if not config.is_allowed:
            raise not_allowed(config.files[0].shown)
        if self.runtime.journal is not None:
            self.runtime.journal.about(config=config.files[0].path)
        self.note(config.notes)
        return config

    def note(self, notes: Iterable[str]) -> None:
        """Tells the client's person, where the client has told nothing itself."""
        for text in notes if self._tells_notes else ():
            self._caller.note(f"dsops: note: {clean(text)}\n")
