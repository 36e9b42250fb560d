"""Slurm through its commands: sbatch, squeue, scontrol, scancel, and sacct where accounting is on.

Text with explicit formats, never JSON: its shape changed three times between 22.05 and 24.05.
"""
