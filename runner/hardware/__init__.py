"""Hardware readings: one source, one file; who uses the GPU; why steps became slower. In: drivers and system
files. Out: `HardwareSample`, each field optional, with the reason if missing. Begin with `source` (what a
source is) and `board` (all of them as one sample; a new source is listed there).
"""
