"""One file per tuner, each written the way its own users would call it."""
