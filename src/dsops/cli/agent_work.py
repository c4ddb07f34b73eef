"""What the agent does for its clients: the same pipeline as without it, with sessions and connections that stay."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from time import monotonic

from dsops.agent.client import PLAIN, PLAIN_WITH_VALUE
from dsops.agent.metrics import AgentMetrics
from dsops.agent.request import DECLINE, Answer, Asked, Caller, failed, result
from dsops.arn import is_session_of, parse_arn
from dsops.aws.client import Client, make_client
from dsops.cache import CredentialCache
from dsops.cli import credentials, get
from dsops.cli.agent_drivers import Drivers
from dsops.cli.agent_words import (
    HOOK,
    SECRETS,
    SESSION,
    credentials_fields,
    secrets_fields,
    session_fields,
)
from dsops.cli.command import COMMON, Arguments, parse
from dsops.cli.exec import COMMAND as EXEC
from dsops.cli.exec import environment_of_child
from dsops.cli.on_record import LazyJournal, add_failure, add_run, reason_of, write_quietly
from dsops.cli.output import clean
from dsops.cli.progress import sentence
from dsops.cli.project import environment_name, plan_named, plan_one_store
from dsops.cli.world import NOTES
from dsops.config import HOOKED, RUNNING, load
from dsops.config.allow import not_allowed
from dsops.credentials import Credentials
from dsops.errors import DsopsError, MfaRequired, NotAllowed
from dsops.model import Config
from dsops.plan import Plan
from dsops.resolve import issue_credentials, resolve
from dsops.runtime import Event, Runtime, random_fraction
from dsops.secret import Secret
from dsops.stores import StoreTypes

_ANSWERED = {"credentials": credentials.COMMAND, "get": get.COMMAND}
_OF_A_PROCESS = ("/dev/", "/proc/")
_OF_THIS_PROCESS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)

NEEDS_OWN_PROCESS = (
    "DSOPS_TRANSPORT",
    *[flag.variable for flag in (*EXEC.flags, *COMMON) if flag.name not in (*PLAIN, *PLAIN_WITH_VALUE)],
)
"""Variables that ask of an `exec` what only a process of the client's own can do; as flags they never get here."""


Operation = Callable[[Asked, Caller], Answer]


