"""What people send, read: rows as NDJSON, CSV or an Arrow stream, and labels."""
