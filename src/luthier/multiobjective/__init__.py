"""Several objectives: dominance, and the boxes of what is not dominated. Arrays in, arrays out."""
