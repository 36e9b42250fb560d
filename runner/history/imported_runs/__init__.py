"""Read-only runs of trainings that plasma-tui did not start: from a console log, or from checkpoints and
event files. In: files of a training, which are never changed. Out: a complete run folder. Begin at
`from_log.run_of_log` (`inspect`, `replay LOG`) and `from_files.import_training` (`import`).
"""
