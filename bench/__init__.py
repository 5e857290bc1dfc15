"""What `make bench` measures: rates, delays, memory, wear and start-up, on this machine, by the real daemon.

Each part prints its figures as it gets them; nothing is asserted. Who changes what they measure writes the new
figures, with the machine and the date, into docs/BENCHMARKS.md.
"""
