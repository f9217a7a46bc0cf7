"""One BLAS thread a test process: several processes with several threads each would only wait for one another."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
