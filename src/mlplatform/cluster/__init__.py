"""Where training runs are started: child processes on this machine, or Jobs on Kubernetes."""
