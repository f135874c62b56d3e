"""Simulations of what the report prints, with known truth: how often is each statement right?"""
