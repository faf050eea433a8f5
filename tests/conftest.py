"""Settings of the test run as a whole."""

from __future__ import annotations

import os

from hypothesis import settings

from mlplatform import vendor_telemetry

# Timings say nothing on a busy machine: a property fails for its content only.
settings.register_profile("mlplatform", deadline=None, max_examples=60)
settings.load_profile("mlplatform")
os.environ.update(vendor_telemetry.OFF)  # before anybody imports the libraries that would report
