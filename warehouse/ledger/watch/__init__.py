"""What is wrong and who was told: activity, incidents, alerts."""
