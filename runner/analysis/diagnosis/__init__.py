"""Why a run ended as it did: causes as rows of data (`causes/*.toml`), one matcher.

In: the evidence of a console and the settings. Out: a `Cause` with fixes that the platform allows. Begin with
`catalogue`.
"""
