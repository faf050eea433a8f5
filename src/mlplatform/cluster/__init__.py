"""Where training runs are started and seen: child processes on this machine, or Jobs on Kubernetes."""
