"""Child processes as another user, for a platform that runs as root on one machine."""
