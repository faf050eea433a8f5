"""Training data to a proven, registered, proposed model version: one run of one pipeline."""
