"""The JSON form of our column types, as msgspec's typed decoders want it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from mlplatform.contracts.columns import DType
from mlplatform.contracts.model import Signature

INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
SCALAR: Any = str | INT64 | float | None
_TYPES: dict[DType, Any] = {"float64": float, "int64": INT64, "string": str, "bool": bool}


def json_type(dtype: DType, *, nullable: bool) -> Any:
    """The type of one value; msgspec takes whole numbers for a float, and no other conversion."""
    return _TYPES[dtype] | None if nullable else _TYPES[dtype]


def beside_types(signature: Signature) -> dict[str, Any]:
    """The types of the fields beside the inputs: nobody reads those that are dropped."""
    return {
        name: SCALAR | bool if name in signature.dropped else SCALAR for name in signature.beside
    }
