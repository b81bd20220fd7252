# SPDX-License-Identifier: Apache-2.0
"""Processes of the quickstart: started, watched, restarted when they die, ended by pid."""

import os
import signal
import subprocess
import threading
import time


class Process:
    """One child. With restart=True it is started again whenever it ends without having been asked to."""

    def __init__(self, name, command, log, env=None, restart=False):
        self.name, self.command, self.log, self.env, self.restart = name, command, log, env, restart
        self.stopping, self.starts = False, 0
        self.child = None
        self._start()
        if restart:
            threading.Thread(target=self._watch, daemon=True).start()

    def _start(self):
        with open(self.log, "ab") as log:
            self.child = subprocess.Popen(self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=self.env,
                                          start_new_session=True)
        self.starts += 1

    def _watch(self):
        while not self.stopping:
            self.child.wait()
            if self.stopping:
                return
            time.sleep(0.5)
            if not self.stopping:
                self._start()

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child.poll() is None

    def kill9(self):
        os.kill(self.child.pid, signal.SIGKILL)

    def stop(self, patience_s=40):
        self.stopping = True
        if self.child.poll() is None:
            self.child.terminate()
        try:
            return self.child.wait(patience_s)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()


def wait_for(what, ready, patience_s=30, process=None):
    """Polls ready() until it returns something true."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        value = ready()
        if value:
            return value
        if process is not None and not process.restart and not process.alive():
            raise RuntimeError(f"{what}: it ended at once; see {process.log}")
        time.sleep(0.05)
    raise RuntimeError(f"{what}: not ready after {patience_s} s" + (f"; see {process.log}" if process else ""))


def read_port(path):
    try:
        with open(path, encoding="ascii") as f:
            return int(f.read().strip() or 0)
    except (OSError, ValueError):
        return 0
