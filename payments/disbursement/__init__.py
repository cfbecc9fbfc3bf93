"""Money that leaves: refunds, payouts, disputes."""
