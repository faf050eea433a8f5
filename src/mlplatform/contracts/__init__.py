"""Frozen records that cross a border between processes.

They hold data and checks of their own shape, no behaviour.
"""
