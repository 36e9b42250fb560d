"""Why a run ended as it did: causes as data, one matcher.

In: the evidence of a console and the settings. Out: a `Cause` with cures that the platform allows. Begin with
`catalogue`.
"""
