"""Bytes to events. Pure: no socket, clock or thread in here, so that everything is tested with bytes alone."""
