"""Settings of everything that makes, keeps and backs up models."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr

from mlplatform.settings.group import Names, SettingsGroup


class RegistrySettings(SettingsGroup):
    """MLflow, and what may be loaded from it."""

    url: str = Field("http://127.0.0.1:5000", description="MLflow tracking server.")
    # Nobody needs one by default: what scikit-learn, NumPy and SciPy consist of is trusted by rule
    # (`mlplatform.engine.skops_trust`).
    skops_trusted: Names = Field(
        (),
        description="Types that a skops file may hold beyond those of scikit-learn, NumPy and "
        "SciPy that were read and are trusted by rule. Never taken from the model.",
    )
    # A usual model takes a second or two, most of it for imports. Serving answers with the old
    # version meanwhile.
    load_s: float = Field(
        60.0,
        gt=0,
        description="How long a model's load and trial may take, in serving and in training, "
        "seconds.",
    )
    # Beside serving itself (about 150 MiB) and the child's libraries it fits a pod of 1 GiB. The
    # same in training and serving, so that what is proven in one can be loaded in the other.
    load_memory_bytes: int = Field(
        512 * 1024 * 1024,
        ge=16 * 1024 * 1024,
        description="Memory that a model's load and trial may take beyond its libraries, in "
        "serving and in training.",
    )
    username: str | None = Field(
        None, description="User for HTTP basic authentication at a server of your own."
    )
    password: SecretStr | None = Field(None, description="Password for it.")

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password, or None when the server asks for neither."""
        return (
            (self.username, self.password.get_secret_value())
            if self.username and self.password
            else None
        )


class MlflowSettings(SettingsGroup):
    """The tracking server itself, where it runs as a process of its own (`mlplatform mlflow`)."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(5000, ge=0, le=65535, description="Port to listen on.")
    artifacts: str = Field(
        "", description="Where files go: a folder, or a URL such as s3://bucket/path."
    )
    allowed_hosts: Names = Field(
        (), description="HOST:PORT names by which clients reach it; MLflow compares them exactly."
    )


class SourceSettings(SettingsGroup):
    """The git repository with pipelines/<model>/."""

    url: str = Field("", description="Git URL or path of a repository.")
    ref: str = Field("HEAD", description="Branch, tag or commit that `apply` reads.")
    folder: str = Field("pipelines", description="Folder inside the repository.")
    working_tree: bool = Field(
        False,
        description="Read the files as they lie at `url` (a path) instead of a commit; for local"
        " edits.",
    )
    cache: Path | None = Field(None, description="Folder for clones; a temporary one when empty.")
    username: str | None = Field(None, description="User for HTTP basic authentication.")
    password: SecretStr | None = Field(
        None, description="Password or deploy token for HTTP basic authentication."
    )


class TrainerSettings(SettingsGroup):
    """One training run."""

    work: Path | None = Field(None, description="Scratch folder; a temporary one when empty.")
    image: str = Field(
        "", description="Image that this run was started from, recorded with the version."
    )
    # Each fold that is being fitted has its own rows in memory, and a training's pod has room for
    # one unless somebody gave it more. Boosters use all CPUs by themselves.
    jobs: int = Field(1, ge=1, description="Folds that tuning fits at once, in threads.")
    # Small histories are engineered anew by then; a run that waits much longer hides that etl is
    # down.
    wait_s: float = Field(
        120.0,
        ge=0,
        description="How long to wait for the features backfill and for a lagging standby.",
    )
    # MLflow may be away when a run ends, and is called several times.
    grace_s: float = Field(
        60.0,
        ge=0,
        description="How long a run may go on after timeout_s of its pipeline, to end in order; "
        "then its process is killed.",
    )


class RaySettings(SettingsGroup):
    """The Ray cluster of pipelines that say `training: {engine: ray}`."""

    address: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Ray's dashboard, such as http://ray-head:8265.",
    )
    token: SecretStr | None = Field(
        None, description="Ray's token, where it was started with RAY_AUTH_MODE=token."
    )
    dataapi_url: str = Field(
        "", description="The data API as Ray's nodes reach it; empty: as the trainer does."
    )
    registry_url: str = Field(
        "", description="MLflow as Ray's nodes reach it; empty: as the trainer does."
    )
    # A head that is restarted is back within a minute, but its jobs are gone then. Much longer
    # would let a run wait for nothing.
    lost_s: float = Field(
        60.0,
        gt=0,
        description="How long Ray may not answer before a run gives its job up, seconds.",
    )


class BackupSettings(SettingsGroup):
    """Registry snapshots."""

    folder: Path | None = Field(None, description="Where snapshots are kept.")
    # A week of nightly snapshots.
    keep: int = Field(
        7, ge=1, description="Snapshots that are kept; older ones are removed after a good new one."
    )


class ClusterSettings(SettingsGroup):
    """Where training runs are started."""

    kind: Literal["local", "kubernetes"] = Field(
        "local", description="Child processes on this machine, or Jobs from the CronJobs."
    )
    namespace: str = Field("", description="Namespace of the trainer CronJobs.")
    cronjob_prefix: str = Field(
        "mlplatform-trainer-", description="CronJob name without the pipeline."
    )
    environment_file: Path | None = Field(
        None, description="local only: JSON with the whole environment of a trainer process."
    )
    logs: Path | None = Field(
        None,
        description="local only: folder of one log file per run; empty: `logs` beside "
        "environment_file.",
    )
