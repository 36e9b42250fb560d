"""Untrusted bytes against every reader: one table of targets (`targets.py`) for hypothesis in the tests and for
atheris (`make fuzz`)."""
