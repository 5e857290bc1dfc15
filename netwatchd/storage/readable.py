"""SQL that shows as text what is stored compactly: what the views are made of."""

from netwatchd.events import PROTOCOL_NAMES


def protocols_sql() -> str:
    """SQL for the cases of a protocol's number."""
    return " ".join(f"WHEN {number} THEN '{name}'" for number, name in PROTOCOL_NAMES.items())


def address_sql(column: str) -> str:
    """SQL for an address column as text: dotted decimal, or IPv6 as RFC 5952 wants it.

    The eight groups without leading zeros are joined between colons; then the first of the longest runs of two or
    more zero groups becomes `::`. IPv4 within IPv6 (RFC 4291 section 2.5.5) keeps its dots.
    """
    octets = "||'.'||".join(f"({column} >> {shift} & 255)" for shift in (24, 16, 8, 0))
    digits = f"lower(hex({column}))"
    groups = "||':'||".join(
        f"coalesce(nullif(ltrim(substr({digits}, {at}, 4), '0'), ''), '0')" for at in range(1, 33, 4)
    )
    runs = ((":" + "0:" * n) for n in range(8, 1, -1))
    cases = " ".join(
        f"WHEN instr(t, '{run}') THEN substr(t, 1, instr(t, '{run}')) || substr(t, instr(t, '{run}') + {len(run) - 1})"
        for run in runs
    )
    # Outer colons stay where they belong to the `::` only.
    trimmed = "ltrim(substr(u, 1, 2), CASE WHEN substr(u, 1, 2) = '::' THEN '' ELSE ':' END) || substr(u, 3)"
    ended = "CASE WHEN v LIKE '%::' THEN v ELSE rtrim(v, ':') END"
    ipv6 = (
        f"(SELECT {ended} FROM (SELECT {trimmed} AS v FROM (SELECT CASE {cases} ELSE t END AS u "
        f"FROM (SELECT ':'||{groups}||':' AS t))))"
    )
    last = "||'.'||".join(_octet_sql(digits, at) for at in range(25, 33, 2))
    return f"""CASE WHEN typeof({column}) = 'integer' THEN {octets}
        WHEN {digits} LIKE '{"0" * 20}ffff%' THEN '::ffff:'||{last}
        WHEN {digits} LIKE '{"0" * 24}%' AND substr({digits}, 25, 4) <> '0000' THEN '::'||{last}
        ELSE {ipv6} END"""


def _octet_sql(digits: str, at: int) -> str:
    """SQL for two hexadecimal digits as a number."""
    high, low = (f"(instr('123456789abcdef', substr({digits}, {place}, 1)))" for place in (at, at + 1))
    return f"({high} * 16 + {low})"


def mac_sql(column: str) -> str:
    """SQL for a MAC that netwatchd 0.1 stored as a number; an address is text already."""
    octets = "||':'||".join(f"printf('%02x', {column} >> {shift} & 255)" for shift in range(40, -1, -8))
    return f"CASE typeof({column}) WHEN 'integer' THEN {octets} ELSE {column} END"
