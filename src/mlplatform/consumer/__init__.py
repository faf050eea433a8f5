"""From the queue to the raw database, exactly once in effect."""
