"""Read-only runs of trainings that plasma-tui did not start: of a console log, of checkpoints and event files.

In: files of somebody's training, which are never changed. Out: a complete run folder.
Begin at `from_log.run_of_log` (`inspect`, `replay LOG`) and `from_files.import_training` (`import`).
"""
