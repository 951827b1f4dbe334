"""Runs that may be killed: a program that has everything imported forks for each command, so that a run costs its work alone.

A command is a line of JSON on the program's standard input. It answers with the fork's process id and, when that has ended,
with its wait status. Not a test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


class ForkingProgram:
    """A program of this folder, seen from the test."""

    def __init__(self, name: str, log: Path, environment: Mapping[str, str], *arguments: str) -> None:
        self.log = log
        self._output = log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / f"{name}.py"), *arguments],
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
            cwd=log.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._output,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands, self._answers = self._process.stdin, self._process.stdout

    def begin(self, command: Mapping[str, object]) -> int:
        """Let a fork carry the command out; its process id."""
        self._commands.write(json.dumps(command) + "\n")
        self._commands.flush()
        return int(self._answers.readline())

    def end(self) -> int:
        """Wait for the fork; 0 when it succeeded, minus the signal when it was killed."""
        return os.waitstatus_to_exitcode(int(self._answers.readline()))

    def close(self) -> None:
        """End the program."""
        self._commands.close()
        self._process.wait(timeout=30)
        self._answers.close()
        self._output.close()


def serve(run: Callable[[dict[str, Any]], int]) -> None:
    """The program's side: carry commands out until standard input ends; 0 is the answer of one that succeeded."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = run(json.loads(line))
            except Exception:  # noqa: BLE001 - the test is told by the status, a person by the log
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(pid, flush=True)  # noqa: T201 - the protocol
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)  # noqa: T201 - the protocol