class Keeper:
    """Sessions and connections, and what may be asked of whoever has them."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._started = now()
        self.end: Callable[[], None] = lambda: None
        """Ends the server."""
        self._cache = CredentialCache(now, is_of_many=True)
        self._drivers = Drivers()
        self.metrics = AgentMetrics(
            self._started.timestamp(), lambda: len(self._cache.held()), lambda: len(self._cache.values)
        )

    def work(self, asked: Asked, caller: Caller) -> Answer:
        """The answer to one request; an error is an answer as well."""
        operations: Mapping[bytes, Operation] = {
            b"exec": self._exec, b"answer": self._answer, b"secrets": self._secrets, b"credentials": self._credentials,
            b"status": self._status, b"clear": self._clear, b"forget": self._forget, b"stop": self._stop,
            b"forget-login": self._forget_login, b"metrics": self._metrics, b"metrics-port": self._metrics_port,
        }  # fmt: skip
        operation = operations.get(asked.words[0])
        if operation is None:
            return DECLINE
        begun = monotonic()
        answer = self._carried_out(operation, asked, caller)
        self.metrics.answered(asked.words, answer.kind, monotonic() - begun)
        return answer

    def _carried_out(self, operation: Operation, asked: Asked, caller: Caller) -> Answer:
        try:
            return operation(asked, caller)
        except DsopsError as error:
            if _is_for_client(error):
                return DECLINE
            self.metrics.fail(error)
            return failed(error)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - the others go on; the message of a bug may hold a value
            if _is_of_this_process(error):
                return DECLINE
            from dsops.cli import as_bug

            bug = as_bug(error)
            self.metrics.fail(bug)
            return failed(bug)

    # --- what clients ask for ---------------------------------------------------------------------------------

    def _exec(self, asked: Asked, caller: Caller) -> Answer:
        turn = _Turn(asked, caller, self._now, self.metrics, tells_notes=True)
        arguments = parse(EXEC, turn.words, turn.runtime.environ, name="exec")
        if turn.needs_client(arguments) or turn.needs_own_process():
            return DECLINE
        with turn.on_record(arguments, arguments.name, program=arguments.command[0]):
            plan = turn.plan(arguments)
            secrets = self._resolve(plan, turn, arguments)
            environment = environment_of_child(plan, secrets, arguments, turn.runtime)
            add_run(arguments, turn.runtime, variables=list(secrets))
        return result([name + b"=" + value for name, value in environment.items()])

    def _answer(self, asked: Asked, caller: Caller) -> Answer:
        """All that a `credentials` or a `get` puts on stdout."""
        turn = _Turn(asked, caller, self._now, self.metrics, tells_notes=True)
        name, *words = turn.words
        command = _ANSWERED[name]
        arguments = parse(command, words, turn.runtime.environ, name=name)
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
            plan = credentials.planned(arguments, turn.runtime, turn.note)
            issued = self._issue(plan, store, turn, arguments)
            add_run(arguments, turn.runtime, store=store)
        return result([credentials.text_of(store, arguments.text("--format"), issued)])

    def _secrets(self, asked: Asked, caller: Caller) -> Answer:
        """For a client that does more with the values than becoming a command: its names and values in turn."""
        turn = _Turn(asked, caller, self._now, self.metrics)
        arguments = parse(SECRETS, turn.words, turn.runtime.environ)
        if turn.needs_client(arguments):
            return DECLINE
        with turn.on_record(arguments, arguments.text("--by"), run=arguments.text("--run")):
            secrets = self._resolve(turn.plan(arguments, arguments.operand("VARIABLE")), turn, arguments)
        return result(secrets_fields(secrets))

    def _credentials(self, asked: Asked, caller: Caller) -> Answer:
        turn = _Turn(asked, caller, self._now, self.metrics)
        arguments = parse(SESSION, turn.words, turn.runtime.environ)
        if turn.needs_client(arguments):
            return DECLINE
        store = arguments.operand("STORE")
        with turn.on_record(arguments, arguments.text("--by"), run=arguments.text("--run")):
            issued = self._issue(turn.plan_of_store(arguments, store), store, turn, arguments)
        return result(credentials_fields(issued))

    def _status(self, _asked: Asked, _caller: Caller) -> Answer:
        now = self._now()
        started = self._started.strftime("%Y-%m-%dT%H:%M:%SZ")
        numbers = [str(os.getpid()).encode(), str(len(self._cache.values)).encode(), started.encode()]
        return result([*numbers, *[session_fields(held, now) for held in self._cache.held()]])

    def _clear(self, _asked: Asked, _caller: Caller) -> Answer:
        self._cache.clear()
        return result([])

    def _forget(self, asked: Asked, _caller: Caller) -> Answer:
        """Forgets the sessions of one role, which have been revoked; answers how many it held."""
        role = parse_arn(asked.words[1].decode())
        if role is None:
            return DECLINE
        return result([b"%d" % self._cache.forget(lambda held: is_session_of(held.arn, role))])

    def _forget_login(self, asked: Asked, _caller: Caller) -> Answer:
        """Forgets the sessions that came of a login which has ended, hop by hop; answers how many it held."""
        source = asked.words[1].decode()
        return result([b"%d" % self._cache.forget(lambda held: held.source == source)])

    def _metrics(self, _asked: Asked, _caller: Caller) -> Answer:
        return result([self.metrics.registry.text().encode()])

    def _metrics_port(self, asked: Asked, _caller: Caller) -> Answer:
        """Serves them at a port from now on; answers at which."""
        return result([b"%d" % self.metrics.serve(int(asked.words[1]))])

    def _stop(self, _asked: Asked, _caller: Caller) -> Answer:
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


def _say_nothing(_text: str) -> None:
    return None


class _Turn:
    """One request as the pipeline wants it: the client's world, and the command line's words."""

    def __init__(
        self,
        asked: Asked,
        caller: Caller,
        now: Callable[[], datetime],
        metrics: AgentMetrics,
        *,
        tells_notes: bool = False,
    ) -> None:
        """`tells_notes` where the client makes no plan of its own, and so has told none."""
        self._tells_notes = tells_notes
        self.words = [os.fsdecode(word) for word in asked.words[1:]]
        self._caller = caller
        pairs = [os.fsdecode(variable).partition("=") for variable in asked.environ]

        def ask(question: str) -> Secret | None:
            try:
                typed = caller.ask(question)
            except TimeoutError as error:
                metrics.prompts.add(("timeout",))
                raise MfaRequired(
                    "nobody typed an answer in time", why="others wait for the same", hint="run it again"
                ) from error
            metrics.prompts.add(("nobody" if typed is None else "answered",))
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
            measure=metrics.measure,
            has_left=caller.has_left,
        )
        self.client: Client = make_client(self.runtime)
        self._watches = asked.watches

    @contextmanager
    def on_record(self, arguments: Arguments, command: str, *, run: str = "", program: str = "") -> Iterator[None]:
        """Has everything that is done inside on the audit trail of whose home it is, before it is over.

        `run` is the client's own, which tells itself what came of it; without one that is told here.
        """
        journal = LazyJournal(
            self.runtime.environ, self.runtime.folder, self.runtime.now,
            warn=self._warn_unless(run), tell=self._tell_person, pid=self._caller.pid, run=run,
        )  # fmt: skip
        journal.about(command=command, **({"program": program} if program else {}))
        reason = reason_of(arguments)
        if reason:
            journal.about(reason=reason)
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
        return plan

    def plan_of_store(self, arguments: Arguments, store: str) -> Plan:
        """What it takes to get that store's session, as the environment that is named has it."""
        config, lasts, environment = self._config(arguments), arguments.switch("--lasts"), arguments.text("--for")
        if environment:
            plan = plan_named(config, environment, self.runtime, also=store, lasts=lasts)
        else:
            plan = plan_one_store(config, store, self.runtime, shows_notes=False, lasts=lasts)
        self.note(plan.notes)
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
