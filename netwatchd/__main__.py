"""`python -m netwatchd` is the command `netwatchd`."""

from netwatchd.cli import main

main()
