"""Reads untrusted files and names new ones, safely and within bounds.

In: paths. Out: bytes, text, headers, or one sentence about what is wrong. Begin with `regular_file`.
"""
