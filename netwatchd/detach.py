"""`netwatchd run --daemon`, for systems without systemd: detached, with dropped privileges."""

import ctypes
import logging
import logging.handlers
import os
import pwd
import struct
from pathlib import Path

import daemon

from netwatchd import config
from netwatchd.pidfile import PID_FILE, PidFile

log = logging.getLogger(__name__)

USER = "netwatchd"  # whom `make install` creates
_CAP_NET_ADMIN, _CAP_NET_RAW = 12, 13  # linux/capability.h
_KEPT = 1 << _CAP_NET_ADMIN | 1 << _CAP_NET_RAW
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_KEEPCAPS = 8  # linux/prctl.h
SYSLOG = Path("/dev/log")


def detached(settings: config.Config) -> daemon.DaemonContext:
    """The context in which the daemon runs detached; raises AlreadyRunning before anything is detached.

    Started by root, it goes on as the user netwatchd, where there is one, with CAP_NET_ADMIN and CAP_NET_RAW only.
    """
    runtime = config.runtime_directory()
    runtime.mkdir(parents=True, exist_ok=True)
    with PidFile(runtime / PID_FILE):
        pass  # whoever runs already is named on the terminal, not in a log
    user = _user()
    if user is not None:
        for directory in (runtime, config.state_directory(settings)):
            _give(directory, user)
        _keep_capabilities()
        os.setgid(user.pw_gid)  # asked for initgroups, python-daemon sets the supplementary groups only
    identity = {"uid": user.pw_uid, "gid": user.pw_gid, "initgroups": True} if user else {}
    # Signals are the daemon's own business: it only enqueues them.
    return daemon.DaemonContext(umask=0o027, signal_map={}, **identity)


def after_detaching(level: str) -> None:
    """Once detached: keeps the two capabilities in force, and sends the log to syslog."""
    if os.getuid() != 0:
        _drop_to_kept()
    handler: logging.Handler
    if SYSLOG.exists():
        handler = logging.handlers.SysLogHandler(str(SYSLOG), logging.handlers.SysLogHandler.LOG_DAEMON)
        handler.ident = "netwatchd: "
    else:
        path = config.runtime_directory() / "netwatchd.log"
        handler = logging.handlers.RotatingFileHandler(path, maxBytes=1_000_000, backupCount=1)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    root = logging.getLogger()
    handler.filters = root.handlers[0].filters if root.handlers else []
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def _user() -> pwd.struct_passwd | None:
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        log.warning("there is no user %s to run as; running as root (make install creates it)", USER)
        return None


def _give(directory: Path, user: pwd.struct_passwd) -> None:
    """Makes a directory and what lies in it the user's; it may hold what an earlier run as root wrote."""
    directory.mkdir(parents=True, exist_ok=True)
    for path in (directory, *directory.iterdir()):
        os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _keep_capabilities() -> None:
    """The permitted capabilities survive the change of user that python-daemon does (prctl(2))."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "keeping capabilities failed")


def _drop_to_kept() -> None:
    """Leaves exactly the two capabilities, permitted and in force (capset(2), linux/capability.h)."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(struct.pack("=6I", _KEPT, _KEPT, 0, 0, 0, 0))
    if libc.capset(header, data) != 0:
        error = ctypes.get_errno()
        log.warning("running without CAP_NET_ADMIN and CAP_NET_RAW: %s", os.strerror(error))
