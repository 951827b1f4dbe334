"""Processes by name: who holds a lease or carries out a run, and whether that process of this machine has ended."""

from __future__ import annotations

import os
import socket


def write_privately() -> None:
    """Whatever this process makes from now on belongs to its user alone: folders 0700, files 0600, whatever its umask was."""
    os.umask(0o077)


def this_process() -> str:
    """This process as `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_gone(process: str | None) -> bool:
    """Whether a process was on this machine and is no more; what cannot be known is taken for alive."""
    host, _, pid = (process or "").rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
