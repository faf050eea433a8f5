"""Every command: its name, its module below mlplatform.cli, and its sentence."""

from __future__ import annotations

from mlplatform.cli.lazy import LazyCommand

PROCESSES = "Processes (started by the chart and by local mode)"

COMMANDS = (
    LazyCommand(
        "up",
        "up",
        "Start everything and take the tour of the example pipelines.",
    ),
    LazyCommand("down", "down", "Stop the stack that runs in another terminal."),
    LazyCommand(
        "status", "status", "Show the processes of the local stack and whether they answer."
    ),
    LazyCommand("logs", "logs", "Print the logs of the local stack."),
    LazyCommand("demo", "up", "Take the whole tour from nothing, check every claim, and stop."),
    LazyCommand(
        "clean",
        "clean",
        "Delete the data of the local stack, and of a demo: databases, models, stored requests.",
    ),
    LazyCommand(
        "new",
        "new",
        "Write a pipeline for a file of rows: columns, gates, model and cases, ready to be "
        "applied.",
    ),
    LazyCommand(
        "validate",
        "validate",
        "Try the pipelines of this folder without a platform.",
    ),
    LazyCommand(
        "apply",
        "training",
        "Make the pipelines of a git commit known: their columns, features, gates and approval.",
    ),
    LazyCommand(
        "train",
        "training",
        "Train a version on the data of the read replica, prove it, and propose it.",
    ),
    LazyCommand("runs", "runs", "Training runs: list, show or cancel them."),
    LazyCommand(
        "import-model",
        "import_model",
        "Import a model that was made elsewhere: proven, judged, and waiting for approval.",
    ),
    LazyCommand(
        "example", "example", "Print rows of an example pipeline as NDJSON, with the target."
    ),
    LazyCommand("models", "models", "Show which version serves and which one waits."),
    LazyCommand("approve", "models", "Let a candidate serve (empty VERSION: the one that waits)."),
    LazyCommand("promote", "models", "Let a version serve that is a candidate, or served before."),
    LazyCommand("rollback", "models", "Bring back the version that served before."),
    LazyCommand(
        "withdraw",
        "models",
        "Take the version that serves out of service; none serves until another is promoted.",
    ),
    LazyCommand("reject", "models", "Say for good that a version must not serve."),
    LazyCommand("predict", "data", "Request predictions. Every answered request is stored."),
    LazyCommand("import", "import_rows", "Import history: rows with target, key and time."),
    LazyCommand(
        "label", "label", "Add labels: what turned out to be true of rows that were predicted."
    ),
    LazyCommand(
        "balance",
        "data",
        "Show that nothing is lost: accepted = stored + dead letters + in flight, for every "
        "outbox.",
    ),
    LazyCommand(
        "quarantine",
        "quarantine",
        "The quarantine: list, show, correct, redrive or drop what broke its contract.",
    ),
    LazyCommand(
        "deadletters",
        "deadletters",
        "Dead letters: list, show, redrive or drop records that could not become rows.",
    ),
    LazyCommand(
        "retention",
        "retention",
        "Retention: remove what is past its days, and put pipelines under a legal hold.",
    ),
    LazyCommand(
        "forget",
        "forget",
        "Forget a person: remove every row with this key, wherever it is stored.",
    ),
    LazyCommand(
        "audit", "audit", "Prove that stored records are what was recorded, and make keys for it."
    ),
    LazyCommand(
        "queue", "queue", "The queue: show how far it is stored, or give that up after a loss."
    ),
    LazyCommand("check", "check", "Prove that the platform keeps its promises."),
    LazyCommand(
        "doctor",
        "doctor",
        "Examine this machine and the stack that runs on it, and say what is missing.",
    ),
    LazyCommand(
        "package",
        "standalone",
        "Make a model folder of a scikit-learn model that was trained elsewhere.",
    ),
    LazyCommand(
        "export",
        "standalone",
        "Copy a version out of the registry into a model folder, with its features code.",
    ),
    LazyCommand(
        "serve",
        "serve",
        "Serve one model folder, without the rest of the platform. Runs until Ctrl-C.",
    ),
    LazyCommand("backup", "backup", "Snapshots of the registry: create, verify, restore."),
    LazyCommand("tokens", "tokens", "Bearer tokens."),
    LazyCommand(
        "dataapi",
        "servers",
        "The data API: the only way to the data. Runs until SIGTERM.",
        PROCESSES,
    ),
    LazyCommand(
        "serving", "servers", "Answers predictions and records them. Runs until SIGTERM.", PROCESSES
    ),
    LazyCommand(
        "shipper", "servers", "Sends the outbox to the queue. Runs until SIGTERM.", PROCESSES
    ),
    LazyCommand(
        "consumer",
        "servers",
        "Stores the queue in the raw database. Runs until SIGTERM.",
        PROCESSES,
    ),
    LazyCommand(
        "etl", "servers", "Turns raw rows into feature rows. Runs until SIGTERM.", PROCESSES
    ),
    LazyCommand(
        "trainer", "trainer", "One training run, with the code that was applied.", PROCESSES
    ),
    LazyCommand(
        "backup-run",
        "backup_run",
        "Take one snapshot of the registry, verify it and remove old ones (what the CronJob runs).",
        PROCESSES,
    ),
    LazyCommand(
        "mlflow",
        "mlflow",
        "MLflow's tracking server and registry, on its database. Runs until SIGTERM.",
        PROCESSES,
    ),
    LazyCommand(
        "migrate",
        "migrate",
        "Bring the databases whose owners' addresses are set up to date: schemas and rights.",
        PROCESSES,
    ),
)
