"""What is remembered: models kept on the device (`resident.py`) and the DuckDB store (`store.py`)."""
