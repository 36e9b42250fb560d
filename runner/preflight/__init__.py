"""Preflight: one check, one file, each with its evidence."""
