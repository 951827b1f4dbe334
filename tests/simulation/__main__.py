"""`python -m tests.simulation`: worlds from seeds, judged hour by hour; the first that fails is told as a short story."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter

EXAMPLES = """
examples:
  python -m tests.simulation                       eight worlds of 230 ticks each, as the tests run them
  python -m tests.simulation --seeds 1000          a night
  python -m tests.simulation --seed 17 --diary     one world again, with all that happened in it
  python -m tests.simulation --seed 17 --shrink 600
                                                   ten minutes of looking for a shorter story that fails in the same way
  python -m tests.simulation --pass-over 'shipment doubled'
                                                   as if that rule were none

The same seed and number of ticks give the same story to the last call. A story is the list of its steps; what is printed
after shrinking can be given to `running.run` as it stands.
"""


def main() -> int:
    """Run worlds until one fails; 1 when one does."""
    asked = _parser().parse_args()
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is chance too
        os.execve(  # noqa: S606 - ourselves
            sys.executable,
            [sys.executable, "-m", "tests.simulation", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    from tests.simulation.running import run  # noqa: PLC0415 - only now is the order of sets settled
    from tests.simulation.shrinking import shrunk  # noqa: PLC0415 - as above
    from tests.simulation.story import written  # noqa: PLC0415 - as above

    passed_over = frozenset(asked.pass_over)
    seeds = [asked.seed] if asked.seed is not None else list(range(asked.first, asked.first + asked.seeds))
    totals: Counter[str] = Counter()
    days = seconds = 0.0
    failed = 0
    for seed in seeds:
        steps = written(seed, asked.ticks)
        outcome = run(seed, steps, passed_over)
        totals += outcome.counts
        days, seconds = days + outcome.days, seconds + outcome.seconds
        _say(f"seed {seed}: {outcome}")
        if asked.diary:
            _say("\n".join(outcome.diary))
        if not outcome.findings:
            continue
        failed += 1
        if asked.shrink:
            story, outcome = shrunk(outcome, steps, seconds=asked.shrink, passed_over=passed_over, tell=_progress)
            _say("\n".join(f"    {each}," for each in story))
            _say("\n".join(outcome.diary))
        _say("\n".join(f"  {each}" for each in outcome.findings))
        if not asked.go_on:
            break
    told = f"{totals['ticks']} ticks, {totals['kills']} kills, {days:.0f} simulated days, {seconds:.0f} CPU s"
    _say(f"{told}, {failed} worlds failed")
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seeds", type=int, default=8, help="how many worlds (default: 8)")
    parser.add_argument("--first", type=int, default=1, help="seed of the first of them (default: 1)")
    parser.add_argument("--seed", type=int, help="this one world only")
    parser.add_argument("--ticks", type=int, default=230, help="ticks of a world (default: 230)")
    parser.add_argument("--diary", action="store_true", help="print what happened")
    parser.add_argument("--shrink", type=float, default=0.0, metavar="SECONDS", help="look for a shorter story so long")
    parser.add_argument("--go-on", action="store_true", help="do not stop at the first world that fails")
    parser.add_argument("--pass-over", action="append", default=[], metavar="RULE", help="do not look at this rule")
    return parser


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - the result


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - progress


if __name__ == "__main__":
    sys.exit(main())
