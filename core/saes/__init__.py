"""Saes."""
