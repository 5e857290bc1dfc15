"""What comes out of any decoder must be fit for the database, and for the clients."""

import json

from store_kit import NOON

from netwatchd.addresses import address_text, parse_address, parse_mac
from netwatchd.broadcast import messages
from netwatchd.decoders import json_lines
from netwatchd.events import Flow, Sighting, Threat
from netwatchd.observations import DnsMessage, Observation
from netwatchd.storage import schema


def check_event(event: Sighting | Flow | Threat | Observation) -> str:
    """What comes out of a decoder is fit for the database and for the clients."""
    if isinstance(event, Threat):
        schema.threat_row(event)
        messages.update(1, NOON, event)
        json.loads(schema.threat_row(event)[7])
    elif isinstance(event, Flow):
        messages.update(1, NOON, event)
        assert all(isinstance(value, int | bytes | str | None) for value in event)
        assert all(0 <= value < 2**63 for value in event if isinstance(value, int))
    elif isinstance(event, Observation):
        assert 0 <= event.time < json_lines.END_OF_TIME
        assert not isinstance(event, DnsMessage) or (event.name.isascii() and event.name.isprintable())
    else:
        assert event.mac is None or parse_mac(event.mac) == event.mac
        assert all(parse_address(address_text(ip)) == ip for ip in event.ips)
        assert 0 <= event.time < json_lines.END_OF_TIME
        for text in (event.hostname, event.vendor, event.name):
            assert text is None or text.isprintable()
    return type(event).__name__
