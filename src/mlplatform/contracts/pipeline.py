"""What pipelines/<model>/pipeline.yaml may say.

A key that is not here is refused, a value that is not built yet too.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from mlplatform.contracts.columns import NAME, Column, DType
from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.ranges import Range, candidates
from mlplatform.contracts.refusal import inconsistent, refusal
from mlplatform.contracts.retention_days import RetentionDays
from mlplatform.strict_yaml import YamlDocument

PIPELINE_NAME = r"^[a-z][a-z0-9-]{1,40}$"
Metric = Literal["roc_auc", "accuracy", "balanced_accuracy", "f1", "log_loss", "r2", "mae", "rmse"]
Redaction = Literal["hash", "drop"]
LOWER_IS_BETTER: frozenset[str] = frozenset({"log_loss", "mae", "rmse"})
CLASSIFICATION_METRICS: frozenset[str] = frozenset(
    {"roc_auc", "accuracy", "balanced_accuracy", "f1", "log_loss"}
)


class Target(Frozen):
    """What is predicted."""

    name: str = Field(pattern=NAME)
    dtype: DType
    unit: str = ""
    values: tuple[str, ...] | None = Field(default=None, description="Classes; for string targets.")

    def lacks(self, value: Any) -> bool:
        """Whether a value of the field is none: null, or an empty text that is no class."""
        return value is None or (
            value == "" and self.dtype == "string" and "" not in (self.values or ())
        )


class Window(Frozen):
    """Which rows a training reads, by event time."""

    days: float | None = Field(
        default=None, gt=0, description="Only rows of the last so many days; empty: all."
    )
    max_rows: int | None = Field(
        default=None, ge=1, description="Most rows, the latest first; empty: all."
    )


class Validation(Frozen):
    """Least quality of a dataset; below it the run stops."""

    min_rows: int = Field(default=50, ge=1)
    max_null_share: float = Field(default=0.5, ge=0, le=1)
    max_quarantined_share: float = Field(default=0.2, ge=0, le=1)


class Split(Frozen):
    """Held-out rows."""

    test_share: float = Field(default=0.25, gt=0, lt=1)
    by: Literal["random", "content", "time"] = Field(
        default="random",
        description="random: by key; content: rows of equal features stay together; "
        "time: the latest rows are held out.",
    )
    seed: int = 0


class Tuning(Frozen):
    """Search over parameters of `build`."""

    metric: Metric
    space: dict[str, Annotated[Any, AfterValidator(candidates)]] = Field(
        default_factory=dict,
        description="parameter -> list of candidates, or a range; empty: no search.",
    )
    trials: int = Field(
        default=8, ge=1, description="Most combinations tried; drawn with the split's seed."
    )
    search: Literal["random", "halving", "tpe"] = Field(
        default="random",
        description="random: each combination on all training rows; tpe: the same, and those after "
        "the first are chosen near the best so far; halving: each on a share of the rows, then the "
        "best third on three times as many, until the last ones have all rows.",
    )
    folds: int = Field(default=3, ge=2)
    budget_s: float = Field(
        default=60, gt=0, description="No new combination starts after this many seconds."
    )

    def ends(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The first candidate of every parameter, and the last; of a range its ends."""
        spans = {
            name: (one.low, one.high) if isinstance(one, Range) else (one[0], one[-1])
            for name, one in self.space.items()
        }
        first, last = ({name: span[at] for name, span in spans.items()} for at in (0, 1))
        return first, last


class EarlyStopping(Frozen):
    """When a booster at the end of the estimator adds no more trees."""

    share: float = Field(
        default=0.1, gt=0, lt=1, description="Part of the training rows that decides."
    )
    rounds: int = Field(
        default=50, ge=1, description="So many rounds without a gain on these rows are the end."
    )


class TrainingEngine(Frozen):
    """Where the search and the fit compute, when one trainer pod is too small for them."""

    engine: Literal["ray"] = Field(
        description="ray: XGBoost or LightGBM on the Ray cluster that the settings name."
    )
    cpus: int = Field(default=1, ge=1, description="CPUs that one trial, and the fit, get.")
    memory: str | None = Field(
        default=None,
        pattern=r"^[1-9][0-9]*(Mi|Gi)$",
        description="Memory that Ray reserves for one trial, and for the fit, e.g. 16Gi; empty: "
        "none is reserved.",
    )

    @property
    def memory_bytes(self) -> int | None:
        """The memory as a number."""
        if self.memory is None:
            return None
        return int(self.memory[:-2]) * (1 << (30 if self.memory.endswith("Gi") else 20))


