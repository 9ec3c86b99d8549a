"""Starts the shim on a port of the kernel's choice, says `READY http://127.0.0.1:PORT` on stdout, and ends when stdin
is closed or its time is over, so that no test leaves it behind.
"""

import argparse
import os
import sys
import threading

# Before moto is loaded: it would read a thousand machine images that no test looks at.
os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"

from moto.moto_server.werkzeug_app import MotoRequestHandler  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

from .server import Shim  # noqa: E402


class Handler(MotoRequestHandler):
    def log(self, kind, message, *arguments):
        """The journal tells more."""
        if kind == "error":
            super().log(kind, message, *arguments)


def options():
    parser = argparse.ArgumentParser(prog="shim")
    parser.add_argument("--lifetime", type=float, default=900, help="ends after so many seconds")
    parser.add_argument("--ms", type=float, default=50, help="milliseconds that each step of a state takes")
    return parser.parse_args()


def wait_for_the_end(lifetime):
    """Stdin is read in a thread of its own, so that the time can run out as well."""
    closed = threading.Event()

    def read():
        while sys.stdin.buffer.read(4096):
            pass
        closed.set()

    threading.Thread(target=read, daemon=True).start()
    closed.wait(lifetime)


def main():
    chosen = options()
    shim = Shim(chosen.ms)
    server = make_server("127.0.0.1", 0, shim, threaded=True, request_handler=Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"READY http://127.0.0.1:{server.port}", flush=True)
    wait_for_the_end(chosen.lifetime)
    shim.closing.set()
    # Threads of clients that still wait are not waited for.
    os._exit(0)


main()
