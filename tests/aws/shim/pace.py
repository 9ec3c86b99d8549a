"""Changes of state that take time: by milliseconds, or by how often a client looked (a GET or LIST that showed the
object). Runs what is due; it never decides what a state is.
"""

import time
from dataclasses import dataclass
from typing import Callable

# No test should ever come near it; a chain of steps that feeds itself must end.
MOST_STEPS_AT_ONCE = 10_000


@dataclass
class Step:
    identity: str
    due: float
    looks_left: int
    run: Callable[[], None]


class Pace:
    """`looks` counts, when given, else `ms`."""

    def __init__(self, ms=50, looks=None):
        self.ms, self.looks = ms, looks
        self.steps = []
        self._now = None

    def set(self, ms=50, looks=None):
        """For the steps that begin from now on; a step that was begun by the clock is then due by looks at once."""
        self.ms, self.looks = ms, looks

    def later(self, identity, run):
        """Runs it one step of time from now: from the moment that caused it, when one step leads to another."""
        now = time.monotonic() if self._now is None else self._now
        self.steps.append(Step(identity, now + self.ms / 1000, self.looks or 0, run))

    def forget(self, identity):
        self.steps = [step for step in self.steps if step.identity != identity]

    def advance(self):
        """Runs what is due by the clock."""
        if self.looks is not None:
            return
        for _ in range(MOST_STEPS_AT_ONCE):
            due = [step for step in self.steps if step.due <= time.monotonic()]
            if not due:
                return
            step = min(due, key=lambda step: step.due)
            self.steps.remove(step)
            self._now = step.due
            try:
                step.run()
            finally:
                self._now = None
        raise RuntimeError("steps without end")

    def looked_at(self, identities):
        """Counts a look at each of these objects. What it moves is shown by the next look."""
        if self.looks is None:
            return
        for step in [step for step in self.steps if step.identity in identities]:
            step.looks_left -= 1
            if step.looks_left <= 0:
                self.steps.remove(step)
                step.run()
