"""Child processes on one machine: a supervisor starts, watches and stops them."""
