"""The verbs that serve: run and check-config."""

import argparse
import gc
import logging
import os
import resource
import sys

from netwatchd import config, journal

log = logging.getLogger(__name__)

FAILED, CONFIG = 1, os.EX_CONFIG
# Open files besides clients and writers: who is answered and sent away, the databases, the sources, the libraries.
OTHER_FILES = 256
# A batch of flows is thousands of tuples that live for a moment and are part of no cycle. To look for cycles among
# them after every 700 new ones, as Python does unless told otherwise, costs more than making them.
GARBAGE_THRESHOLDS = (50_000, 20, 50)


def run(options: argparse.Namespace) -> int:
    """Runs the daemon until a signal ends it."""
    settings = _settings(options)
    if settings is None:
        return CONFIG
    journal.start_logging(settings.logging.level)
    if not options.daemon:
        return _serve(settings)
    from netwatchd import detach
    from netwatchd.pidfile import AlreadyRunning

    try:
        context = detach.detached(settings)
        with context:
            detach.after_detaching(settings.logging.level)
            return _serve(settings)
    except (AlreadyRunning, OSError) as error:
        log.error("cannot detach: %s", error)
        return FAILED


def check_config(options: argparse.Namespace) -> int:
    """Names every mistake, or says that there is none."""
    settings = _settings(options)
    if settings is None:
        return CONFIG
    print(f"{settings.path or 'the defaults (there is no ' + str(config.DEFAULT_PATH) + ')'}: no mistakes")
    return 0


def _settings(options: argparse.Namespace) -> config.Config | None:
    try:
        return config.load(options.config)
    except config.ConfigError as error:
        print(error, file=sys.stderr)
        return None


def _allow_open_files(settings: config.Config) -> None:
    """Raises the limit of open files, which shells keep at 1024 for programs of old, to what the settings promise."""
    clients = settings.websocket.max_clients
    needed = clients + settings.json.max_connections + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        log.warning(
            "max_clients = %d needs %d open files; %d are allowed (LimitNOFILE, ulimit -n)", clients, needed, hard
        )
        needed = hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _serve(settings: config.Config) -> int:
    _allow_open_files(settings)
    gc.collect()  # the parser of the command line, whose room the daemon's modules can have
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    # Here, so that the verbs that only look do not load what only serves.
    from netwatchd.daemon import Daemon
    from netwatchd.places import CannotStart

    try:
        return Daemon(settings, journal.ServiceManager()).run()
    except CannotStart as error:
        log.critical("%s", error)
        return FAILED
