"""What Prometheus reads at GET /metrics: the daemon's counters and figures, as they are when it asks.

    names       every metric: its name, type, meaning and labels; needs no library
    counted     which counter becomes which metric
    figures     what is no counter: gauges, and traffic
    asked       whom they are made of
    bounds      no word from outside makes a label without end
    exposition  the text of it, by prometheus-client; it and all but `asked` are loaded when somebody asks

Nothing is counted here a second time, and a daemon that nobody asks pays nothing for it.
"""
