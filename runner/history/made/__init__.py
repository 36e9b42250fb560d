"""Runs made of what was there before, or elsewhere: of a console log, of checkpoints and event files.

They are read-only. Nothing was started for them, nothing will be, and what they were made of is never
touched.
"""
