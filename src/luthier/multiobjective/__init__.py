"""Several objectives: dominance, what is not dominated cut into boxes, hypervolume. Arrays in, arrays out."""
