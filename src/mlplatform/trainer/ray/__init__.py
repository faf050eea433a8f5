"""Search and fit on a Ray cluster, for `training: {engine: ray}`."""
