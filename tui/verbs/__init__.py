"""What each verb of the command does; one file for what belongs together."""
