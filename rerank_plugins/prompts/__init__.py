"""Prompts, one per file, each with the parser of its reply beside it."""
