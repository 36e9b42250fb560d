"""The review of a run: its outcome, its best checkpoint, and all other known facts. In: a run folder and the
files next to it (`gather.review_of` reads all of them). Out: a `Document` of sections (`document_of`) for
Markdown and the screen, and JSON (`as_json`). Begin with `model.Review`.
"""
