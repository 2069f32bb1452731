"""Several processes on one database: races, kills and crashes."""
