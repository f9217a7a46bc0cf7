"""What rewritten code calls, by the names that it has for it."""

from __future__ import annotations

from lampion_export.autograph import builtins as _builtins  # noqa: F401 - registers what stands for Python's functions
from lampion_export.autograph.calls import called
from lampion_export.autograph.conversion import OPERATORS, own
from lampion_export.autograph.decisions import and_, choose, compare, not_, or_
from lampion_export.autograph.items import comprehension, item, list_, spread, text
from lampion_export.autograph.sequences import Generator
from lampion_export.autograph.statements import assert_, for_, if_, raise_, trying, while_

OPERATORS.update(
    and_=and_, assert_=assert_, called=called, choose=choose, compare=compare, comprehension=comprehension, for_=for_,
    generator=Generator, if_=if_, item=item, list_=list_, not_=not_, or_=or_, own=own, raise_=raise_, spread=spread,
    text=text, trying=trying, while_=while_,
)  # fmt: skip
