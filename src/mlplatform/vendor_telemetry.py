"""No process reports to the vendors of its libraries.

ONNX Runtime and MLflow send usage data to their vendors unless these environment variables are set
before the libraries are imported; ONNX Runtime's own function for it comes too late for the first
connection. Plugins of Pydantic see all that it validates; without them it also need not look
through every installed package for one. The command line, local mode and the images set them.
"""

from __future__ import annotations

OFF = {
    "ORT_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "PYDANTIC_DISABLE_PLUGINS": "1",
}
"""Environment variables of every process."""
