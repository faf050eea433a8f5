"""The whole platform as child processes of one program: servers and components, in their order.

    with LocalStack(options) as stack:
        stack.start()          # blocks until all is ready
        stack.state.urls       # also in <home>/state.json, for commands in other terminals

Data lies in `home` and survives; leaving the block stops everything in reverse order.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from mlplatform.database import roles
from mlplatform.errors import UnknownName
from mlplatform.local import home_modes, ports, raw_shards, secrets, state
from mlplatform.local.daily import Daily
from mlplatform.local.environment import Layout
from mlplatform.local.processes import memory
from mlplatform.local.processes.child import ProcessStatus
from mlplatform.local.processes.probe import HEALTH_S, answers
from mlplatform.local.processes.spec import ProcessSpec
from mlplatform.local.processes.supervisor import OnChange, Supervisor
from mlplatform.local.servers import mlflow, postgres, postgres_files
from mlplatform.local.servers.binaries import find
from mlplatform.local.servers.postgres import LocalPostgres
from mlplatform.local.servers.queue import queue_of, refuse_another
from mlplatform.settings import SourceSettings
from mlplatform.source.checkout import checkout
from mlplatform.telemetry import logger
from mlplatform.unprivileged import command
from mlplatform.unprivileged.source import readable

NOTES_AGAIN_S = 1.0
_log = logger("local")
PRIMARY, STANDBY = postgres.PRIMARY, postgres.STANDBY
PASSWORDS = (
    postgres.SUPERUSER,
    postgres_files.REPLICATION_ROLE,
    *(f"mlplatform_{role}" for role in roles.ROLES),
)

# What each component needs decides the order of the start, and in reverse that of the stop: serving
# ends first, while the shipper, the consumer and the data API still take what it hands over. So a
# stop leaves no request half way.
NEEDS: Mapping[str, tuple[str, ...]] = {
    "dataapi": (PRIMARY, STANDBY),
    "consumer": (PRIMARY,),
    "etl": (PRIMARY,),
    "shipper": ("consumer",),
    "serving": ("shipper", "dataapi"),
}
PAGES = {"dataapi": "/readyz"}
"""Where they answer when they are up; the others on /healthz.

