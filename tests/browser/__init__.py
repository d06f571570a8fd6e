"""Tests in a real Chromium, on the tiny model; on the demo where only a model that refuses can show the point."""
