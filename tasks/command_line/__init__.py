"""The command line's terminal output, exit statuses, and model inspection."""
