"""Scripts of Windows: the command prompt and PowerShell."""
