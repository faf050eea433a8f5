"""Our server and its peers, measured in turn on one machine: `make bench-serving`."""
