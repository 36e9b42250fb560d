"""One panel, one file: its words, its rows, its widget."""
