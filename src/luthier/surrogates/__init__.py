"""Models of an objective that were learned from trials, for samplers, analysis and more to come."""
