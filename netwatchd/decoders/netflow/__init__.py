"""NetFlow v1, v5, v7, v9 (RFC 3954) and IPFIX (RFC 7011) datagrams to Flows.

Theory: exporters describe their records by templates, and send the same few for months. So a template is turned once
into one struct.Struct and one loop, written for exactly its fields, which turns a data set into canonical records
(`layout`, `loops`); the fixed records of the older versions are templates that we know. Records that hold one
direction wait a moment for the other one (`halves`), then both are one Flow. What belongs to one stream of one
exporter (templates, sampling, its clock, its sequence numbers) lies in a `Session`; `collector` is the way in.

Nothing here knows a socket, the time or a thread. Nothing that comes from the network becomes code: the loops are
written from the fixed words of `elements`, chosen by number.
"""
