"""Why a run failed: causes as rows of data (`causes/*.toml`), one matcher.

In: evidence from the console log, and the settings. Out: a `Cause` with fixes that work on the platform.
Begin with `catalogue`.
"""
