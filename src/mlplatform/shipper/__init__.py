"""From the outbox to the queue: forgets only what the queue has acknowledged."""
