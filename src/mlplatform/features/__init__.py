"""A pipeline's columns, checks and features: columns in, columns out."""
