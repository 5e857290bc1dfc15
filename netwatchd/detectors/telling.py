"""How a detector makes a threat of what it has found."""

from typing import Any

from netwatchd.catalog import KINDS
from netwatchd.events import SEVERITIES, Threat, ThreatStatus


def threat(  # noqa: PLR0913  # a threat has so many parts
    kind: str,
    severity: str,
    first: int,
    last: int,
    *,
    device: str | None,
    target: str | None,
    description: str,
    recommendation: str,
    evidence: dict[str, Any],
) -> Threat:
    """A threat as it was found from `first` to `last` (Unix ms).

    `device` is who does it: the key of a device (MAC, or address as text), or the address of somebody elsewhere.
    `target` is whom or what it is done to: `address`, `address:port`, a network, a domain. Kind, device and target are
    what makes it the same threat when it is found again, so nothing that varies from packet to packet belongs there.
    `description` says in a sentence what happened, `recommendation` what to do; `evidence` the numbers that decided.
    """
    assert kind in KINDS, f"{kind} is not in the catalog"
    assert severity in SEVERITIES
    return Threat(
        0, kind, severity, device, target, description, recommendation, evidence, first, last, 1, ThreatStatus.OPEN
    )
