"""What goes wrong on demand, how many calls a second are let through, and the record of all calls."""

import time
from dataclasses import dataclass

# A silence is no longer than this, whatever a test says.
LONGEST_SILENCE_SECONDS = 120


@dataclass
class Fault:
    """Befalls the next `times` calls of `operation` (`*`: of any), after letting `skip` of them pass.

    kind: `status` (an HTTP status with a body that no service model knows), `silence` (no reply for `seconds`, then a
    cut), `cut` (the connection is reset), `exception` (AWS's exception `code` with `message`).
    carried_out: whether the call does its work before that.
    """

    operation: str
    kind: str
    times: int = 1
    skip: int = 0
    carried_out: bool = False
    status: int = 0
    seconds: float = 30
    code: str = "InternalServiceErrorException"
    message: str = "Internal service error"

    def __post_init__(self):
        if self.kind not in ("status", "silence", "cut", "exception"):
            raise ValueError(f"no kind of fault: {self.kind}")
        self.seconds = min(self.seconds, LONGEST_SILENCE_SECONDS)
        if not self.status:
            self.status = 400 if self.kind == "exception" and self.code != "InternalServiceErrorException" else 500


class Faults:
    def __init__(self):
        self.waiting = []

    def befalls(self, operation):
        """The fault of this call, if any; its count goes down."""
        for fault in self.waiting:
            if fault.operation not in ("*", operation):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self.waiting.remove(fault)
            return fault
        return None


class Throttle:
    """A bucket of `burst` calls that fills by `rate` a second. Route 53 Developer Guide, quotas on API requests: five
    a second for each account and Region; the size of the bucket isn't documented."""

    def __init__(self, rate=None, burst=5):
        self.rate, self.burst = rate, burst
        self.left, self.at = float(burst), time.monotonic()

    def lets_pass(self):
        if self.rate is None:
            return True
        now = time.monotonic()
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Journal:
    """Every call in order. `ms` counts from the start of the shim."""

    def __init__(self):
        self.calls, self.started = [], time.monotonic()

    def arrived(self, service, region, operation, arguments):
        call = {"number": len(self.calls) + 1, "ms": self.ms(), "service": service, "region": region,
                "operation": operation, "arguments": arguments, "status": None, "error": None, "message": None,
                "result": None, "fault": None, "carried_out": False, "attached": {}}
        self.calls.append(call)
        return call

    def ms(self):
        return round((time.monotonic() - self.started) * 1000, 1)

    def rates(self):
        """Calls that arrived in each second, by service."""
        rates = {}
        for call in self.calls:
            seconds = rates.setdefault(call["service"], {})
            second = int(call["ms"] // 1000)
            seconds[second] = seconds.get(second, 0) + 1
        return rates
