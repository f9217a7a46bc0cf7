"""What training needs besides layers."""

from lampion.utils import checkpoint, data

__all__ = ["checkpoint", "data"]