class Gate(Frozen):
    """A condition that a version must meet.

    Either an absolute bound or a comparison with the champion on the same rows.
    """

    metric: Metric
    min: float | None = None
    max: float | None = None
    against: Literal["champion"] | None = None
    tolerance: float = Field(
        default=0.0, ge=0, description="How much worse than the champion is still good enough."
    )
    slice: str | None = Field(
        default=None,
        description="Feature or raw column: the bound holds in each of its values "
        "(numbers: quartiles).",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Gate:
        if (self.min is None and self.max is None) == (self.against is None):
            raise ValueError(f"gate on {self.metric}: give either min/max or against: champion")
        if self.tolerance and self.against is None:
            raise ValueError(
                f"gate on {self.metric}: tolerance is for against: champion; put it into the bound"
            )
        return self

    @property
    def bounds(self) -> str:
        """The absolute condition in words; empty for a comparison with the champion."""
        given = {"at least": self.min, "at most": self.max}
        return " and ".join(
            f"{word} {bound:g}" for word, bound in given.items() if bound is not None
        )


class Export(Frozen):
    """How the model leaves scikit-learn."""

    format: Literal["auto", "onnx", "skops"] = Field(
        default="auto", description="auto: onnx when it is proven equal, else skops."
    )
    tolerance: float = Field(
        default=1e-4,
        gt=0,
        description="Largest difference that still counts as equal: of probabilities, or relative "
        "to the spread of a regression's predictions.",
    )


class PipelineDefinition(Frozen):
    """pipeline.yaml."""

    name: str = Field(pattern=PIPELINE_NAME)
    description: str = Field(
        min_length=10, description="Plain words; becomes the model's description."
    )
    task: Literal["classification", "regression"]
    columns: tuple[Column, ...] = Field(
        min_length=1, description="Raw columns of a request or history row."
    )
    target: Target
    key: str | None = Field(
        default=None,
        description="Raw field with the client's own id of a row; "
        "a column of datasets, no model input.",
    )
    time: str | None = Field(
        default=None,
        description="Raw field with the row's time (ISO 8601); empty: when it was received.",
    )
    weight: str | None = Field(
        default=None,
        pattern=NAME,
        description="Raw field with how much a history row counts in training; no model input. "
        "Empty: all count the same.",
    )
    redact: dict[str, Redaction] = Field(
        default_factory=dict,
        description="Column -> how its values are kept from being stored: hash (a keyed hash takes "
        "their place, for the model too), drop (they are not used at all). The key can be hashed.",
    )
    window: Window = Window()
    validation: Validation = Validation()
    split: Split = Split()
    tuning: Tuning
    early_stopping: EarlyStopping | None = Field(
        default=None, description="Empty: a booster makes all its trees."
    )
    training: TrainingEngine | None = Field(
        default=None, description="Empty: the trainer itself searches and fits."
    )
    gates: tuple[Gate, ...] = Field(min_length=1)
    export: Export = Export()
    rollout: Literal["immediate"] = Field(
        default="immediate", description="Other kinds are not built yet."
    )
    approval: Literal["auto", "manual"] = "manual"
    timeout_s: int = Field(default=1800, ge=10, description="A run that takes longer is ended.")
    retention: RetentionDays = RetentionDays()

    @field_validator("columns")
    @classmethod
    def _distinct(cls, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        names = [column.name for column in columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"declared twice: {', '.join(twice)}")
        return columns

    @model_validator(mode="after")
    def _consistent(self) -> PipelineDefinition:
        taken = {column.name for column in self.columns}
        named = {
            ("target", "name"): self.target.name,
            ("key",): self.key,
            ("time",): self.time,
            ("weight",): self.weight,
        }
        for field_path, field in named.items():
            if field in taken:
                problem = f"'{field}' is target, key, time or weight and can't be a column as well"
                raise inconsistent(problem, *field_path)
        classification = self.task == "classification"
        if self.target.dtype == ("float64" if classification else "string"):
            problem = f"a {self.task} can't have a target of {self.target.dtype}"
            raise inconsistent(problem, "target", "dtype")
        metrics: list[tuple[tuple[str | int, ...], Metric]] = [
            (("tuning", "metric"), self.tuning.metric),
            *((("gates", at, "metric"), gate.metric) for at, gate in enumerate(self.gates)),
        ]
        for path, metric in metrics:
            if (metric in CLASSIFICATION_METRICS) != classification:
                raise inconsistent(f"metric {metric} is not one of a {self.task}", *path)
        return self

    @property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that features are made of: all but those that `redact` drops."""
        return tuple(one for one in self.columns if self.redact.get(one.name) != "drop")

    @property
    def dropped(self) -> tuple[str, ...]:
        """The columns that a request or history row may have, and nothing is made of."""
        return tuple(one.name for one in self.columns if self.redact.get(one.name) == "drop")

    @classmethod
    def parse(
        cls, document: Any, *, where: str | YamlDocument = "pipeline.yaml"
    ) -> PipelineDefinition:
        """From a parsed YAML or JSON document.

        Definitions that were applied are read with this too, so a new rule for what may be applied
        belongs into `apply_rules`. Raises InvalidInput that names the key, and its line when
        `where` is the YAML document.
        """
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise refusal(error, where) from error
