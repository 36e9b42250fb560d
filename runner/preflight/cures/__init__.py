"""Fixes that plasma-tui can apply itself, after the user has seen them."""
