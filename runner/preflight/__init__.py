"""Preflight: checks before a start, each with its evidence and, if there is one, a fix.

In: a configuration and the machine. Out: `CheckResult`s, each with what to do. Begin with `registry`;
a new check is one `@check` function in a file of `checks`.
"""
