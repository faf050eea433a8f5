"""Who may do what: every act of the data API, the roles that may do it, and its word in the ledger.

Each route declares the rights that let a caller in (`routes.guard.needs`), so they are known before
anything is read of its request. `admin` may do everything.
"""

from __future__ import annotations

from dataclasses import dataclass

from mlplatform.access import Role

NARROW = {Role.PREDICT, Role.RETENTION, Role.AUDITOR, Role.ADMIN}
WORKERS = tuple(role for role in Role if role not in NARROW)
"""Definitions, states and progress are for everybody who works with the data API, which clients of
serving do not."""


@dataclass(frozen=True)
class Right:
    """An act: `action` is its word in the ledger, `meaning` what documents call it."""

    action: str
    meaning: str
    roles: tuple[Role, ...] = ()


LIST_DATASETS = Right("view", "list datasets", (Role.READER, Role.RUN))
READ_DATASET = Right("read", "read datasets", (Role.READER, Role.RUN))
VIEW_RECEIPT = Right("view", "see receipts of datasets", (Role.READER, Role.RUN))
ADD_ROWS = Right("write", "add rows", (Role.WRITER,))
ADD_LABELS = Right("label", "add labels", (Role.WRITER,))
READ_QUARANTINE = Right("read", "read the quarantine", (Role.READER, Role.WRITER))
REDRIVE = Right("redrive", "have quarantined rows tried again", (Role.WRITER,))
CORRECT = Right("correct", "correct quarantined rows", (Role.WRITER,))
DROP = Right("drop", "drop entries of the quarantine", (Role.WRITER,))
READ_LETTERS = Right("read", "read dead letters")
REDRIVE_LETTERS = Right("redrive", "have dead letters tried again")
DROP_LETTERS = Right("drop", "drop dead letters")
APPLY = Right("apply", "apply pipelines")
VIEW_PIPELINE = Right("view", "see pipelines and the progress of their features", WORKERS)
LEASE = Right("lease", "take the training lease", (Role.TRAINER,))
RENEW = Right("renew", "renew the training lease", (Role.RUN,))
RELEASE = Right("release", "give the training lease back", (Role.TRAINER, Role.RUN))
START_RUN = Right("run", "start trainings", (Role.TRAINER, Role.APPROVER))
VIEW_RUNS = Right("view", "see trainings", WORKERS)
REPORT_RUN = Right("report", "report how a training goes", (Role.RUN,))
CANCEL_RUN = Right("cancel", "cancel trainings", (Role.TRAINER, Role.APPROVER))
VIEW_MODEL = Right("view", "see models: versions, promotions, what serves", WORKERS)
REGISTER = Right("register", "register versions", (Role.RUN,))
VERIFY = Right("verify", "report versions as verified", (Role.RUN,))
PROPOSE = Right("propose", "propose versions", (Role.RUN,))
DECIDE = Right("decide", "approve, promote, roll back, withdraw, reject", (Role.APPROVER,))
REPORT_OUTBOX = Right("report", "report an outbox", (Role.SERVING,))
VIEW_QUEUE = Right("view", "see the stored offsets of the queue")
RESET_QUEUE = Right("reset", "give up the stored offsets of the queue")
VIEW_BALANCE = Right(
    "view",
    "see the balance",
    (Role.READER, Role.WRITER, Role.SERVING, Role.APPROVER, Role.AUDITOR),
)
PROVE_BALANCE = Right("prove", "prove the balance", (Role.RETENTION, Role.AUDITOR))
VIEW_RETENTION = Right("view", "see what retention would remove", (Role.RETENTION,))
REMOVE = Right("remove", "remove what is past its days", (Role.RETENTION,))
HOLD = Right("hold", "put pipelines under a legal hold, and end it")
FORGET = Right("forget", "forget a person's rows")
READ_EVIDENCE = Right("audit", "read all stored records with their proof", (Role.AUDITOR,))
READ_LEDGER = Right("read", "read the ledger", (Role.AUDITOR,))
