"""Which stand-ins there are, by the kind of their marketplace. Adding one is a module beside this and a line here.

A test compares it with the kinds that the pipeline knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.sandbox.amazon.server import AmazonSandbox
from orders_pipeline.sandbox.mirakl.server import MiraklSandbox

if TYPE_CHECKING:
    from orders_pipeline.sandbox.engine import Sandbox

SANDBOXES: dict[str, type[Sandbox]] = {each.kind: each for each in (AmazonSandbox, MiraklSandbox)}
