"""Run a model: feature columns in, predictions out, both NumPy.

The same code proves a model in training and predicts in serving.

Nulls: float64 features carry NaN. A string feature that is null becomes the empty string before any
model sees it, in training, in parity checks and in serving, since ONNX has no null string;
`mlplatform.engine.table` is the one place that does it.
"""
