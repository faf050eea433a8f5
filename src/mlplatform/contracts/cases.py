"""What pipelines/<model>/cases.yaml may say: how the model must behave, whatever its metrics are.

    rows:                                   # whole raw rows, by name
      typical: {age: 40, plan: basic}
    cases:
      - {name: an old friend stays, kind: exact, row: typical, expect: "no"}
      - {name: a likely leaver, kind: bounds, row: typical, with: {age: 19}, of: "yes", min: 0.5}
      - {name: complaints never help, kind: monotone, row: typical, column: complaints, values: [0,
        1, 5], direction: up, of: "yes"}
      - {name: the letter case of a plan is noise, kind: invariant, row: typical, variants: [{plan:
        BASIC}], of: "yes"}

A case is about one number per row: the prediction of a regression, or the probability of the class
`of`. `exact` alone compares the prediction itself. `inputs` gives the raw rows that a case needs
predictions for, `verdict` says whether the case holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator

from mlplatform.contracts.frozen import Frozen
from mlplatform.contracts.pipeline import PipelineDefinition
from mlplatform.contracts.refusal import refusal
from mlplatform.errors import InvalidInput
from mlplatform.strict_yaml import YamlDocument, place

Value = str | int | float | bool | None
Row = Mapping[str, Value]


class _Case(Frozen):
    model_config = ConfigDict(populate_by_name=True)

    name: str = Field(min_length=3, description="What must hold, in plain words.")
    row: str = Field(description="Name of a row in `rows`.")
    changed: dict[str, Value] = Field(
        default_factory=dict, alias="with", description="Values that differ from that row."
    )

    @property
    def wants(self) -> str | int | None:
        """The class whose probability counts; None: the prediction itself."""
        return None

    def changes(self) -> list[dict[str, Value]]:
        """What differs from the named row, for each row that needs a prediction."""
        return [self.changed]


class Exact(_Case):
    """The prediction is this class, or this number within `tolerance`."""

    kind: Literal["exact"]
    expect: str | int | float
    tolerance: float = Field(default=0.0, ge=0, description="For regressions.")

    def verdict(self, values: Sequence[Any]) -> str | None:
        """None when the case holds, else what was found."""
        found = values[0]
        if isinstance(self.expect, str) or isinstance(found, str):
            good = str(found) == str(self.expect)
        else:
            # As they are: as floats, neighbours among large classes would be the same.
            good = abs(found - self.expect) <= self.tolerance
        return None if good else f"expected {self.expect}, found {found}"


class _Numeric(_Case):
    of: str | int | None = Field(
        default=None,
        description="Class whose probability is meant; needed for classifications only.",
    )

    @property
    def wants(self) -> str | int | None:
        return self.of


class Bounds(_Numeric):
    """The number lies between `min` and `max`, inclusive."""

    kind: Literal["bounds"]
    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Bounds:
        if self.min is None and self.max is None:
            raise ValueError(f"case '{self.name}': give min, max or both")
        return self

    def verdict(self, values: Sequence[Any]) -> str | None:
        """None when the case holds, else what was found."""
        found = float(values[0])
        low = float("-inf") if self.min is None else self.min
        high = float("inf") if self.max is None else self.max
        return None if low <= found <= high else f"{found:.6g} is not in [{low:.6g}, {high:.6g}]"


class Monotone(_Numeric):
    """While `column` takes `values` in this order, the number follows `direction`.

    A step against it by at most `tolerance` is allowed.
    """

    kind: Literal["monotone"]
    column: str
    values: tuple[Value, ...] = Field(min_length=2)
    direction: Literal["up", "down"]
    tolerance: float = Field(default=0.0, ge=0)

    def changes(self) -> list[dict[str, Value]]:
        """One row per value."""
        return [self.changed | {self.column: value} for value in self.values]

    def verdict(self, values: Sequence[Any]) -> str | None:
        """None when the case holds, else the first step against the direction."""
        sign = 1.0 if self.direction == "up" else -1.0
        for index, (before, after) in enumerate(pairwise(values)):
            if not sign * (float(after) - float(before)) >= -self.tolerance:  # so that NaN fails
                pair = f"{self.column} from {self.values[index]} to {self.values[index + 1]}"
                step = f"{float(before):.6g} to {float(after):.6g}"
                return f"{pair} moves it from {step}, not {self.direction}"
        return None


class Invariant(_Numeric):
    """None of the `variants` moves the number by more than `tolerance`."""

    kind: Literal["invariant"]
    variants: tuple[dict[str, Value], ...] = Field(min_length=1)
    tolerance: float = Field(default=0.0, ge=0)

    def changes(self) -> list[dict[str, Value]]:
        """The row itself, then one row per variant."""
        return [self.changed, *(self.changed | variant for variant in self.variants)]

    def verdict(self, values: Sequence[Any]) -> str | None:
        """None when the case holds, else the variant that moved it."""
        first = float(values[0])
        for variant, found in zip(self.variants, values[1:], strict=True):
            if not abs(float(found) - first) <= self.tolerance:  # so that NaN fails
                return f"{dict(variant)} moves it from {first:.6g} to {float(found):.6g}"
        return None


Case = Annotated[Exact | Bounds | Monotone | Invariant, Field(discriminator="kind")]


class CaseFile(Frozen):
    """cases.yaml."""

    rows: dict[str, dict[str, Value]] = Field(default_factory=dict)
    cases: tuple[Case, ...] = Field(min_length=1)

    def inputs(self, case: Case) -> list[Row]:
        """Raw rows to predict for this case, in the order in which `verdict` takes the numbers."""
        return [self.rows[case.row] | change for change in case.changes()]

    @classmethod
    def parse(
        cls,
        document: Any,
        definition: PipelineDefinition,
        *,
        where: str | YamlDocument = "cases.yaml",
    ) -> CaseFile:
        """From a parsed YAML document.

        Raises InvalidInput that names the case and what does not fit the definition, with the line
        when `where` is the YAML document.
        """
        try:
            file = cls.model_validate(document)
        except ValidationError as error:
            raise refusal(error, where) from error
        for index, case in enumerate(file.cases):
            _fits(case, file, definition, place(where, ("cases", index)))
        return file


def _fits(case: Case, file: CaseFile, definition: PipelineDefinition, where: str) -> None:
    if case.row not in file.rows:
        raise InvalidInput(
            f"{where}: case '{case.name}': no row '{case.row}' under rows", field="row"
        )
    declared = {column.name for column in definition.inputs}
    for row in file.inputs(case):
        if wrong := sorted(declared.symmetric_difference(row)):
            raise InvalidInput(
                f"{where}: case '{case.name}': missing or unknown column {', '.join(wrong)}",
                field=wrong[0],
            )
    if isinstance(case, Exact) and (problem := _impossible(case, definition)):
        raise InvalidInput(f"{where}: case '{case.name}': expect: {problem}", field="expect")
    if problem := _misnamed_class(case, definition):
        raise InvalidInput(f"{where}: case '{case.name}': of: {problem}", field="of")


def _impossible(case: Exact, definition: PipelineDefinition) -> str | None:
    """Why no model could predict what a case expects, if so."""
    classes = definition.target.values
    if definition.task == "regression" and isinstance(case.expect, str):
        return f"'{case.expect}' is not a number, and a regression predicts numbers"
    texts = definition.target.dtype == "string"  # a class 1 may be written as 1.0
    if texts and classes is not None and str(case.expect) not in classes:
        return f"'{case.expect}' is not one of {', '.join(classes)}"
    return None


def _misnamed_class(case: Case, definition: PipelineDefinition) -> str | None:
    """What is wrong with the class that a case is about, if anything."""
    needed = definition.task == "classification" and not isinstance(case, Exact)
    if needed and case.wants is None:
        return "name the class whose probability is meant"
    if case.wants is not None and not needed:
        return "only cases on probabilities have it"
    classes = definition.target.values
    if classes is not None and case.wants is not None and case.wants not in classes:
        return f"'{case.wants}' is not one of {', '.join(classes)}"
    return None
