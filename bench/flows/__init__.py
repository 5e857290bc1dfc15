"""What `make bench-flows` measures: flows a second from exporters that netwatchd, nfcapd and nfacctd keep on a core.

In each trial a sender on one core sends datagrams at a steady rate for some seconds, and the collector, bound to
another core with all its processes and threads, stores them. A rate is kept where bytes, packets and flows that were
stored are exactly those that were sent, and the collector had nothing left to do within a tenth of that time after
the last datagram: what merely waits in large buffers is not kept up with.
"""
