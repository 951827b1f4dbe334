"""Cutting a failing story down to what it takes: fewer steps, and calm ones where no trouble is needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.simulation.running import Outcome, run
from tests.simulation.story import Step

Tell = Callable[[str], None]


def shrunk(
    failed: Outcome,
    steps: Sequence[Step],
    *,
    seconds: float,
    passed_over: frozenset[str] = frozenset(),
    tell: Tell = print,
) -> tuple[Sequence[Step], Outcome]:
    """Find a shorter story in which the same rule is broken.

    Args:
        failed: What came of the story.
        steps: The story.
        seconds: How long to search at most.
        passed_over: Rules that are not looked at.
        tell: Is told of the progress.

    Returns:
        The story, and what came of it.
    """
    rules = {each.rule for each in failed.findings}
    rule = failed.findings[0].rule
    best, outcome = list(steps[: failed.step]), failed
    ends_at = time.monotonic() + seconds

    def attempt(candidate: list[Step]) -> bool:
        nonlocal best, outcome
        if time.monotonic() > ends_at:
            return False
        tried = run(failed.seed, candidate, passed_over)
        if not any(each.rule == rule for each in tried.findings):
            return False
        best, outcome = candidate[: tried.step], tried
        tell(f"{len(best)} steps")
        return True

    tell(f"{len(best)} steps break {', '.join(sorted(rules))}")
    attempt([replace(each, is_calm=True) for each in best])
    size = max(1, len(best) // 2)
    while time.monotonic() < ends_at:
        start, is_shorter = 0, False
        while start < len(best):
            # One step is removed at a time in the end; most of them early, while runs are long.
            if attempt(best[:start] + best[start + size :]):
                is_shorter = True
            else:
                start += size
        if size == 1 and not is_shorter:
            break
        size = max(1, min(size // 2, len(best) // 2))
    for place, step in enumerate(best):
        if not step.is_calm:
            attempt([*best[:place], replace(step, is_calm=True), *best[place + 1 :]])
    return best, outcome
