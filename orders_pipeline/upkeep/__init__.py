"""What keeps an installation sound: its doctor, the purge of personal data, Dagster's old runs."""
