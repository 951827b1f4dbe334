"""What pages show: the view models that templates read. Nothing here reads or decides."""
