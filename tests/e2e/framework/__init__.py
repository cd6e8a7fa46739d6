"""Real programs as objects, and clients that speak to them byte by byte."""
