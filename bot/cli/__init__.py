"""The command line. Files with commands are light; what a command does is imported when it runs."""
