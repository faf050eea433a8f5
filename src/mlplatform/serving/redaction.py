"""What a pipeline's `redact` does to its requests: between decoding and model, and outbox.

Two rules count. That of the version which serves says what the model gets: what it was trained on.
That of the definition which is applied says, together with it, what is stored: it holds from the
poll on in which it is read, also where a version serves that was trained before it.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from pydantic import SecretStr

from mlplatform.contracts.pipeline import Redaction
from mlplatform.contracts.request_inputs import columns_form, columns_without
from mlplatform.errors import InvalidInput, Unavailable
from mlplatform.features.redact import Redactor, redactor
from mlplatform.serving.model import LoadedModel
from mlplatform.serving.request import Block, DecodedRequest


class SlotRedaction:
    """Of the version that serves in a slot. Used on the event loop only.

    `active` says whether anything is to be done: nearly always not.
    """

    def __init__(self, pipeline: str, key: SecretStr | None) -> None:
        self.active = False
        self.rules: Mapping[str, Redaction] = {}
        self._pipeline = pipeline
        self._key = key
        self._applied: Redactor | None = None
        self._model: LoadedModel | None = None
        self._stored: Redactor | None = None
        self._fault = ""

    def follow(self, rules: Mapping[str, Redaction]) -> bool:
        """Let the rules of the applied definition hold; whether they are others than before.

        Without the key that they need no request is answered: see `applied`.
        """
        if rules == self.rules:
            return False
        self.rules, self._fault = dict(rules), ""
        try:
            self._applied = redactor(self._pipeline, rules, self._key)
        except InvalidInput as error:
            self._applied, self._fault = None, f"{error.message}; {error.fix}"
        self._join()
        return True

    def serves(self, model: LoadedModel | None) -> None:
        """Another version serves, or none."""
        self._model = model
        self._join()

    def applied(self, request: DecodedRequest) -> DecodedRequest:
        """The request as the model gets it and as it is stored.

        Raises Unavailable without the key: rather no answer than a value that is stored as it is.
        """
        stored, model = self._stored, self._model
        if self._fault or stored is None or model is None:
            raise Unavailable(self._fault or "no version serves")
        columns = columns_without(request.body, request.rows, stored.dropped)
        return msgspec.structs.replace(
            request,
            blocks=_seen(request, model),
            body=columns_form(stored.columns(columns)),
            redacted=True,
        )

    def _join(self) -> None:
        seen = None if self._model is None else self._model.redactor
        applied = self._applied
        self._stored = applied.joined(seen) if applied and seen else applied or seen
        self.active = bool(self._stored or self._fault)


def _seen(request: DecodedRequest, model: LoadedModel) -> list[Block]:
    """The blocks with hashes in the columns that the model knows as hashes."""
    blocks = list(request.blocks)
    if model.redactor is None:
        return blocks
    for name in model.redactor.hashed & model.layout.places.keys():
        index, position = model.layout.places[name]
        width = len(model.layout.blocks[index].names)
        values = list(blocks[index])
        values[position::width] = map(model.redactor.hash, values[position::width])
        blocks[index] = values
    return blocks
