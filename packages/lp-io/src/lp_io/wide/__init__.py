"""Poses with DeepLabCut's columns in HDF5 and Parquet, without pandas and without its pickles."""
