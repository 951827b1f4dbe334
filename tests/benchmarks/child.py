"""The far end of `measuring.Child`: runs one task, a step for every line that comes in, and answers with what it yields.

Standard output is for the answers alone: whatever a library prints goes to the log.
"""

from __future__ import annotations

import importlib
import json
import os
import sys


def main(module: str, name: str, arguments: str) -> None:
    """Run `module.name(*arguments)` step by step."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.stdin.readline()
    task = getattr(importlib.import_module(module), name)
    for value in task(*json.loads(arguments)):
        answers.write(json.dumps(value) + "\n")
        answers.flush()
        sys.stdin.readline()


if __name__ == "__main__":
    main(*sys.argv[1:])
