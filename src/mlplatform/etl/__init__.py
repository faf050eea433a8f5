"""Raw rows to feature rows: parse, check, engineer.

What can't be used goes to quarantine with the reason.
"""
