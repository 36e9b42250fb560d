"""Sentences and rows that screen, command and summary share. Pure: no textual, no I/O."""
