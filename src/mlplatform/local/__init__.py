"""The whole platform on one machine: the processes of a cluster, with real servers."""
