"""Preflight: one check, one file, each with its evidence.

In: a configuration and the machine. Out: `CheckResult`s, each with what to do. Begin with `registry`.
"""
