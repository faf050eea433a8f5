"""The whole platform on one machine: the same processes as on a cluster, with real servers, under one supervisor."""
