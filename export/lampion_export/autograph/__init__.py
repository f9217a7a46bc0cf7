"""Python's control flow in the user's functions, converted so that tracing keeps it.

source -> rewrite -> conversion: the tree of a function's source, its new form, the new function
operators, builtins: what rewritten code calls
blocks: branches and loops as If and Loop; heap: what they can change; templates: how two ways are joined
growing, proxies: lists of unknown length, and other stand-ins
"""

from pathlib import Path

from lampion.errors import not_the_users
from lampion_export.autograph.conversion import converted

not_the_users(Path(__file__).parent.parent)

__all__ = ["converted"]
