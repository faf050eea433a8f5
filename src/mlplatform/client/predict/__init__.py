"""Predictions of a whole table: rows in, tensors to serving in requests that it takes, answers."""
