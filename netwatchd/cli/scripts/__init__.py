"""What makes shells complete the command line: a file a shell, each of which writes a script for it."""
