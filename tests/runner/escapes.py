"""Programs that try to stay when their step is over. Each says `ready` once it has got away, and each ends by itself
within half a minute, or after some hundred forks, should nobody end it. `TOKEN` is put into their command lines.
"""

from tests.runner.steps import python

_STAY = """
import os, signal, sys, time
def stay():
    end = time.monotonic() + 30
    while time.monotonic() < end: time.sleep(0.1)
"""

_FORK_TWICE = _STAY + """
if os.fork() == 0:
    if os.fork() == 0:
        print("ready", flush=True); stay()
    os._exit(0)
os.wait(); stay()
"""

_DEAF = _STAY + """
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT): signal.signal(number, signal.SIG_IGN)
print("ready", flush=True); stay()
"""

_DAEMON = _STAY + """
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if os.fork() == 0:
        print("ready", flush=True)
        for descriptor in range(3): os.close(descriptor)
        stay()
    os._exit(0)
os.wait(); stay()
"""

_REBORN = _STAY + """
left = 300
def again(*_):
    global left
    left -= 1
    if left > 0 and os.fork() == 0: os.setsid()
signal.signal(signal.SIGTERM, again); signal.signal(signal.SIGCHLD, signal.SIG_IGN)
print("ready", flush=True); stay()
"""

_HOPPING = _STAY + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
end = time.monotonic() + 20
for hop in range(20000):
    if time.monotonic() > end: break
    if os.fork(): os._exit(0)
    if hop % 10 == 0: os.setsid()
"""

_ADOPTING = _STAY + """
import ctypes
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(5):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0: stay()
        os._exit(0)
print("ready", flush=True); stay()
"""

_BY_A_THREAD = _STAY + """
import threading
def fork():
    if os.fork() == 0:
        os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("ready", flush=True); stay(); os._exit(0)
    stay()
threading.Thread(target=fork).start(); stay()
"""

_CROWD = _STAY + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(50):
    if os.fork() == 0: os.setsid(); stay(); os._exit(0)
print("ready", flush=True); stay()
"""

_STOPPED = _STAY + """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True); os.kill(os.getpid(), signal.SIGSTOP); stay()
"""

ESCAPES = {
    "forks twice": python(_FORK_TWICE, "TOKEN"),
    "hears no signal": python(_DEAF, "TOKEN"),
    "a daemon": python(_DAEMON, "TOKEN"),
    "without its environment": "env -i " + python(_DAEMON, "TOKEN"),
    "forks when it is to end": python(_REBORN, "TOKEN"),
    "forks and ends, again and again": python(_HOPPING, "TOKEN") + "; : TOKEN; sleep 30",
    "adopts its own": python(_ADOPTING, "TOKEN"),
    "by a thread": python(_BY_A_THREAD, "TOKEN"),
    "a crowd": python(_CROWD, "TOKEN"),
    "stands still": python(_STOPPED, "TOKEN"),
    "a shell that traps": "trap '' TERM INT HUP; : TOKEN; echo ready; n=0; "
    "while [ $n -lt 300 ]; do n=$((n+1)); sleep 0.1; done",
}
