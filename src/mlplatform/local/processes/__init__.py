"""The child processes of local mode: one supervisor starts, watches and ends them."""
