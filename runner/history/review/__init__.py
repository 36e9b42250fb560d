"""The review of a run: what came of it, which checkpoint is best, and what else is known of it.

In: a run folder and the files beside it (`gather.review_of` reads all of them). Out: a `Document` of sections
(`document_of`) for Markdown and the screen, and JSON (`as_json`). Begin with `model.Review`.
"""
