"""Signal processing: `lampion.signal.windows`."""

from lampion.signal import windows

__all__ = ["windows"]
