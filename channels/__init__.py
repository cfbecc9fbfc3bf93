"""How voters reach us: one folder a channel, one file an aggregator or carrier."""
