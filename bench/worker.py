"""A tool in a process of its own, which answers over a pipe: none sees another's libraries,
memory or crash."""

import gc
import multiprocessing
import time
import warnings
from collections import namedtuple

import tools

Done = namedtuple("Done", "answer seconds peak_mb notes")


class Cannot(Exception):
    """The tool has nothing for this task."""


class Failed(Exception):
    """It should have answered."""


def forget_peak():
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")


def peak_mb():
    """The most memory that this process has had since."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) / 1024


def serve(pipe, name, settings):
    """Runs until it is told "stop"."""
    warnings.simplefilter("ignore")
    tool = None
    while True:
        what, *arguments = pipe.recv()
        if what == "stop":
            return
        try:
            tool = tool or tools.make(name, settings)
            if what in tool.cannot:
                raise Cannot(tool.cannot[what])
            gc.collect()
            forget_peak()
            start = time.perf_counter()
            answer = getattr(tool, what)(*arguments)
            seconds = time.perf_counter() - start
            pipe.send(Done(answer, seconds, peak_mb(), tool.notes()))
        except Cannot as reason:
            pipe.send(reason)
        except Exception as error:  # whatever it is, the report has to say it
            pipe.send(Failed("%s: %s" % (type(error).__name__, error)))


class Worker:
    def __init__(self, name, settings):
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, name, settings), daemon=True)
        self.process.start()
        theirs.close()

    def ask(self, what, *arguments):
        """Calls a method of the tool: Done, or raises Cannot or Failed."""
        try:
            self.pipe.send((what, *arguments))
            reply = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            raise Failed("the process died, exit status %s" % self.process.exitcode) from None
        if isinstance(reply, Exception):
            raise reply
        return reply

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.pipe.send(("stop",))
        except OSError:
            pass  # dead already
        self.process.join()
