"""What the doctor finds: a part, how it is, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from warehouse.ledger.base.database import Ledger
from warehouse.privacy import KeyRing

if TYPE_CHECKING:
    from warehouse.settings import Settings


class DoctorVerdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class DoctorFinding:
    """What was seen of one part, and what to do about it."""

    part: str
    verdict: DoctorVerdict
    seen: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """What is examined; `keys` is None when the key ring does not open, `ledger` when there is none to look at."""

    settings: Settings
    now: datetime
    keys: KeyRing | None
    ledger: Ledger | None


def age(seconds: float) -> float:
    """An age for people: two clocks that differ a little make no time before its beginning."""
    return max(0.0, seconds)


def graded(is_odd: bool, is_bad: bool = False) -> DoctorVerdict:  # noqa: FBT001, FBT002 - two questions, one answer
    """How bad a part is."""
    return DoctorVerdict.FAIL if is_bad else DoctorVerdict.WARN if is_odd else DoctorVerdict.OK


def hint_if(condition: object, hint: str) -> str:
    """What to do, where there is anything to be done."""
    return hint if condition else ""
