"""What training needs besides layers."""

from lampion.utils import data

__all__ = ["data"]
