"""The client that programs and notebooks use: `mlplatform.connect()` makes one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from mlplatform.client.dataapi import DataApi
from mlplatform.client.files import extras
from mlplatform.client.files.inputs import input_file, input_files
from mlplatform.client.frame_pieces import FRAME, frame_pieces
from mlplatform.client.importing import ImportedFile, OnSent, SentRows, send_files, send_rows
from mlplatform.client.json_http import request
from mlplatform.client.label_files import send_label_file
from mlplatform.client.labelling import labels_of, send_labels
from mlplatform.client.platform_models import PlatformModels
from mlplatform.client.predict.predict import PredictRequest, predict
from mlplatform.client.predict.predictions import Predictions
from mlplatform.client.row_table import row_table
from mlplatform.client.run_watch import follow as follow_run
from mlplatform.client.run_watch import require_success
from mlplatform.client.serving import ServingClient
from mlplatform.client.versions import version_of
from mlplatform.contracts.dataset import DatasetDescription, DatasetQuery
from mlplatform.contracts.labels import LabelsResult
from mlplatform.contracts.promotion import ModelVersion
from mlplatform.contracts.run import Run
from mlplatform.errors import SettingsError

if TYPE_CHECKING:
    from mlplatform.client.dataset import Dataset

THREADS = 4
"""Requests at a time: as many as keep one serving process busy."""


def _quiet(_: SentRows) -> None:
    """Nobody watches."""


class PlatformClient(PlatformModels):
    """Data, predictions, labels, trainings and versions of one platform.

    Use it as a context manager, or call `close` at the end. Safe to share between threads. Methods
    block, and raise what the server raised (`mlplatform.errors`): the message names the field, and
    often what to do about it.
    """

    def __init__(self, api: DataApi, serving: ServingClient | None, deciding: DataApi) -> None:
        """Of clients of the data API and of serving; `deciding` may train and promote."""
        super().__init__(api, deciding)
        self._serving = serving

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        for each in (self._api, self._serving, self._deciding):
            if each is not None:
                each.__exit__()

    # Data

    def datasets(self) -> list[DatasetDescription]:
        """The datasets that may be read, with their columns."""
        return self._api.datasets()

    def dataset(
        self,
        name: str,
        *,
        columns: Sequence[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        as_of: int | None = None,
        limit: int | None = None,
        digest: str | None = None,
    ) -> Dataset:
        """A dataset such as `flights.training`, read from a standby and proven by its receipt.

        `since` and `until` bound the event time; `limit` keeps the latest rows; `as_of` is the mark
        of an earlier receipt, which gives the same rows again; `digest` is that of the features.
        Raises UnknownName, InvalidInput, DatasetIncomplete, and SettingsError without pyarrow.
        """
        window = {"since": since, "until": until, "as_of": as_of, "limit": limit}
        query = request(DatasetQuery, columns=columns, digest=digest, **window)
        return _download(self._api, name, query)

    def import_rows(
        self,
        pipeline: str,
        rows: Any,
        *,
        without: Sequence[str] = (),
        on_progress: OnSent = _quiet,
    ) -> ImportedFile:
        """Add history rows: a frame, a list of dicts, or the path of a file or a pattern of paths.

        Files are those of `mlplatform import`; `without` leaves columns of Parquet and Arrow out.
        The same rows again are stored once. Records that can't be read are counted, and named in
        `first_reasons`; whether values fit their columns is known when etl has checked them.
        """
        if isinstance(rows, str | Path):
            files = input_files([str(rows)])
            return send_files(self._api, pipeline, files, without=without, on_progress=on_progress)
        pieces = frame_pieces(rows, without=without)
        return send_rows(self._api, pipeline, pieces, name=FRAME, on_progress=on_progress)

    def label(self, pipeline: str, labels: Any, *, of: Predictions | None = None) -> LabelsResult:
        """Say what turned out to be true.

        With `of`, an answer of `predict`: one label per row of it, None where it is not known yet.
        Else a frame, a list of dicts or the path of a file with `request_id`, `row` and `label`.
        A later label of a row corrects the earlier one; the same again changes nothing. What the
        data API refuses is in `refused`, with its reason, and in quarantine.
        """
        if isinstance(labels, str | Path):
            file = input_file(Path(labels))
            return send_label_file(self._api, pipeline, file, on_progress=_quiet)
        rows = labels_of(labels, pipeline) if of is None else of.labels(labels)
        return send_labels(self._api, rows)

    # Predictions

    def predict(
        self,
        pipeline: str,
        rows: Any,
        *,
        version: str | None = None,
        client_id: str | None = None,
        threads: int = THREADS,
    ) -> Predictions:
        """Predictions of a frame (pandas, polars, Arrow) or of a list of dicts, in their order.

        Many rows go as several requests, `threads` at a time; every one is stored. `client_id` is
        your own id, stored with each. A row holds the model's columns, and may hold key and time.
        Raises InvalidInput that names column and row. A request is sent again only when serving
        has refused it with 429: an answered one is stored, also when it is a repetition.
        """
        table, serving = row_table(rows), self._serving
        if serving is None:
            fix = "connect(url, serving_url=…) takes it"
            raise SettingsError("serving's address is not known", field="serving_url", fix=fix)
        model = serving.metadata(pipeline, version=version)
        call = PredictRequest(serving, model, version, client_id)
        return predict(call, table, threads=threads)

    # Trainings

    @overload
    def train(
        self, pipeline: str, *, why: str = ..., follow: Literal[False] = ..., key: str = ...
    ) -> Run: ...

    @overload
    def train(
        self, pipeline: str, *, why: str = ..., follow: Literal[True], key: str = ...
    ) -> ModelVersion: ...

    def train(
        self, pipeline: str, *, why: str = "from Python", follow: bool = False, key: str = ""
    ) -> Run | ModelVersion:
        """Start a training of what was applied; its record, or (`follow`) its version at the end.

        The same `key` gives the same run, however often it is asked for. Raises Refused while
        another one goes on. With `follow` also the error that the run ends with: its message says
        why, such as which gate does not hold.
        """
        run = self._deciding.start_run(pipeline, reason=why, key=key)
        if not follow:
            return run
        ended = require_success(follow_run(self._deciding, run))
        return version_of(self._deciding, ended)

    def runs(self, pipeline: str) -> list[Run]:
        """Records of trainings, latest first."""
        return self._api.runs(pipeline)


def _download(api: DataApi, name: str, query: DatasetQuery) -> Dataset:
    # Imported now: it needs pyarrow, which not every installation has.
    extras.arrow("a dataset")
    found: Dataset = import_module("mlplatform.client.dataset").download(api, name, query)
    return found
