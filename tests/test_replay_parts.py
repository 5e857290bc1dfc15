"""The parts of a replay that are more than their sum: ids of the past, and datagrams out of packets."""
