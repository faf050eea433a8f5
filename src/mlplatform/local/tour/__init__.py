"""The guided tour that `up` and `demo` take: every part used once, every claim checked."""
