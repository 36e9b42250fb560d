"""The version of the summary's form: docs/summary.md. A new key raises the second number, a key that goes or
means something else the first."""

SUMMARY_VERSION = "1.0"