Serving's /readyz would fail until the first model is trained, which needs the rest of the stack.
"""
STOP_S = {"serving": 25.0, "shipper": 30.0}  # somewhat longer than they take to drain


@dataclass(frozen=True)
class Options:
    """The options of `mlplatform up`."""

    home: Path
    source: str  # git repository, or a folder
    queue: str = "sqlite"  # sqlite, kafka (a broker of our own), or kafka://HOST:PORT
    working_tree: bool = False
    postgres: Path | None = None  # folder of PostgreSQL's programs; None: the first one found
    raw_shards: int | None = None  # raw servers; None: as many as the home has


class LocalStack:
    """One stack in one folder."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._on_change: OnChange | None = None
        self._held = ExitStack()
        self._writing = threading.Lock()
        self._statuses: dict[str, state.Process] = {}
        self._state_due = False  # state.json could not be written, and a timer tries it again

    def __enter__(self) -> Self:
        """Take the folder and choose ports; nothing runs yet.

        Raises Refused when another program runs this stack.
        """
        # First in, last out: no other stack gets the folder before all processes have stopped.
        self._held.enter_context(state.hold(self.options.home))
        try:
            home_modes.close(self.options.home)
            self._enter()
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def _enter(self) -> None:
        home = self.options.home
        before = state.read(home)
        refuse_another(before.queue_word if before else "", self.options.queue)
        had = before.raw_shards if before else 1
        self.raw_shards = raw_shards.count(home, self.options.raw_shards, before=had)
        usual = raw_shards.ports(self.raw_shards, before.ports if before else {})
        chosen = ports.choose(usual, claims=self._held)
        self.secrets = secrets.ensure(home / "secrets", PASSWORDS)
        self.postgres = self._local_postgres(chosen)
        self.further_raw = raw_shards.further(self.postgres, self.raw_shards, chosen)
        self.queue = queue_of(self.options.queue, home, port=chosen["kafka"])
        self.layout = self._laid_out(chosen)
        supervisor = Supervisor(logs=home / "logs", on_change=self._note)
        self.supervisor = self._held.enter_context(supervisor)
        self._daily = self._held.enter_context(self._daily_retention())
        self._add_processes()
        self.state = self._describe()
        self.state.write()  # from here on `_note` writes it, up to the last process that stops

    def _laid_out(self, chosen: Mapping[str, int]) -> Layout:
        return Layout(
            home=self.options.home,
            ports=chosen,
            queue=self.queue.url,
            source=self.options.source,
            working_tree=self.options.working_tree,
            models=self._models(),
            secrets=self.secrets,
            postgres=self.postgres,
            further_raw=self.further_raw,
        )

    def _local_postgres(self, chosen: Mapping[str, int]) -> LocalPostgres:
        passwords = self.secrets.passwords.items()
        return LocalPostgres(
            self.options.home / "postgres",
            find(self.options.postgres, copies=postgres_files.OUTSIDE),
            passwords={role: SecretStr(text) for role, text in passwords},
            primary_port=chosen["primary"],
            standby_port=chosen["standby"],
        )

    def start(self) -> None:
        """Start everything and wait until it is ready, except for MLflow (see `await_registry`).

        MLflow takes longest, and only trainings need it. Raises Unavailable, with the end of the
        log, when a process does not come up.
        """
        servers = (self.postgres, *self.further_raw.values())
        for each in servers:
            each.prepare_primary()
        self.supervisor.start(*(each.names[0] for each in servers))
        for each in servers:
            each.provision()
            each.prepare_standby()  # before anything writes: a small copy, made at once
        self.supervisor.begin("mlflow")
        consumers = map(raw_shards.consumer, self.further_raw)
        self.supervisor.start(*(each.names[1] for each in servers), *NEEDS, *consumers)

    def await_registry(self) -> None:
        """Wait for MLflow; then everything is up. Raises Unavailable when it does not come up."""
        self.supervisor.start("mlflow")
        self.state = self.state.model_copy(update={"ready": True})
        self._write_state()
        self._daily.begin()

    def stay(self) -> None:
        """Block until a signal ends this program.

        Raises Unavailable when the supervisor breaks down, which ends all processes.
        """
        self.supervisor.stay()

    def listen(self, on_change: OnChange | None) -> None:
        """Have `on_change` called at every change of a process, in the supervisor's thread."""
        self._on_change = on_change

    def pids(self) -> dict[str, int]:
        """The processes that run."""
        return {name: status.pid for name, status in self.supervisor.status().items() if status.pid}

    def memory(self) -> dict[str, int]:
        """Bytes of every process with its descendants, and of this program."""
        pids = self.pids()
        sizes = memory.by_root(pids.values())
        return {"mlplatform up": memory.own(os.getpid())} | {
            name: sizes[pid] for name, pid in pids.items()
        }

    def _add_processes(self) -> None:
        layout = self.layout
        for each in (self.postgres, *self.further_raw.values()):
            self.supervisor.add(each.primary_spec())
            self.supervisor.add(each.standby_spec())
        dsn = self.postgres.dsn("mlflow", "mlflow").get_secret_value()
        self.supervisor.add(
            mlflow.spec(dsn, layout.home / "mlflow", port=layout.ports["mlflow"], needs=(PRIMARY,))
        )
        for spec in self.queue.processes:
            self.supervisor.add(spec)
        for process in ("trainer", "backup", "restore"):
            secrets.write_anew(
                layout.environment_file(process),
                json.dumps(layout.environment(process), indent=2) + "\n",
            )
        for name in NEEDS:
            self.supervisor.add(self._component(name, NEEDS[name]))
        for shard, server in self.further_raw.items():
            self.supervisor.add(self._component(raw_shards.consumer(shard), server.names[:1]))

    def _component(self, name: str, needs: tuple[str, ...]) -> ProcessSpec:
        component, _, _ = name.partition("-")
        uses_queue = component in ("consumer", "shipper")
        broker = tuple(spec.name for spec in self.queue.processes if uses_queue)
        return ProcessSpec(
            name=name,
            argv=(sys.executable, "-m", "mlplatform", component),
            environment=self.layout.environment(name),
            folder=self.layout.home,
            needs=needs + broker,
            ready=answers(self.layout.url(name) + PAGES.get(name, "/healthz")),
            # Not what it can do for others: a data API whose standby is away isn't started anew.
            health=answers(self.layout.url(name) + "/healthz", timeout_s=HEALTH_S),
            stop_timeout_s=STOP_S.get(name, 20.0),
        )

    def _daily_retention(self) -> Daily:
        argv = (sys.executable, "-m", "mlplatform", "retention", "run")
        environment = self.layout.environment("retention")
        return Daily("retention", argv, environment, home=self.options.home)

    def _models(self) -> tuple[str, ...]:
        source = SourceSettings(
            url=self.options.source,
            working_tree=self.options.working_tree,
            cache=self.options.home / "cache" / "source",
        )
        found = tuple(checkout(source).pipelines())
        if not found:
            raise UnknownName(
                f"there is no pipeline in {self.options.source}",
                field="--source",
                fix="it needs pipelines/<name>/pipeline.yaml",
            )
        return found

    def _describe(self) -> state.State:
        urls = {name: self.layout.url(name) for name in ("serving", "dataapi", "mlflow")}
        return state.State(
            home=self.options.home,
            **state.myself(),
            ports=dict(self.layout.ports),
            urls=urls,
            queue=self.queue.url,
            queue_word=self.options.queue,
            raw_shards=self.raw_shards,
            source=self.options.source,
            working_tree=self.options.working_tree,
            warning=self._warning(),
            processes=self._statuses,
        )

    def _warning(self) -> str:
        why = command.hindrance(*readable(self.layout.environment("trainer")))
        if not why:
            return ""
        said = f"trainings run as root and can read all secrets; no other user can run them: {why}"
        _log.warning(said, fix="start the platform as another user than root")
        return said

    def _note(self, status: ProcessStatus) -> None:
        self._statuses[status.name] = state.Process(
            state=status.state,
            pid=status.pid,
            restarts=status.restarts,
            exit_code=status.exit_code,
            reason=status.reason,
            log=status.log,
        )
        self._write_state()
        if self._on_change:
            self._on_change(status)

    def _write_state(self) -> None:
        with self._writing:
            self.state = self.state.model_copy(update={"processes": dict(self._statuses)})
            try:
                self.state.write()
            except OSError as error:  # a note for others: never a reason to end what runs
                if not self._state_due:
                    _log.warning("can't write state.json", error=str(error))
                self._state_due = True
                again = threading.Timer(NOTES_AGAIN_S, self._write_state)
                again.daemon = True
                again.start()
            else:
                self._state_due = False
