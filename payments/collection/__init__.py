"""A payment on its way: asked for, asked about, called back."""
