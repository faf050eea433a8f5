"""The names of the dialects, as routes and stored requests bear them."""

from __future__ import annotations

GRPC = "grpc"
INFERENCE = "inference"
KSERVE = "kserve"
MLFLOW = "mlflow"
MLFLOW_CSV = "mlflow-csv"
ROWS = "rows"
