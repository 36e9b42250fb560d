"""Telling people: what is worth a notice, where it goes, and the short-lived process that sends it."""
