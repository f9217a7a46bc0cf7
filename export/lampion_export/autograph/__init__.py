"""Python's control flow in the user's functions, converted so that tracing keeps it.

source -> rewrite -> conversion                      a function's tree, its new form, the new function
decisions, statements, items, calls, builtins        what rewritten code calls (operators lists it)
blocks                                               branches and loops as If and Loop
places, heap                                         what a piece of a program can change
templates, packing                                   how two ways are joined, and passed as Tensors
growing, sequences, proxies                          lists of unknown length, and other stand-ins
"""

from pathlib import Path

from lampion.errors import not_the_users
from lampion_export.autograph import operators as _operators  # noqa: F401 - what rewritten code calls
from lampion_export.autograph.conversion import converted

not_the_users(Path(__file__).parent.parent)

__all__ = ["converted"]
