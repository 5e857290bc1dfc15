"""The verbs that serve: run and check-config."""

import argparse
import logging
import os
import sys

from netwatchd import config, journal

log = logging.getLogger(__name__)

FAILED, CONFIG = 1, os.EX_CONFIG


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


def _serve(settings: config.Config) -> int:
    # Here, so that the verbs that only look do not load what only serves.
    from netwatchd.daemon import CannotStart, Daemon

    try:
        return Daemon(settings, journal.ServiceManager()).run()
    except CannotStart as error:
        log.critical("%s", error)
        return FAILED
