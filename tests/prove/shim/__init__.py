"""A library loaded before libc, which records a process's disk and lets calls fail; and what reads its records."""
