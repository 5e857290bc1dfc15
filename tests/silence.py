"""Connections between the host and the router of a home that fall silent: their packets vanish, and nobody is told."""

from collections.abc import Iterable

from home import Home

# Dropped where they arrive: who sends them sees nothing of it, as behind a wall.
_TABLE = """
table inet silence {{
  set ports {{ type inet_service; }}
  chain input {{ type filter hook input priority 0; tcp {end} @ports drop; }}
}}
"""


class Silence:
    """The connections of the host's TCP ports."""

    def __init__(self, home: Home) -> None:
        self._ends = (home.router, home.host)
        home.router.run("nft", "-f", "-", input=_TABLE.format(end="sport"))
        home.host.run("nft", "-f", "-", input=_TABLE.format(end="dport"))

    def fall(self, ports: Iterable[int]) -> None:
        """From now on nothing of these ports arrives, either way."""
        listed = ", ".join(map(str, ports))
        self._nft(f"add element inet silence ports {{ {listed} }}")

    def end(self) -> None:
        """Everything arrives again."""
        self._nft("flush set inet silence ports")

    def _nft(self, command: str) -> None:
        for end in self._ends:
            end.run("nft", command)
