"""Acts of staff about money: one person asks, another one agrees."""
