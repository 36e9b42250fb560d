"""Painted rows, panel frame, list, dialog, chart, theme. Imports textual, never the app or the backend."""
