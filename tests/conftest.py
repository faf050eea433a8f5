"""Settings of the test run as a whole."""

from __future__ import annotations

from hypothesis import settings

# Timings say nothing on a busy machine: a property fails for its content only.
settings.register_profile("mlplatform", deadline=None, max_examples=60)
settings.load_profile("mlplatform")
