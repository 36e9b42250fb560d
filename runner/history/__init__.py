"""Past runs: summary, comparison, replay, samples, imports. In: run folders. Out: documents, tables and
snapshots; runs are never changed. Begin with `summary`, `compare` or `replay`.
"""
