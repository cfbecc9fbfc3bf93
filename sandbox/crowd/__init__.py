"""A simulated crowd: many voters on all channels, who do what people do."""
