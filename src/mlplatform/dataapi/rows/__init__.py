"""Rows that people send: NDJSON, CSV or an Arrow stream in; records with their place in the body out."""
