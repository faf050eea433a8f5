"""Raw rows to feature rows: parse, check, engineer; what can't be used goes to quarantine with the reason."""
