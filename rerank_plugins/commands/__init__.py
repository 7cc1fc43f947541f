"""The commands, one per module, each with `add_parser` and a function that runs it and returns the exit code."""
