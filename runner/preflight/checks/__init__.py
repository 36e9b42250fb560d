"""The checks, a file a topic.

Every module in here is imported by `runner.preflight.registry`, and `@check` registers what it holds.
"""
