"""Looking back: summary, comparison, replay, samples, imported runs.

In: run folders. Out: documents, tables and snapshots; nothing of a run is changed. Begin with `summary`,
`compare` or `replay`.
"""
