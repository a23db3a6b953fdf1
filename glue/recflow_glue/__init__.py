"""The training job of recflow: raw events in, embeddings and a manifest out.

Each module holds one concern and is a set of small functions from DataFrame
to DataFrame; job.py is the table of contents. Formats are in docs/data.md.
"""
