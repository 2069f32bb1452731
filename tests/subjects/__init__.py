"""Tests of the systems acted upon."""
