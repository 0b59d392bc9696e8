"""Generic models for any drug, in NONMEM's names."""
