"""How the whole installation is doing, read across the other rooms: state of channels, measures, whether the keys fit."""
