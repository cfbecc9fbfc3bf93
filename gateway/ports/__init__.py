"""What the rules ask of the world, as protocols and the values that cross them."""
