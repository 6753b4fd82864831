"""Passes: functions from a valid Program to a valid Program."""
