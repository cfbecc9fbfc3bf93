"""Photos of candidates and pictures of brands: checked, cut to size in a process apart, kept."""
