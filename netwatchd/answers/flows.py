"""The newest flows."""

from pathlib import Path

from netwatchd.answers.find import find, keys_of
from netwatchd.answers.found import Found
from netwatchd.broadcast.messages import flow_json
from netwatchd.storage import queries


def flows(directory: Path, *, since: int = 0, limit: int | None = 50, device: str | None = None) -> Found:
    """The newest flows first seen at `since` (Unix ms) or later; raises NotFound, NoDatabase."""
    known = queries.read_core(directory).devices
    keys = [None] if device is None else keys_of(find(device, known))
    found = [flow for key in keys for flow in queries.flows(directory, since, limit, key)]
    found = sorted(found, key=lambda flow: -flow.id)[:limit]
    return Found([flow_json(flow) for flow in found], known)
