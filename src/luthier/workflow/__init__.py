"""The nine steps from data to a confirmed model."""
