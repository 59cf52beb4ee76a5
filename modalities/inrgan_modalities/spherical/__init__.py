"""Signals on the sphere: panoramas, and scalar or vector fields."""
