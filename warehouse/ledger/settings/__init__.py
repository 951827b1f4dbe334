"""What operators configure: connections, channels, storages, file jobs, carriers, tokens."""
