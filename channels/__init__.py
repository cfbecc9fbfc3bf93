"""How voters reach us: one room a channel, one file an aggregator or carrier."""
