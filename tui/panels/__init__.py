"""Panels of the screen, one file each: its model, its rows, its widget."""
